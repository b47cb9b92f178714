{{- define "assay.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: {{ int .Values.podSecurity.runAsUser }}
runAsGroup: {{ int .Values.podSecurity.runAsGroup }}
# Secrets are mounted for this group, reading.
fsGroup: {{ int .Values.podSecurity.runAsGroup }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "assay.containerSecurityContext" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* For containers that run for a moment. */}}
{{- define "assay.smallResources" -}}
requests: {cpu: 50m, memory: 64Mi}
limits: {cpu: 500m, memory: 256Mi}
{{- end -}}

{{- define "assay.env" -}}
{{- if .Values.database.serviceFile.secretName }}
- name: PGSERVICEFILE
  value: /etc/assay/database-service/{{ .Values.database.serviceFile.key }}
{{- end }}
{{- if eq .Values.mode "sandbox" }}
- name: SOFTHSM2_CONF
  value: /etc/assay/config/softhsm2.conf
{{- end }}
{{- range $name, $value := .Values.hsm.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* What reaching the database needs; also all that the migration gets. */}}
{{- define "assay.databaseMounts" -}}
{{- $v := .Values }}
{{- if or $v.postgres.enabled $v.database.password.secretName $v.database.password.csi.driver }}
- name: database-password
  mountPath: /etc/assay/database
  readOnly: true
{{- end }}
{{- if $v.database.serviceFile.secretName }}
- name: database-service
  mountPath: /etc/assay/database-service
  readOnly: true
{{- end }}
{{- if or $v.postgres.enabled $v.database.ca.secretName $v.database.ca.configMapName }}
- name: database-ca
  mountPath: /etc/assay/database-ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "assay.databaseVolumes" -}}
{{- $v := .Values -}}
{{- $cluster := printf "%s-db" (include "assay.fullname" .) }}
{{- if $v.postgres.enabled }}
- name: database-password
  secret:
    secretName: {{ $cluster }}-app
    defaultMode: 0400
    items:
      - {key: password, path: password}
- name: database-ca
  secret:
    secretName: {{ $cluster }}-ca
    defaultMode: 0400
    items:
      - {key: ca.crt, path: ca.crt}
{{- else }}
{{- if $v.database.password.secretName }}
- name: database-password
  secret:
    secretName: {{ $v.database.password.secretName }}
    defaultMode: 0400
    items:
      - {key: {{ $v.database.password.key | quote }}, path: {{ $v.database.password.key | quote }}}
{{- else if $v.database.password.csi.driver }}
- name: database-password
  csi:
    {{- include "assay.csi" $v.database.password.csi | nindent 4 }}
{{- end }}
{{- if $v.database.ca.secretName }}
- name: database-ca
  secret:
    secretName: {{ $v.database.ca.secretName }}
    defaultMode: 0400
    items:
      - {key: {{ $v.database.ca.key | quote }}, path: ca.crt}
{{- else if $v.database.ca.configMapName }}
- name: database-ca
  configMap:
    name: {{ $v.database.ca.configMapName }}
    items:
      - {key: {{ $v.database.ca.key | quote }}, path: ca.crt}
{{- end }}
{{- end }}
{{- if $v.database.serviceFile.secretName }}
- name: database-service
  secret:
    secretName: {{ $v.database.serviceFile.secretName }}
    defaultMode: 0400
{{- end }}
{{- end -}}

{{- define "assay.csi" -}}
driver: {{ .driver }}
readOnly: true
{{- with .volumeAttributes }}
volumeAttributes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "assay.tokenMounts" -}}
{{- $module := .Values.hsm.module }}
- name: run
  mountPath: /run/assay
{{- if or $module.volume.claimName $module.volume.hostPath $module.fromImage.image }}
- name: module
  mountPath: {{ $module.mountPath }}
  readOnly: true
{{- end }}
{{- if or .Values.hsm.vendorConfig.secretName .Values.hsm.vendorConfig.configMapName }}
- name: vendor-config
  mountPath: {{ .Values.hsm.vendorConfig.mountPath }}
  readOnly: true
{{- end }}
{{- if eq .Values.mode "sandbox" }}
- name: sandbox
  mountPath: /var/lib/assay
{{- end }}
{{- end -}}

{{- define "assay.migrationContainer" -}}
name: migrate
image: {{ include "assay.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [/usr/bin/assayd, migrate, --config, /etc/assay/config/assayd.yaml]
{{- with include "assay.env" . | trim }}
env:
  {{- . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "assay.containerSecurityContext" . | nindent 2 }}
resources:
  {{- include "assay.smallResources" . | nindent 2 }}
volumeMounts:
  - name: config
    mountPath: /etc/assay/config
    readOnly: true
  {{- with include "assay.databaseMounts" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}
