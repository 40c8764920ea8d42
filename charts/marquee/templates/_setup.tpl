{{/* What the setup Job does, one after the other, as JSON. */}}
{{- define "marquee.setupSteps" -}}
{{- $steps := list "migrate" -}}
{{- if include "marquee.hasAdmin" . -}}{{- $steps = prepend $steps "roles" -}}{{- end -}}
{{- if .Values.simulator.enabled -}}{{- $steps = append $steps "clients" -}}{{- end -}}
{{- if .Values.bootstrap.enabled -}}{{- $steps = append $steps "catalogue" -}}{{- end -}}
{{- toJson $steps -}}
{{- end -}}

{{/* Of (dict "root" $ "step" "migrate"). */}}
{{- define "marquee.setupStep" -}}
- name: {{ .step }}
  {{- include "marquee.program" .root | nindent 2 }}
  {{- include (printf "marquee.setup.%s" .step) .root | nindent 2 }}
  resources:
    {{- toYaml .root.Values.setup.resources | nindent 4 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    {{- with include "marquee.authorityMount" .root | trim }}{{ nindent 4 . }}{{ end }}
{{- end -}}

{{- define "marquee.setup.roles" -}}
command: [marquee, roles, --wait, "300"]
env:
  {{- $admin := dict "root" . "role" (include "marquee.admin" .) "key" "POSTGRES_PASSWORD" }}
  {{- include "marquee.databaseEnv" $admin | nindent 2 }}
  {{- range list "OWNER_PASSWORD" "API_PASSWORD" "PIPELINE_PASSWORD" }}
  {{- include "marquee.secretEnv" (dict "root" $ "key" .) | nindent 2 }}
  {{- end }}
  {{- include "marquee.secretEnv" (dict "root" . "key" "ANALYST_PASSWORD" "optional" true) | nindent 2 }}
  {{- if include "marquee.hasBackup" . }}
  {{- include "marquee.secretEnv" (dict "root" . "key" "BACKUP_PASSWORD") | nindent 2 }}
  {{- end }}
  {{- if .Values.airflow.enabled }}
  {{- include "marquee.secretEnv" (dict "root" . "key" "AIRFLOW_PASSWORD") | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "marquee.setup.migrate" -}}
command: [marquee, migrate, --wait, "300"]
env:
  {{- include "marquee.databaseEnv" (dict "root" . "role" "marquee_owner" "key" "OWNER_PASSWORD") | nindent 2 }}
{{- end -}}

{{/* The simulator knows files only: whoever sends a day must be registered before it. */}}
{{- define "marquee.setup.clients" -}}
command:
  - sh
  - -ec
  - |
    for client in {{ join " " .Values.simulator.clients }}; do
      marquee clients add "$client" --name "$client" --email "$client@example.org" --no-password
    done
env:
  {{- include "marquee.databaseEnv" (dict "root" . "role" "marquee_owner" "key" "OWNER_PASSWORD") | nindent 2 }}
{{- end -}}

{{- define "marquee.setup.catalogue" -}}
command: [marquee, starter]
env:
  {{- include "marquee.databaseEnv" (dict "root" . "role" "marquee_pipeline" "key" "PIPELINE_PASSWORD") | nindent 2 }}
  {{- include "marquee.secretEnv" (dict "root" . "key" "TOMBSTONE_KEY") | nindent 2 }}
{{- end -}}
