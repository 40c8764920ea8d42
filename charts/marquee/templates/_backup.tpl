{{/* What psql, pg_dump and pg_restore read, of (dict "root" $ "user" "..." "key" "..."). */}}
{{- define "marquee.psqlEnv" -}}
- {name: PGHOST, value: {{ include "marquee.databaseHost" .root }}}
- {name: PGPORT, value: {{ include "marquee.databasePort" .root | quote }}}
- {name: PGUSER, value: {{ .user }}}
- {name: PGDATABASE, value: {{ include "marquee.databaseName" .root }}}
{{ include "marquee.secretEnv" (dict "root" .root "name" "PGPASSWORD" "key" .key) }}
{{- end -}}

{{/* Of (dict "root" $ "scripts" true) or (dict "root" $ "stores" (list "backups")). */}}
{{- define "marquee.backupRest" -}}
resources:
  {{- toYaml .root.Values.backup.resources | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: scratch, mountPath: /scratch}
  {{- if .scripts }}
  - {name: scripts, mountPath: /etc/marquee/scripts, readOnly: true}
  {{- end }}
  {{- with include "marquee.volumeMounts" . | trim }}{{ nindent 2 . }}{{ end }}
{{- end -}}

{{- define "marquee.backupVolumes" -}}
{{ include "marquee.tmp" "1Gi" }}
- name: scratch
  emptyDir:
    sizeLimit: {{ .root.Values.backup.scratchSize }}
- name: scripts
  configMap:
    name: {{ include "marquee.fullname" .root }}-scripts
{{- include "marquee.volumes" . }}
{{- end -}}
