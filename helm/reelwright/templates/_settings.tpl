{{/* The settings that all roles share: the data of the ConfigMap `settings`. No secrets. */}}
{{- define "reelwright.settings" -}}
{{ include "reelwright.chartSettings" . }}
{{- range $name, $value := .Values.settings }}
{{ $name }}: {{ include "reelwright.text" $value | quote }}
{{- end }}
{{- end -}}

{{/* A value as text. Numbers of a file of values are floating-point numbers: whole ones keep all their digits here. */}}
{{- define "reelwright.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}{{ printf "%.0f" . }}{{- else -}}{{ toString . }}{{- end -}}
{{- end -}}

{{/* Names of the variables that the chart sets for any role, as a JSON list. */}}
{{- define "reelwright.chartVariables" -}}
{{- $names := include "reelwright.chartSettings" . | fromYaml | keys -}}
{{- $pool := merge (dict "name" "any") (deepCopy .Values.poolDefaults) -}}
{{- range list
  (include "reelwright.sharedEnv" (dict "root" . "store" true))
  (include "reelwright.dispatcherEnv" (dict "root" . "config" .Values.dispatcher))
  (include "reelwright.inferenceEnv" (dict "root" . "pool" $pool))
  (include "reelwright.encoderEnv" (dict "root" . "config" .Values.encoder))
  (include "reelwright.controllerEnv" (dict "root" . "config" .Values.controller))
-}}
{{- range fromYamlArray . -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{/* Those of them that the chart makes of its values. */}}
{{- define "reelwright.chartSettings" -}}
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
{{- end -}}
