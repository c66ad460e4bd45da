{{/* The first part of the name of every object. Short enough for the longest suffix. */}}
{{- define "reelwright.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 30 | trimSuffix "-" -}}
{{- end -}}

{{/*
The name of the installation: a part of the names of topics and groups, and the ledger's folder. Without a hyphen in the
release's name there is one way to split NAMESPACE-RELEASE; of others, and of those cut off, a hash keeps two releases apart.
*/}}
{{- define "reelwright.installation" -}}
{{- $release := .Release.Name -}}
{{- $name := ternary $release (printf "%s-%s" .Release.Namespace $release) (eq $release .Release.Namespace) -}}
{{- if .Values.installation -}}
{{- .Values.installation -}}
{{- else if and (regexMatch "^[a-z0-9]+$" $release) (le (len $name) 40) -}}
{{- $name -}}
{{- else -}}
{{- $hash := printf "%s/%s" .Release.Namespace $release | sha256sum | trunc 8 -}}
{{- printf "%s-%s" ($name | replace "." "-" | trunc 31 | trimSuffix "-") $hash -}}
{{- end -}}
{{- end -}}

{{/* Labels that select the pods of a component. Arguments: root, component, and pool for a pool. */}}
{{- define "reelwright.selector" -}}
app.kubernetes.io/name: reelwright
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- with .pool }}
reelwright.io/pool: {{ .name | quote }}
{{- end }}
{{- end -}}

{{/* Labels of every object. Arguments: as of reelwright.selector. */}}
{{- define "reelwright.labels" -}}
{{ include "reelwright.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Name, namespace and labels of an object. Arguments: root, component, name without the release, and pool. */}}
{{- define "reelwright.metadata" -}}
name: {{ include "reelwright.fullname" .root }}-{{ .name | default .component }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "reelwright.labels" . | nindent 2 }}
{{- end -}}

{{/* An image of ours. Arguments: root, image. */}}
{{- define "reelwright.image" -}}
{{- $values := .root.Values.image -}}
{{- with $values.registry }}{{ trimSuffix "/" . }}/{{ end }}reelwright/{{ .image }}:{{ $values.tag | default .root.Chart.AppVersion -}}
{{- end -}}

{{/* A pool with what it does not say taken from poolDefaults, as YAML. Arguments: root, pool. */}}
{{- define "reelwright.pool" -}}
{{- mustMergeOverwrite (deepCopy .root.Values.poolDefaults) (deepCopy .pool) | toYaml -}}
{{- end -}}

{{/* First word of the identity of a pool's engine. Argument: a whole pool. */}}
{{- define "reelwright.poolEngine" -}}
{{- ternary (ternary "torch" "openvino" (eq .image "cuda")) .engine (eq .engine "auto") -}}
{{- end -}}

{{/* Where KEDA and the controller ask a dispatcher. */}}
{{- define "reelwright.scalerAddress" -}}
{{- printf "%s-dispatcher.%s.svc:50052" (include "reelwright.fullname" .) .Release.Namespace -}}
{{- end -}}

{{/* Seconds that a worker of a pool has for its started batches. Argument: a whole pool. */}}
{{- define "reelwright.drainSeconds" -}}
{{- mul 2 .batchSeconds -}}
{{- end -}}

{{/* Seconds from SIGTERM to SIGKILL of a worker: its drain, the end of its role (10) and of its process (10). */}}
{{- define "reelwright.poolGraceSeconds" -}}
{{- add (mul 2 .batchSeconds) 20 -}}
{{- end -}}

{{/* Addresses of all dispatchers. */}}
{{- define "reelwright.dispatchers" -}}
{{- $name := include "reelwright.fullname" . -}}
{{- $addresses := list -}}
{{- range $number := until (int .Values.dispatcher.replicas) -}}
{{- $host := printf "%s-dispatcher-%d.%s-dispatcher-pods.%s.svc" $name $number $name $.Release.Namespace -}}
{{- $addresses = append $addresses (printf "%s:50051" $host) -}}
{{- end -}}
{{- join "," $addresses -}}
{{- end -}}

{{- define "reelwright.bootstrapServers" -}}
{{- if .Values.development.enabled -}}
{{- printf "%s-kafka.%s.svc:9092" (include "reelwright.fullname" .) .Release.Namespace -}}
{{- else -}}
{{- .Values.bus.bootstrapServers -}}
{{- end -}}
{{- end -}}

{{- define "reelwright.ledger" -}}
{{- if .Values.development.enabled -}}
{{- printf "%s/ledger" (trimSuffix "/" .Values.store.volume.mountPath) -}}
{{- else -}}
{{- .Values.store.ledger -}}
{{- end -}}
{{- end -}}

{{/* The claim of the shared folder; empty where the store is S3 alone. */}}
{{- define "reelwright.filmsClaim" -}}
{{- if .Values.development.enabled -}}
{{- include "reelwright.fullname" . }}-films
{{- else -}}
{{- .Values.store.volume.existingClaim -}}
{{- end -}}
{{- end -}}

{{/* Names of the Secrets with the certificates of dispatchers and workers. */}}
{{- define "reelwright.dispatcherTlsSecret" -}}
{{- .Values.grpc.tls.dispatcherSecretName | default (printf "%s-dispatcher-tls" (include "reelwright.fullname" .)) -}}
{{- end -}}

{{- define "reelwright.workerTlsSecret" -}}
{{- .Values.grpc.tls.workerSecretName | default (printf "%s-worker-tls" (include "reelwright.fullname" .)) -}}
{{- end -}}
