{{- define "marquee.databaseHost" -}}
{{- with .Values.database.external -}}
{{- ternary .host (printf "%s-postgres" (include "marquee.fullname" $)) .enabled -}}
{{- end -}}
{{- end -}}

{{- define "marquee.databasePort" -}}
{{- ternary .Values.database.external.port 5432 .Values.database.external.enabled | int -}}
{{- end -}}

{{- define "marquee.databaseName" -}}
{{- ternary .Values.database.external.name "marquee" .Values.database.external.enabled -}}
{{- end -}}

{{/* Whether a role stands above the others here, who may make them: the answer is text, empty is no. */}}
{{- define "marquee.hasAdmin" -}}
{{- if or (not .Values.database.external.enabled) .Values.database.external.admin.enabled -}}yes{{- end -}}
{{- end -}}

{{- define "marquee.admin" -}}
{{- ternary .Values.database.external.admin.user "postgres" .Values.database.external.enabled -}}
{{- end -}}

{{/* The address without a password, which libpq takes from PGPASSWORD. Of (dict "root" $ "role" "marquee_api"), and
"database" where it is another than the one that serves. */}}
{{- define "marquee.databaseUrl" -}}
{{- $host := include "marquee.databaseHost" .root -}}
{{- $port := include "marquee.databasePort" .root -}}
postgresql://{{ .role }}@{{ $host }}:{{ $port }}/{{ .database | default (include "marquee.databaseName" .root) }}
{{- end -}}

{{/* As entries of a ConfigMap. */}}
{{- define "marquee.tls" -}}
{{- with .Values.database.external }}
{{- if .enabled }}
PGSSLMODE: {{ .sslMode }}
{{- if .sslRootCert.name }}
PGSSLROOTCERT: /etc/marquee/authority/{{ .sslRootCert.key }}
{{- else if hasPrefix "verify" .sslMode }}
PGSSLROOTCERT: /etc/ssl/certs/ca-certificates.crt
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The certificate of the database's authority, as a volume; nothing where none is named. */}}
{{- define "marquee.authority" -}}
{{- $external := .Values.database.external -}}
{{- with $external.sslRootCert }}
{{- if and $external.enabled .name }}
- name: authority
  {{- if eq .kind "Secret" }}
  secret:
    secretName: {{ .name }}
  {{- else }}
  configMap:
    name: {{ .name }}
  {{- end }}
    items:
      - {key: {{ .key }}, path: {{ .key }}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "marquee.authorityMount" -}}
{{- if and .Values.database.external.enabled .Values.database.external.sslRootCert.name }}
- {name: authority, mountPath: /etc/marquee/authority, readOnly: true}
{{- end }}
{{- end -}}

{{/* Variables of a container that works in the database, of (dict "root" $ "role" "..." "key" "...") as above. */}}
{{- define "marquee.databaseEnv" -}}
- name: DATABASE_URL
  value: {{ include "marquee.databaseUrl" . }}
{{ include "marquee.secretEnv" (dict "root" .root "name" "PGPASSWORD" "key" .key) }}
{{- range $name, $value := include "marquee.tls" .root | fromYaml }}
- name: {{ $name }}
  value: {{ $value }}
{{- end }}
{{- end -}}
