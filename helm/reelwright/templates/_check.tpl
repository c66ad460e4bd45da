{{/* Mistakes that the schema cannot see: each is one sentence that says which value, what is wrong, and what to do. */}}
{{- define "reelwright.check" -}}
{{- $values := .Values -}}
{{- $problems := list -}}
{{- if not (or $values.development.enabled $values.bus.bootstrapServers) -}}
{{- $problems = append $problems "bus.bootstrapServers is empty: give the addresses of your Kafka brokers, such as kafka:9092, or set development.enabled=true to try Reelwright out" -}}
{{- end -}}
{{- if not (or $values.development.enabled $values.store.ledger) -}}
{{- $problems = append $problems "store.ledger is empty: give a folder in your store, such as s3://films/ledger, or set development.enabled=true to try Reelwright out" -}}
{{- end -}}
{{- if and $values.development.enabled (or $values.bus.bootstrapServers $values.store.ledger) -}}
{{- $problems = append $problems "development.enabled starts a broker and a store, and bus.bootstrapServers or store.ledger names existing ones: leave out one of the two" -}}
{{- end -}}
{{- if and (hasPrefix "SASL" $values.bus.securityProtocol) (not $values.bus.credentials.secretName) -}}
{{- $problems = append $problems (printf "bus.securityProtocol is %s, and bus.credentials.secretName is empty: name the Secret with user name and password" $values.bus.securityProtocol) -}}
{{- end -}}
{{- if and $values.bus.credentials.secretName (not (hasPrefix "SASL" $values.bus.securityProtocol)) -}}
{{- $problems = append $problems (printf "bus.credentials.secretName is set, and bus.securityProtocol %s does not log in: use SASL_SSL or SASL_PLAINTEXT" $values.bus.securityProtocol) -}}
{{- end -}}
{{- $folder := and $values.store.ledger (not (contains "://" $values.store.ledger)) -}}
{{- if and $folder (not $values.store.volume.existingClaim) -}}
{{- $problems = append $problems (printf "store.ledger is the folder %s, and store.volume.existingClaim is empty: name the claim that every pod mounts" $values.store.ledger) -}}
{{- end -}}
{{- if and $folder (not (hasPrefix (printf "%s/" (trimSuffix "/" $values.store.volume.mountPath)) $values.store.ledger)) -}}
{{- $problems = append $problems (printf "store.ledger is the folder %s, which is not below store.volume.mountPath (%s)" $values.store.ledger $values.store.volume.mountPath) -}}
{{- end -}}
{{- if and $values.store.tls.caSecretName (not (hasPrefix "https://" $values.store.endpoint)) -}}
{{- $problems = append $problems "store.tls.caSecretName is set, and store.endpoint is no address that begins with https://: correct one of the two" -}}
{{- end -}}
{{- if and $values.contentCredentials.timestampServer (not $values.contentCredentials.secretName) -}}
{{- $problems = append $problems "contentCredentials.timestampServer is set, and contentCredentials.secretName is empty: name the Secret with the key that films are signed with" -}}
{{- end -}}
{{- with $values.grpc.tls -}}
{{- if and .enabled (not .certManager.enabled) (not (and .dispatcherSecretName .workerSecretName)) -}}
{{- $problems = append $problems "grpc.tls.enabled needs certificates: name both Secrets, grpc.tls.dispatcherSecretName and grpc.tls.workerSecretName, or set grpc.tls.certManager.enabled=true" -}}
{{- end -}}
{{- if and .certManager.enabled (not .enabled) -}}
{{- $problems = append $problems "grpc.tls.certManager.enabled is true, and grpc.tls.enabled is false: set both" -}}
{{- end -}}
{{- end -}}
{{- $settings := dict "settings" $values.settings -}}
{{- range $role := list "decoder" "dispatcher" "encoder" "controller" "poolDefaults" -}}
{{- $_ := set $settings (printf "%s.settings" $role) (index $values $role).settings -}}
{{- end -}}
{{- range $values.pools -}}
{{- $_ := set $settings (printf "pool %s: settings" .name) .settings -}}
{{- end -}}
{{- $made := include "reelwright.chartVariables" . | fromJsonArray -}}
{{- range $where, $variables := $settings -}}
{{- range $name, $value := $variables -}}
{{- if regexMatch "(PASSWORD|TOKEN|SECRET_ACCESS_KEY|ACCESS_KEY_ID)$" $name -}}
{{- $problems = append $problems (printf "%s.%s is a secret, and values are not secret: put it into a Secret (bus.credentials, store.credentialsSecretName, grpc.token)" $where $name) -}}
{{- else if has $name $made -}}
{{- $problems = append $problems (printf "%s.%s is made by the chart of its other values: change those, and leave it out" $where $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $names := list -}}
{{- range $values.pools -}}
{{- $pool := include "reelwright.pool" (dict "root" $ "pool" .) | fromYaml -}}
{{- if has $pool.name $names -}}
{{- $problems = append $problems (printf "pools: two pools have the name %s: give each its own" $pool.name) -}}
{{- end -}}
{{- $names = append $names $pool.name -}}
{{- if gt (int $pool.minReplicas) (int $pool.maxReplicas) -}}
{{- $problems = append $problems (printf "pool %s: minReplicas %d is more than maxReplicas %d" $pool.name (int $pool.minReplicas) (int $pool.maxReplicas)) -}}
{{- end -}}
{{- if and (eq $pool.image "cpu") (eq $pool.engine "torch") -}}
{{- $problems = append $problems (printf "pool %s: the image cpu has no engine torch: use image cuda, or engine openvino" $pool.name) -}}
{{- end -}}
{{- if and (eq $pool.image "cuda") (eq $pool.engine "openvino") -}}
{{- $problems = append $problems (printf "pool %s: the image cuda has no engine openvino: use image cpu, or engine torch" $pool.name) -}}
{{- end -}}
{{- if or (contains "://" $pool.model) (and (hasPrefix "sha256:" $pool.model) (not (regexMatch "^sha256:[0-9a-f]{64}$" $pool.model))) -}}
{{- $problems = append $problems (printf "pool %s: model %s is no network: give the name of one that ships, or the name that `reelwright models add FILE` prints, sha256: and 64 hex digits" $pool.name $pool.model) -}}
{{- end -}}
{{- if and $pool.gpu.resourceName $pool.gpu.resourceClaimTemplateName -}}
{{- $problems = append $problems (printf "pool %s: gpu.resourceName and gpu.resourceClaimTemplateName are two ways to the same GPU: set one of them" $pool.name) -}}
{{- end -}}
{{- if and (eq $pool.image "cuda") (not $pool.gpu.resourceName) (not $pool.gpu.resourceClaimTemplateName) -}}
{{- $problems = append $problems (printf "pool %s: the image cuda needs a GPU: set gpu.resourceName, such as nvidia.com/gpu, or gpu.resourceClaimTemplateName" $pool.name) -}}
{{- end -}}
{{- $grace := include "reelwright.poolGraceSeconds" $pool | int -}}
{{- if and $pool.spot (gt $grace 110) -}}
{{- $problems = append $problems (printf "pool %s: a spot node is taken away after two minutes, and batchSeconds %d needs %d seconds to stop: use a faster kind of node, or spot: false" $pool.name (int $pool.batchSeconds) $grace) -}}
{{- end -}}
{{- if and (eq $values.autoscaling.type "hpa") (lt (int $pool.minReplicas) 1) -}}
{{- $problems = append $problems (printf "pool %s: a HorizontalPodAutoscaler cannot scale to 0 pods: set minReplicas to 1, or autoscaling.type to keda" $pool.name) -}}
{{- end -}}
{{- end -}}
{{- $most := 0 -}}
{{- range $values.pools -}}
{{- $pool := include "reelwright.pool" (dict "root" $ "pool" .) | fromYaml -}}
{{- $most = max $most (ternary $pool.minReplicas $pool.maxReplicas (eq $values.autoscaling.type "none") | int) -}}
{{- end -}}
{{- if lt $most 1 -}}
{{- $problems = append $problems "pools: no pool would ever have a pod, because nothing scales those with minReplicas 0: set minReplicas to 1, or autoscaling.type to keda" -}}
{{- end -}}
{{- with $values.encoder -}}
{{- if and .maxReplicas (lt (int .maxReplicas) (int .replicas)) -}}
{{- $problems = append $problems (printf "encoder.replicas %d is more than encoder.maxReplicas %d" (int .replicas) (int .maxReplicas)) -}}
{{- end -}}
{{- if and .maxReplicas (eq $values.autoscaling.type "hpa") (lt (int .replicas) 1) -}}
{{- $problems = append $problems "encoder: a HorizontalPodAutoscaler cannot scale to 0 pods: set encoder.replicas to 1, or autoscaling.type to keda" -}}
{{- end -}}
{{- end -}}
{{- $has := .Capabilities.APIVersions -}}
{{- if and (eq $values.autoscaling.type "keda") (not ($has.Has "keda.sh/v1alpha1")) -}}
{{- $problems = append $problems "autoscaling.type is keda, and the cluster has no KEDA: install it (keda.sh/docs), or set autoscaling.type to hpa or none" -}}
{{- end -}}
{{- if and $values.grpc.tls.certManager.enabled (not ($has.Has "cert-manager.io/v1")) -}}
{{- $problems = append $problems "grpc.tls.certManager.enabled is true, and the cluster has no cert-manager: install it (cert-manager.io), or name Secrets with certificates" -}}
{{- end -}}
{{- if and (or $values.monitoring.podMonitor.enabled $values.monitoring.serviceMonitor.enabled $values.monitoring.rules.enabled) (not ($has.Has "monitoring.coreos.com/v1")) -}}
{{- $problems = append $problems "monitoring needs the Prometheus operator, and the cluster does not have it: install it, or turn off monitoring.podMonitor, .serviceMonitor and .rules" -}}
{{- end -}}
{{- if and $values.monitoring.podMonitor.enabled $values.monitoring.serviceMonitor.enabled -}}
{{- $problems = append $problems "monitoring.podMonitor and monitoring.serviceMonitor would scrape each pod twice: enable one of them" -}}
{{- end -}}
{{- with $problems -}}
{{- fail (printf "\n\nthe values of Reelwright must be corrected (%d):\n  - %s\n" (len .) (join "\n  - " .)) -}}
{{- end -}}
{{- end -}}
