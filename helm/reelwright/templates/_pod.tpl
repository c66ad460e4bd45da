{{/*
The pod of a role, with all that the roles have in common.

Arguments:
  root       the chart's root
  component  the role, and name of its ServiceAccount
  pool       the whole pool, for a worker
  config     values of the role or pool: settings, resources, nodeSelector, ...
  image      media, inference-cpu or inference-cuda
  arguments  of `reelwright`
  env        more variables, as YAML list entries
  store      whether it uses the store
  service    whether it serves metrics and health
  ports      more ports, a list
  scratch    volume source of /scratch, as YAML
  grace      seconds from SIGTERM to SIGKILL
  tls        name of the Secret with its certificate of gRPC; empty without
  restart    restartPolicy
  once       true for a Job: not spread, no probes
*/}}
{{- define "reelwright.pod" -}}
{{- $values := .root.Values -}}
{{- $claim := and .store (include "reelwright.filmsClaim" .root) -}}
{{- $authority := and .store $values.store.tls.caSecretName -}}
metadata:
  labels:
    {{- include "reelwright.labels" . | nindent 4 }}
    {{- with .config.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/settings: {{ include "reelwright.settings" .root | sha256sum }}
    {{- with .config.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "reelwright.fullname" .root }}-{{ .component }}
  automountServiceAccountToken: {{ eq .component "controller" }}
  # The variables of Services (NAME_PORT=...) could be taken for settings.
  enableServiceLinks: false
  {{- with .restart }}
  restartPolicy: {{ . }}
  {{- end }}
  {{- with $values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with .grace }}
  terminationGracePeriodSeconds: {{ . }}
  {{- end }}
  securityContext:
    {{- toYaml $values.podSecurityContext | nindent 4 }}
  {{- with .config.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with .config.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .config.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .config.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .config.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and $values.topologySpread (not .once) }}
  topologySpreadConstraints:
    {{- range $values.topologySpread }}
    - {{- toYaml . | nindent 6 }}
      labelSelector:
        matchLabels:
          {{- include "reelwright.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  {{- if and .pool .pool.gpu.resourceClaimTemplateName }}
  resourceClaims:
    - name: gpu
      resourceClaimTemplateName: {{ .pool.gpu.resourceClaimTemplateName }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ include "reelwright.image" . }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      {{- with .command }}
      command: {{ toJson . }}
      {{- end }}
      args: {{ toJson .arguments }}
      envFrom:
        - configMapRef:
            name: {{ include "reelwright.fullname" .root }}-settings
        {{- if and .store $values.store.credentialsSecretName }}
        - secretRef:
            name: {{ $values.store.credentialsSecretName }}
        {{- end }}
      env:
        {{- include "reelwright.sharedEnv" . | nindent 8 }}
        {{- with .env }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- range $name, $value := .config.settings }}
        - name: {{ $name }}
          value: {{ include "reelwright.text" $value | quote }}
        {{- end }}
      {{- if .service }}
      ports:
        - {name: http, containerPort: 9100}
        {{- range .ports }}
        - {{ toJson . }}
        {{- end }}
      # The port answers before broker and store are asked: a slow start of Python is no reason for a restart.
      startupProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 1
        failureThreshold: 600
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 2
        timeoutSeconds: 5
      # A process that hangs says so itself. One that answers late is on a node that is too busy: a restart would add work.
      livenessProbe:
        httpGet: {path: /livez, port: http}
        periodSeconds: 10
        timeoutSeconds: 10
        failureThreshold: 12
      {{- end }}
      {{- $resources := deepCopy (.config.resources | default dict) }}
      {{- if .pool }}
      {{- with .pool.gpu }}
      {{- if .resourceName }}
      {{- $limits := merge (dict .resourceName (.count | toString)) ($resources.limits | default dict) }}
      {{- $resources = merge (dict "limits" $limits) $resources }}
      {{- else if .resourceClaimTemplateName }}
      {{- $resources = merge (dict "claims" (list (dict "name" "gpu"))) $resources }}
      {{- end }}
      {{- end }}
      {{- end }}
      {{- with $resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- if .scratch }}
        - {name: scratch, mountPath: /scratch}
        {{- end }}
        {{- if $claim }}
        - {name: films, mountPath: {{ $values.store.volume.mountPath }}}
        {{- end }}
        {{- if $authority }}
        - {name: store-ca, mountPath: /etc/reelwright/store-ca, readOnly: true}
        {{- end }}
        {{- if $values.bus.tls.caSecretName }}
        - {name: bus-ca, mountPath: /etc/reelwright/bus-ca, readOnly: true}
        {{- end }}
        {{- if $values.bus.tls.clientSecretName }}
        - {name: bus-client, mountPath: /etc/reelwright/bus-client, readOnly: true}
        {{- end }}
        {{- if .tls }}
        - {name: grpc, mountPath: /etc/reelwright/grpc, readOnly: true}
        {{- end }}
        {{- range .mounts }}
        - {{ toJson . }}
        {{- end }}
  volumes:
    - {name: tmp, emptyDir: {}}
    {{- with .scratch }}
    - name: scratch
      {{- . | nindent 6 }}
    {{- end }}
    {{- if $claim }}
    - {name: films, persistentVolumeClaim: {claimName: {{ $claim }}}}
    {{- end }}
    {{- with $authority }}
    - {name: store-ca, secret: {secretName: {{ . }}}}
    {{- end }}
    {{- with $values.bus.tls.caSecretName }}
    - {name: bus-ca, secret: {secretName: {{ . }}}}
    {{- end }}
    {{- with $values.bus.tls.clientSecretName }}
    - {name: bus-client, secret: {secretName: {{ . }}}}
    {{- end }}
    {{- with .tls }}
    - {name: grpc, secret: {secretName: {{ . }}}}
    {{- end }}
    {{- range .volumes }}
    - {{ toJson . }}
    {{- end }}
{{- end -}}

{{/* Variables of every role. Arguments: root, store. */}}
{{- define "reelwright.sharedEnv" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- with .root.Values.bus.credentials }}
{{- if .secretName }}
- name: REELWRIGHT_BUS_USERNAME
  valueFrom: {secretKeyRef: {name: {{ .secretName }}, key: {{ .usernameKey }}}}
- name: REELWRIGHT_BUS_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .secretName }}, key: {{ .passwordKey }}}}
{{- end }}
{{- end }}
{{- if and .store .root.Values.store.tls.caSecretName }}
- name: AWS_CA_BUNDLE
  value: /etc/reelwright/store-ca/{{ .root.Values.store.tls.caKey }}
{{- end }}
{{- end -}}

{{/* Variables with the token of gRPC. Arguments: root, role. */}}
{{- define "reelwright.tokenEnv" -}}
{{- with .root.Values.grpc.token }}
{{- if .secretName }}
- name: REELWRIGHT_{{ upper $.role }}_TOKEN
  valueFrom: {secretKeyRef: {name: {{ .secretName }}, key: {{ .key }}}}
{{- end }}
{{- end }}
{{- end -}}

{{/* How long the process of a role has to end; Kubernetes kills it 15 seconds later. Argument: seconds. */}}
{{- define "reelwright.graceEnv" -}}
- name: REELWRIGHT_GRACE_SECONDS
  value: {{ . | toString | quote }}
{{- end -}}
