{{- define "app" }}{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}

{{- define "full" }}
{{- $app := include "app" . }}
{{- $joined := contains $app .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $app) }}
{{- .Values.fullnameOverride | default $joined | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "selector" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/name: {{ include "app" . }}
{{- end }}

{{- define "labels" -}}
{{ include "selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* One container: (list name image args extra), `extra` a map merged in. */}}
{{- define "container" }}
{{- $image := index . 1 }}
{{- $container := dict "name" (index . 0) "image" (printf "%s:%s" $image.image $image.tag) "imagePullPolicy" $image.pullPolicy "args" (index . 2) }}
{{- list (merge $container (index . 3)) | toYaml }}
{{- end }}

{{- /* Where a pod may run: the values' affinity, nodeSelector and tolerations. */}}
{{- define "place" }}
{{- range $key := list "affinity" "nodeSelector" "tolerations" }}
{{- with get $ $key }}
{{ $key }}: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "clientInfo" }}{{ .Values.clientInfoSecret.name | default (printf "%s-client-info" (include "full" .)) }}{{ end }}
