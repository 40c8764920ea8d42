{{/* The head of a policy, of (dict "root" $ "ending" "api" "pods" (list "api")); no pods are all of the release. */}}
{{- define "marquee.policy" }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "marquee.fullname" .root }}-{{ .ending }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "marquee.labels" (dict "root" .root) | nindent 4 }}
spec:
  podSelector:
    {{- include "marquee.components" . | nindent 4 }}
{{- end -}}

{{- define "marquee.components" -}}
matchLabels:
  {{- include "marquee.selector" .root | nindent 2 }}
{{- with .pods }}
matchExpressions:
  - {key: app.kubernetes.io/component, operator: In, values: [{{ join ", " . }}]}
{{- end }}
{{- end -}}

{{- define "marquee.podsOf" -}}
- podSelector:
    {{- include "marquee.components" . | nindent 4 }}
{{- end -}}

{{- define "marquee.namespace" -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ . }}
{{- end -}}

{{/* Ports are numbers: not every network plugin knows the names of ports in rules for what goes out. */}}
{{- define "marquee.toDatabase" -}}
- ports:
    - {protocol: TCP, port: {{ include "marquee.databasePort" . }}}
  {{- if not .Values.database.external.enabled }}
  to:
    {{- include "marquee.podsOf" (dict "root" . "pods" (list "postgres")) | nindent 4 }}
  {{- else if .Values.networkPolicy.database }}
  to:
    {{- toYaml .Values.networkPolicy.database | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "marquee.toBuckets" -}}
- ports:
    {{- range .Values.networkPolicy.objectStoragePorts }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with .Values.networkPolicy.objectStorage }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
