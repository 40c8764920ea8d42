{{/* CronJobs may have 52 characters: 40, and the longest ending. */}}
{{- define "marquee.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "marquee" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-marquee" (.Release.Name | trunc 32 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "marquee.secretName" -}}
{{- .Values.existingSecret | default (include "marquee.fullname" .) -}}
{{- end -}}

{{/* What finds pods: never a version, since selectors cannot change. */}}
{{- define "marquee.selector" -}}
app.kubernetes.io/name: marquee
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* Of (dict "root" $ "component" "api"). */}}
{{- define "marquee.labels" -}}
{{ include "marquee.selector" .root }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: marquee
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Of (dict "root" $ "image" .Values.image). */}}
{{- define "marquee.image" -}}
{{- $tag := .image.tag | default .root.Chart.AppVersion -}}
{{- printf "%s:%s" .image.repository $tag -}}{{- with .image.digest -}}@{{ . }}{{- end -}}
{{- end -}}
