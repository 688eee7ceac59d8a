{{- define "troupe.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/part-of: troupe
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "troupe.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{/* The names of the enabled services; with database: only those that have one. */}}
{{- define "troupe.names" -}}
{{- $names := list }}
{{- range $name, $service := .root.Values.services }}
{{- if and $service.enabled (or $service.database (not $.database)) }}{{ $names = append $names $name }}{{ end }}
{{- end }}
{{- join "," $names }}
{{- end }}

{{/* A selector of the pods of some services. */}}
{{- define "troupe.pods" -}}
podSelector:
  matchLabels: {app.kubernetes.io/instance: {{ .root.Release.Name }}}
  matchExpressions: [{key: app.kubernetes.io/name, operator: In, values: [{{ join ", " .names }}]}]
{{- end }}
