{{- define "app" }}{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}

{{- define "full" }}
{{- $app := include "app" . }}
{{- $joined := contains $app .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $app) }}
{{- .Values.fullnameOverride | default $joined | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "namespace" }}{{ .Values.namespaceOverride | default .Release.Namespace }}{{ end }}

{{- /* (list context suffix): what tells a component's pods from others. */}}
{{- define "selector" -}}
app.kubernetes.io/name: {{ include "app" (index . 0) }}{{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end }}

{{- define "labels" -}}
{{- $ := index . 0 -}}
{{ include "selector" . }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with $.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}
