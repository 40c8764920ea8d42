{{/* The stores that there are, as JSON. */}}
{{- define "marquee.stores" -}}
{{- list "data" "models" (ternary "backups" "" (not (empty (include "marquee.hasBackup" .)))) | compact | toJson -}}
{{- end -}}

{{/* Where days, models and backups are: a bucket or the volume's folder. Of (dict "root" $ "store" "data"). */}}
{{- define "marquee.storeUrl" -}}
{{- get .root.Values.objectStorage .store | default (printf "/var/lib/marquee/%s" .store) -}}
{{- end -}}

{{/* Whether a store is a volume: the answer is text, empty is no. */}}
{{- define "marquee.isVolume" -}}
{{- if not (get .root.Values.objectStorage .store) -}}yes{{- end -}}
{{- end -}}

{{- define "marquee.hasBuckets" -}}
{{- with .Values.objectStorage -}}{{- if or .data .models .backups -}}yes{{- end -}}{{- end -}}
{{- end -}}

{{/* Whether a pod with these stores must be where others are: the answer is text, empty is no. A backup too: else an
upgrade or a restore would wait for its volume until a backup on another node is over.
Of (dict "root" $ "stores" (list "data")). */}}
{{- define "marquee.isTied" -}}
{{- $once := eq .root.Values.persistence.accessMode "ReadWriteOnce" -}}
{{- range .stores -}}
{{- if and $once (include "marquee.isVolume" (dict "root" $.root "store" .)) -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{- define "marquee.volumes" -}}
{{- $root := .root -}}
{{- range .stores }}
{{- if include "marquee.isVolume" (dict "root" $root "store" .) }}
- name: {{ . }}
  persistentVolumeClaim:
    claimName: {{ include "marquee.fullname" $root }}-{{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "marquee.volumeMounts" -}}
{{- $here := . -}}
{{- range .stores }}
{{- if include "marquee.isVolume" (dict "root" $here.root "store" .) }}
- {name: {{ . }}, mountPath: /var/lib/marquee/{{ . }}{{ if $here.readOnly }}, readOnly: true{{ end }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* How buckets are reached, as entries of a ConfigMap. */}}
{{- define "marquee.buckets" -}}
{{- if include "marquee.hasBuckets" . }}
{{- with .Values.objectStorage.endpointUrl }}
AWS_ENDPOINT_URL: {{ . | quote }}
{{- end }}
{{- with .Values.objectStorage.region }}
AWS_DEFAULT_REGION: {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The keys of the buckets; without a Secret the pod's ServiceAccount has a role. */}}
{{- define "marquee.bucketKeys" -}}
{{- with .Values.objectStorage.credentialsSecret }}
{{- range $key := list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ $key }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.objectStorage.credentialsSecret }}
      key: {{ $key }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Variables of a container that works with files, of (dict "root" $ "stores" (list "data")). */}}
{{- define "marquee.storeEnv" -}}
{{- $root := .root -}}
{{- range .stores }}
- name: {{ get (dict "data" "DATA_URL" "models" "MODELS_URL" "backups" "BACKUP_URL") . }}
  value: {{ include "marquee.storeUrl" (dict "root" $root "store" .) }}
{{- end }}
{{- range $name, $value := include "marquee.buckets" $root | fromYaml }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- include "marquee.bucketKeys" $root }}
{{- end -}}
