{{- define "tagger.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- (contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name)) | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "tagger.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tagger.labels" -}}
{{ include "tagger.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Arguments: root, role. */}}
{{- define "tagger.roleSelector" -}}
{{ include "tagger.selector" .root }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{- define "tagger.meta" -}}
name: {{ include "tagger.fullname" .root }}-{{ .role }}
labels:
  {{- include "tagger.labels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{/* Arguments: root, image. */}}
{{- define "tagger.image" -}}
{{ .image.repository }}:{{ default .root.Chart.AppVersion .image.tag }}
{{- end -}}

{{/* Names of the keys of the Secret that a role gets, as NAME=KEY lines: NAME is the setting. Arguments: root, role. */}}
{{- define "tagger.secretKeys" -}}
{{- $keys := .root.Values.secrets.keys -}}
{{- if ne .role "flower" }}
{{- if $keys.ledgerUrl }}
ledger_url: {{ $keys.ledgerUrl }}
{{- else }}
ledger_password: {{ required "secrets.keys needs ledgerPassword or ledgerUrl" $keys.ledgerPassword }}
{{- end }}
{{- end }}
{{- if not (has .role (list "migrate" "deliver")) }}
{{- if $keys.brokerUrl }}
broker_url: {{ $keys.brokerUrl }}
{{- else if $keys.brokerPassword }}
broker_password: {{ $keys.brokerPassword }}
{{- end }}
{{- end }}
{{- if and (eq .role "api") $keys.adminKey }}
admin_key: {{ $keys.adminKey }}
{{- end }}
{{- if and $keys.s3AccessKey (or (has .role (list "api" "reconcile")) (hasPrefix "tag-" .role)) }}
s3_access_key: {{ $keys.s3AccessKey }}
s3_secret_key: {{ required "secrets.keys.s3SecretKey belongs to s3AccessKey" $keys.s3SecretKey }}
{{- end }}
{{- if and (eq .role "deliver") $keys.eventsSecret }}
events_secret: {{ $keys.eventsSecret }}
{{- end }}
{{- if eq .role "flower" }}
flower_password: {{ required "flower needs secrets.keys.flowerPassword" $keys.flowerPassword }}
{{- end }}
{{- end -}}

{{/* Arguments: root, role, gpu. */}}
{{- define "tagger.env" -}}
{{- $values := .root.Values -}}
{{- $keys := include "tagger.secretKeys" . | fromYaml -}}
- { name: TAGGER_HOME, value: /var/lib/tagger }
- { name: TAGGER_API_HOST, value: 0.0.0.0 }
- { name: TAGGER_METRICS_HOST, value: 0.0.0.0 }
- { name: TAGGER_METRICS_PORT, value: "9400" }
{{- if not (or (hasKey $keys "ledger_url") (eq .role "flower")) }}
- { name: TAGGER_LEDGER_URL, value: {{ $values.ledger.url | quote }} }
{{- end }}
{{- if not (or (hasKey $keys "broker_url") (has .role (list "migrate" "deliver"))) }}
- { name: TAGGER_BROKER_URL, value: {{ $values.broker.url | quote }} }
{{- end }}
{{- range $setting, $key := $keys }}
- { name: TAGGER_{{ upper $setting }}_FILE, value: /run/secrets/tagger/{{ $setting }} }
{{- end }}
{{- if hasPrefix "tag-" .role }}
- { name: TAGGER_CAPTION, value: {{ ternary $values.gpu.caption "lite" .gpu }} }
- { name: TAGGER_EMBED, value: {{ ternary $values.gpu.embed "lite" .gpu }} }
- { name: TAGGER_CHECK, value: {{ ternary $values.gpu.check "none" .gpu }} }
{{- if .gpu }}
- { name: TAGGER_MODEL_DIR, value: /models }
- { name: TAGGER_MODEL_PULL, value: {{ ternary "1" "0" $values.models.pull | quote }} }
{{- if $values.models.mirrorClaim }}
- { name: TAGGER_MODEL_MIRROR, value: /mirror }
{{- end }}
{{- end }}
{{- end }}
{{- range $setting, $value := $values.settings }}
- { name: TAGGER_{{ upper $setting }}, value: {{ include "tagger.text" $value | quote }} }
{{- end }}
{{- end -}}

{{/* Helm reads each number of a values file as a float; 33554432 must not become 3.3554432e+07. */}}
{{- define "tagger.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* The port that a URL names. Empty: none, or 80, which stays closed to the metadata service of a cloud. */}}
{{- define "tagger.ownPort" -}}
{{- $port := regexFind ":[0-9]+$" (get (urlParse (default "" .)) "host") | trimPrefix ":" -}}
{{- if ne $port "80" }}{{ $port }}{{ end -}}
{{- end -}}

{{- define "tagger.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities: { drop: [ALL] }
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{/* Arguments: path, port. */}}
{{- define "tagger.probe" -}}
httpGet: { path: {{ .path }}, port: {{ .port }} }
timeoutSeconds: 5
{{- end -}}

{{- define "tagger.grace" -}}
{{- $least := int .root.Values.terminationGracePeriodSeconds -}}
{{- if and (eq .role "deliver") .root.Values.settings.deliver_seconds -}}
{{- max $least (add 20 (ceil (float64 .root.Values.settings.deliver_seconds))) -}}
{{- else -}}
{{- $least -}}
{{- end -}}
{{- end -}}
