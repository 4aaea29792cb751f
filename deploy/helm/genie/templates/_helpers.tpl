{{- define "genie.labels" -}}
app.kubernetes.io/name: genie
app.kubernetes.io/part-of: genie
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "genie.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{- /* The directories of the distribution: the overlays of the repository, in the values' words. */}}
{{- define "genie.distribution" -}}
{{- $all := .Files.Get "files/distributions.yaml" | fromYaml -}}
{{- get $all (.Values.distribution | default "usual") | toYaml -}}
{{- end }}

{{- define "genie.binDir" -}}
{{- .Values.binDir | default (include "genie.distribution" . | fromYaml).binDir -}}
{{- end }}

{{- define "genie.confDir" -}}
{{- .Values.confDir | default (include "genie.distribution" . | fromYaml).confDir -}}
{{- end }}

{{- define "genie.runtimeDir" -}}
{{- .Values.runtimeDir | default (include "genie.distribution" . | fromYaml).runtimeDir -}}
{{- end }}

{{- /* The folder of containerd's socket, where the installer is to ask it; "" for none. */}}
{{- define "genie.socketDir" -}}
{{- if .Values.askContainerd }}{{ get (include "genie.distribution" . | fromYaml) "socketDir" }}{{ end -}}
{{- end }}

{{- define "genie.installerArgs" -}}
{{- $args := list "install" "--from-daemonset" -}}
{{- if .Values.serve.enabled }}{{ $args = append $args "--serve" }}{{ end -}}
{{- with (include "genie.distribution" . | fromYaml).installerArgs }}{{ $args = concat $args . }}{{ end -}}
{{- if ne .Release.Namespace "kube-system" -}}
{{- $args = concat $args (list "--service-account" (printf "%s/genie" .Release.Namespace)) -}}
{{- end -}}
{{- /* The plugin's key, too: without it no pod is guarded from its first packet on. */}}
{{- if and .Values.agent.enabled .Values.agent.policy -}}
{{- $args = concat $args (list "--set" "policy_engine=true") -}}
{{- else if eq (toString .Values.agent.policy) "false" -}}
{{- $args = concat $args (list "--set" "policy_engine=false") -}}
{{- end -}}
{{- concat $args .Values.installerArgs | toJson -}}
{{- end }}

{{- define "genie.agentArgs" -}}
{{- $args := list "agent" "--host-pid" "1" -}}
{{- $conf := include "genie.confDir" . -}}
{{- if ne $conf "/etc/cni/net.d" }}{{ $args = concat $args (list "--conf-dir" $conf) }}{{ end -}}
{{- if .Values.agent.policy }}{{ $args = append $args "--policy" }}{{ end -}}
{{- concat $args .Values.agent.args | toJson -}}
{{- end }}

{{- define "genie.serveArgs" -}}
{{- list "serve" "--host-pid" "1" "--bin-dir" (include "genie.binDir" .) | toJson -}}
{{- end }}
