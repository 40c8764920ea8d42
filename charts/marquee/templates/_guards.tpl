{{/* What cannot work is refused here with the reason and the ways out, before anything is changed. */}}
{{- define "marquee.guards" -}}
{{- include "marquee.guardDatabase" . -}}
{{- include "marquee.guardVolumes" . -}}
{{- include "marquee.guardConnections" . -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "\n\ningress.hosts is empty: name at least one host, such as marquee.example.com. A rule without a host would answer to any name." -}}
{{- end -}}
{{- with .Values.api.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail (printf "\n\napi.autoscaling.minReplicas (%d) is more than maxReplicas (%d)." (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.simulator.enabled .Values.objectStorage.data -}}
{{- fail "\n\nsimulator.enabled writes days into the volume for files of days, but objectStorage.data names a bucket. Leave one of the two out." -}}
{{- end -}}
{{- end -}}

{{- define "marquee.guardDatabase" -}}
{{- with .Values.database.external -}}
{{- if and .enabled (not .host) -}}
{{- fail "\n\ndatabase.external.enabled wants database.external.host." -}}
{{- end -}}
{{- if and .enabled (not $.Values.existingSecret) -}}
{{- fail "\n\ndatabase.external.enabled wants existingSecret: the chart cannot make up the passwords of a server that is not its own. The README lists the keys." -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "marquee.replicasMax" -}}
{{- with .Values.api -}}
{{- ternary .autoscaling.maxReplicas .replicas .autoscaling.enabled | int -}}
{{- end -}}
{{- end -}}

{{- define "marquee.guardVolumes" -}}
{{- $pods := include "marquee.replicasMax" . | int -}}
{{- $most := int .Values.persistence.replicasOnOneNode -}}
{{- if and (gt $pods $most) (include "marquee.isTied" (dict "root" . "stores" (list "models"))) -}}
{{- fail (printf "\n\n%d API pods cannot share the models' volume: it is ReadWriteOnce, so all of them must run on one node, and persistence.replicasOnOneNode allows %d there.\nEither persistence.accessMode: ReadWriteMany with a storageClass that can do that (NFS, CephFS),\nor objectStorage.models: s3://bucket/prefix.\nOn one large node: raise persistence.replicasOnOneNode." $pods $most) -}}
{{- end -}}
{{- end -}}

{{- define "marquee.guardConnections" -}}
{{- $pods := add1 (include "marquee.replicasMax" . | int) -}}
{{- $api := mul $pods .Values.api.dbPool -}}
{{- $airflow := ternary .Values.airflow.connections 0 .Values.airflow.enabled -}}
{{- $sum := add $api .Values.pipeline.connections $airflow 10 | int -}}
{{- $external := .Values.database.external -}}
{{- $key := ternary "database.external.maxConnections" "postgres.maxConnections" $external.enabled -}}
{{- $most := ternary $external.maxConnections .Values.postgres.maxConnections $external.enabled | int -}}
{{- if gt $sum $most -}}
{{- fail (printf "\n\n%s is %d, but up to %d connections may be open: %d of the API (%d pods, one of them while an upgrade replaces another, with api.dbPool %d), %d of the DAGs' pods, %d of Airflow, 10 to operate.\nLower api.dbPool or the number of pods, or raise %s." $key $most $sum $api $pods (int .Values.api.dbPool) (int .Values.pipeline.connections) (int $airflow) $key) -}}
{{- end -}}
{{- end -}}
