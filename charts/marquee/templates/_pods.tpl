{{/* What every pod of ours has, of (dict "root" $ "account" "api" "uid" 10001 "place" .Values.api "tied" true).
Service links would make variables like MARQUEE_PORT of a Service named marquee: they are off. */}}
{{- define "marquee.pod" -}}
serviceAccountName: {{ .account }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .uid }}
  runAsGroup: {{ .uid }}
  fsGroup: {{ .uid }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .place.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .place.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .place.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- $affinity := deepCopy (.place.affinity | default dict) }}
{{- if .tied }}
{{- $_ := set $affinity "podAffinity" (include "marquee.besideVolumes" .root | fromYaml) }}
{{- end }}
{{- with $affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A ReadWriteOnce volume is attached to one node: whoever mounts one goes where the others are. */}}
{{- define "marquee.besideVolumes" -}}
requiredDuringSchedulingIgnoredDuringExecution:
  - topologyKey: kubernetes.io/hostname
    labelSelector:
      matchLabels:
        marquee.io/volumes: {{ include "marquee.fullname" . }}
{{- end -}}

{{- define "marquee.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "marquee.program" -}}
image: {{ include "marquee.image" (dict "root" . "image" .Values.image) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{ include "marquee.container" . }}
{{- end -}}

{{- define "marquee.postgresProgram" -}}
image: {{ include "marquee.image" (dict "root" . "image" .Values.postgres.image) | quote }}
imagePullPolicy: {{ .Values.postgres.image.pullPolicy }}
{{ include "marquee.container" . }}
{{- end -}}

{{/* One key of the Secret as a variable, of (dict "root" $ "name" "PGPASSWORD" "key" "API_PASSWORD"). */}}
{{- define "marquee.secretEnv" -}}
- name: {{ .name | default .key }}
  valueFrom:
    secretKeyRef:
      name: {{ include "marquee.secretName" .root }}
      key: {{ .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end -}}

{{- define "marquee.tmp" -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ . }}
{{- end -}}
