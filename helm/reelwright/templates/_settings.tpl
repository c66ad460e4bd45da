{{/* The settings that all roles share: the data of the ConfigMap `settings`. No secrets. */}}
{{- define "reelwright.settings" -}}
{{- $values := .Values -}}
REELWRIGHT_INSTALLATION: {{ include "reelwright.installation" . | quote }}
REELWRIGHT_METRICS_PORT: "9100"
REELWRIGHT_BUS_BOOTSTRAP_SERVERS: {{ include "reelwright.bootstrapServers" . | quote }}
REELWRIGHT_BUS_SECURITY_PROTOCOL: {{ $values.bus.securityProtocol }}
REELWRIGHT_BUS_SASL_MECHANISM: {{ $values.bus.saslMechanism }}
REELWRIGHT_BUS_PARTITIONS: {{ $values.bus.partitions | quote }}
REELWRIGHT_BUS_REPLICATION_FACTOR: {{ $values.bus.replicationFactor | quote }}
{{- if $values.bus.tls.caSecretName }}
REELWRIGHT_BUS_TLS_CA: /etc/reelwright/bus-ca/{{ $values.bus.tls.caKey }}
{{- end }}
{{- if $values.bus.tls.clientSecretName }}
REELWRIGHT_BUS_TLS_CERT: /etc/reelwright/bus-client/tls.crt
REELWRIGHT_BUS_TLS_KEY: /etc/reelwright/bus-client/tls.key
{{- end }}
REELWRIGHT_STORE_LEDGER: {{ include "reelwright.ledger" . | quote }}
REELWRIGHT_STORE_SOURCES: {{ join "," $values.store.sources | quote }}
REELWRIGHT_STORE_OUTPUTS: {{ join "," $values.store.outputs | quote }}
REELWRIGHT_STORE_KEEP_DAYS: {{ $values.store.keepDays | quote }}
{{- with $values.store.endpoint }}
AWS_ENDPOINT_URL: {{ . | quote }}
{{- end }}
{{- with $values.store.region }}
AWS_DEFAULT_REGION: {{ . | quote }}
{{- end }}
{{- range $name, $value := $values.settings }}
{{ $name }}: {{ $value | toString | quote }}
{{- end }}
{{- end -}}
