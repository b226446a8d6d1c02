{{- define "app" }}{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}

{{- define "full" }}
{{- $app := include "app" . }}
{{- $joined := contains $app .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $app) }}
{{- .Values.fullnameOverride | default $joined | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "labels" -}}
app.kubernetes.io/name: {{ include "full" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}
