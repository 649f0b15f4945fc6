{{/*
The pod of a role. Arguments: root, role, args (of tagger), resources, and gpu, shared (it needs the home that roles share),
port (http, metrics, flower or none), restart.
*/}}
{{- define "tagger.pod" -}}
{{- $values := .root.Values -}}
{{- $gpu := default false .gpu -}}
metadata:
  labels:
    {{- include "tagger.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
    {{- with $values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- with $values.podAnnotations }}
  annotations: {{ toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $values.imagePullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- if ne .role "migrate" }}
  serviceAccountName: {{ include "tagger.fullname" .root }}
  {{- end }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  restartPolicy: {{ default "Always" .restart }}
  terminationGracePeriodSeconds: {{ include "tagger.grace" . }}
  securityContext:
    runAsNonRoot: true
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: { type: RuntimeDefault }
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- if and $gpu $values.gpu.runtimeClassName }}
  runtimeClassName: {{ $values.gpu.runtimeClassName }}
  {{- end }}
  {{- with ternary $values.gpu.nodeSelector $values.nodeSelector $gpu }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with ternary (concat $values.tolerations $values.gpu.tolerations) $values.tolerations $gpu }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity: {{ toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector: { matchLabels: { {{ include "tagger.roleSelector" . | replace "\n" ", " }} } }
  containers:
    - name: tagger
      {{- $image := ternary $values.gpuImage $values.image $gpu }}
      image: {{ include "tagger.image" (dict "root" .root "image" $image) }}
      imagePullPolicy: {{ $image.pullPolicy }}
      args: {{ toJson .args }}
      env: {{ include "tagger.env" . | nindent 8 }}
      securityContext: {{ include "tagger.securityContext" . | nindent 8 }}
      resources:
        {{- if $gpu }}
        requests: {{ toYaml $values.gpu.resources.requests | nindent 10 }}
        limits: {{ toYaml (merge (dict $values.gpu.resource $values.gpu.count) $values.gpu.resources.limits) | nindent 10 }}
        {{- else }}{{ toYaml .resources | nindent 8 }}
        {{- end }}
      {{- if eq .port "http" }}
      ports:
        - { name: http, containerPort: 8400 }
        - { name: metrics, containerPort: 9400 }
      startupProbe: {{ include "tagger.probe" (dict "path" "/healthz" "port" "http") | nindent 8 }}
        periodSeconds: 5
        failureThreshold: 36
      readinessProbe: {{ include "tagger.probe" (dict "path" "/readyz" "port" "http") | nindent 8 }}
        periodSeconds: 5
      livenessProbe: {{ include "tagger.probe" (dict "path" "/healthz" "port" "http") | nindent 8 }}
        periodSeconds: 10
        failureThreshold: 6
      lifecycle: { preStop: { exec: { command: [sleep, "5"] } } } # until the Service sends nothing more
      {{- else if eq .port "metrics" }}
      ports:
        - { name: metrics, containerPort: 9400 }
      startupProbe: {{ include "tagger.probe" (dict "path" "/startupz" "port" "metrics") | nindent 8 }}
        periodSeconds: 10
        failureThreshold: {{ ternary (mul 6 (int $values.gpu.startupMinutes)) 30 $gpu }}
      readinessProbe: {{ include "tagger.probe" (dict "path" "/readyz" "port" "metrics") | nindent 8 }}
        periodSeconds: 10
      livenessProbe: {{ include "tagger.probe" (dict "path" "/livez" "port" "metrics") | nindent 8 }}
        periodSeconds: 10
        failureThreshold: 3
      {{- else if eq .port "flower" }}
      ports:
        - { name: flower, containerPort: 5555 }
      readinessProbe: {{ include "tagger.probe" (dict "path" "/healthcheck" "port" "flower") | nindent 8 }}
        periodSeconds: 10
      livenessProbe: {{ include "tagger.probe" (dict "path" "/healthcheck" "port" "flower") | nindent 8 }}
        periodSeconds: 30
        initialDelaySeconds: 30
      {{- end }}
      volumeMounts:
        - { name: home, mountPath: /var/lib/tagger }
        - { name: tmp, mountPath: /tmp }
        - { name: secrets, mountPath: /run/secrets/tagger, readOnly: true }
        {{- if $gpu }}
        - { name: models, mountPath: /models }
        {{- if $values.models.mirrorClaim }}
        - { name: mirror, mountPath: /mirror, readOnly: true }
        {{- end }}
        {{- end }}
  volumes:
    {{- if and .shared $values.home.shared }}
    - name: home
      persistentVolumeClaim: { claimName: {{ default (printf "%s-home" (include "tagger.fullname" .root)) $values.home.existingClaim }} }
    {{- else }}
    - { name: home, emptyDir: { sizeLimit: 256Mi } }
    {{- end }}
    - { name: tmp, emptyDir: { sizeLimit: 2Gi } }
    - name: secrets
      secret:
        secretName: {{ required "secrets.existingSecret names the Secret with the passwords" $values.secrets.existingSecret }}
        defaultMode: 0440
        items:
          {{- range $setting, $key := include "tagger.secretKeys" . | fromYaml }}
          - { key: {{ $key }}, path: {{ $setting }} }
          {{- end }}
    {{- if $gpu }}
    - name: models
      persistentVolumeClaim: { claimName: {{ default (printf "%s-models" (include "tagger.fullname" .root)) $values.models.cache.existingClaim }} }
    {{- with $values.models.mirrorClaim }}
    - name: mirror
      persistentVolumeClaim: { claimName: {{ . }}, readOnly: true }
    {{- end }}
    {{- end }}
{{- end -}}
