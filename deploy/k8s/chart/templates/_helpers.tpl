{{- define "unmogrowp.labels" -}}
app.kubernetes.io/name: unmogrowp
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{- define "unmogrowp.selector" -}}
app.kubernetes.io/name: unmogrowp
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}
{{- define "unmogrowp.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}
{{- define "unmogrowp.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "unmogrowp.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
{{- define "unmogrowp.spread" -}}
topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {{ "{" }}app.kubernetes.io/name: unmogrowp, app.kubernetes.io/instance: {{ .root.Release.Name }}, app.kubernetes.io/component: {{ .component }}{{ "}" }}}}
  - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {{ "{" }}app.kubernetes.io/name: unmogrowp, app.kubernetes.io/instance: {{ .root.Release.Name }}, app.kubernetes.io/component: {{ .component }}{{ "}" }}}}
{{- end }}
{{- define "unmogrowp.settings" -}}
{{- range $key, $value := . }}
- {name: UNMOGROWP_{{ $key | upper }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end }}
{{- define "unmogrowp.secrets" -}}
- {name: UNMOGROWP_MASTER_KEY_FILE, value: /run/secrets/unmogrowp/master_key}
- {name: UNMOGROWP_CLICKHOUSE_DSN_FILE, value: /run/secrets/unmogrowp/clickhouse_dsn}
{{- end }}
