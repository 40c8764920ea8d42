{{/* Whether there are backups: the answer is text, empty is no. */}}
{{- define "marquee.hasBackup" -}}
{{- if and .Values.backup.enabled (not .Values.database.external.enabled) -}}yes{{- end -}}
{{- end -}}

{{/* MiB of the memory limit, which the schema wants as Mi or Gi. */}}
{{- define "marquee.postgresMemory" -}}
{{- $limit := .Values.postgres.resources.limits.memory -}}
{{- $number := regexFind "^[0-9]+" $limit | int -}}
{{- ternary (mul $number 1024) $number (hasSuffix "Gi" $limit) -}}
{{- end -}}

{{- define "marquee.postgresSettings" -}}
{{- $memory := include "marquee.postgresMemory" . | int -}}
listen_addresses: "*"
unix_socket_directories: /var/run/postgresql
max_connections: {{ .Values.postgres.maxConnections }}
shared_buffers: {{ div $memory 4 }}MB
effective_cache_size: {{ div (mul $memory 3) 4 }}MB
maintenance_work_mem: {{ div $memory 16 }}MB
work_mem: {{ max 4 (div $memory 256) }}MB
{{- end -}}

{{/* A server that recovers after a crash (1) is alive, however long it takes; one that says nothing (2) is not. */}}
{{- define "marquee.postgresAlive" -}}
[sh, -c, "pg_isready -q -h 127.0.0.1 -U postgres || [ $? -eq 1 ]"]
{{- end -}}
