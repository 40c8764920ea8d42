{{/* What the Secret holds, in base64 as JSON, of (dict "old" $data "jwtKeyIds" (list "k1")). What is in `old` stays;
what is missing there is made. No value begins with a word that our settings refuse. */}}
{{- define "marquee.secretData" -}}
{{- $data := dict -}}
{{- range list "POSTGRES_PASSWORD" "OWNER_PASSWORD" "API_PASSWORD" "PIPELINE_PASSWORD" "ANALYST_PASSWORD" "BACKUP_PASSWORD" "AIRFLOW_PASSWORD" "TOMBSTONE_KEY" "REGISTRATION_KEY" -}}
{{- $_ := set $data . (get $.old . | default (include "marquee.random" $ | b64enc)) -}}
{{- end -}}
{{- $known := dict -}}
{{- range splitList "," (get .old "JWT_KEYS" | b64dec) -}}
{{- $pair := splitn ":" 2 (trim .) -}}
{{- if $pair._1 -}}{{- $_ := set $known $pair._0 $pair._1 -}}{{- end -}}
{{- end -}}
{{- $keys := list -}}
{{- range .jwtKeyIds -}}
{{- $keys = append $keys (printf "%s:%s" . (get $known . | default (include "marquee.random" $))) -}}
{{- end -}}
{{- set $data "JWT_KEYS" (join "," $keys | b64enc) | toJson -}}
{{- end -}}

{{- define "marquee.random" -}}
m7{{ randAlphaNum 40 }}
{{- end -}}
