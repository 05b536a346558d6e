{{- define "sluice.renderCluster" -}}
{{- if has .Values.parts (list "all" "cluster") }}yes{{ end -}}
{{- end -}}

{{- define "sluice.renderNamespaced" -}}
{{- if has .Values.parts (list "all" "namespaced") }}yes{{ end -}}
{{- end -}}

{{- define "sluice.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: sluice
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: sluice
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Called with (list root component). */}}
{{- define "sluice.componentLabels" -}}
{{ include "sluice.labels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "sluice.selector" -}}
app.kubernetes.io/name: sluice
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Cluster-wide names carry the namespace, so that releases in two namespaces do not meet. */}}
{{- define "sluice.clusterName" -}}
{{ index . 1 }}:{{ (index . 0).Release.Namespace }}
{{- end -}}

{{- define "sluice.image" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}
{{- $own := (index $root.Values $part).image -}}
{{- $own | default (printf "%s/sluice-%s:%s" $root.Values.image.registry $part ($root.Values.image.tag | default $root.Chart.AppVersion)) -}}
{{- end -}}

{{- define "sluice.brokerUrl" -}}
{{ ternary "https" "http" .Values.tls.enabled }}://sluice-broker.{{ .Release.Namespace }}.svc:7070
{{- end -}}

{{- define "sluice.tlsSecret" -}}
{{ .Values.tls.existingSecret | default "sluice-tls" }}
{{- end -}}

{{- define "sluice.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "sluice.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where a token for the broker and the CA that it is checked with are mounted. */}}
{{- define "sluice.clientFolder" -}}/var/run/secrets/sluice{{- end -}}

{{- define "sluice.clientVolume" -}}
name: client
projected:
  sources:
    - serviceAccountToken:
        path: token
        audience: sluice
        expirationSeconds: 3600
    {{- if .Values.tls.enabled }}
    - secret:
        name: {{ include "sluice.tlsSecret" . }}
        # The operator itself makes its Secret, after it has started.
        optional: {{ not .Values.tls.existingSecret }}
        items: [{key: ca.crt, path: ca.crt}]
    {{- end }}
{{- end -}}

{{/* What the operator may do in a namespace with queues. */}}
{{- define "sluice.operatorRules" -}}
- apiGroups: [sluice.dev]
  resources: [queues, jobs, schedules]
  verbs: [get, list, watch]
# spec.replicas, the /scale field.
- apiGroups: [sluice.dev]
  resources: [queues]
  verbs: [patch]
# ttlSecondsAfterFinished.
- apiGroups: [sluice.dev]
  resources: [jobs]
  verbs: [delete]
- apiGroups: [sluice.dev]
  resources: [queues/status, jobs/status, schedules/status]
  verbs: [patch]
# Asked for by the broker, not by the API server.
- apiGroups: [sluice.dev]
  resources: [queues/config, queues/workers]
  verbs: [update]
- apiGroups: [sluice.dev]
  resources: [queues/jobs]
  verbs: [create, get, list, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- if .Values.tls.enabled }}
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [sluice-ca]
  verbs: [get, create, patch]
{{- end }}
{{- end -}}

{{/* Called with (list root values-of-the-component). */}}
{{- define "sluice.placement" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}
enableServiceLinks: false
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Cluster DNS and the API server, whose address no selector names. */}}
{{- define "sluice.egress" -}}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - {protocol: TCP, port: {{ . | int }}}
    {{- end }}
{{- end -}}
