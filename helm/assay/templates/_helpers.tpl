{{- define "assay.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough that every suffix still fits 63 characters. */}}
{{- define "assay.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" -}}
{{- else if contains (include "assay.name" .) .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "assay.name" .) | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "assay.selector" -}}
app.kubernetes.io/name: {{ include "assay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "assay.labels" -}}
{{ include "assay.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "assay.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{- if eq .Values.mode "sandbox" -}}{{- $tag = printf "%s-sandbox" $tag -}}{{- end -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ $tag }}
{{- end -}}
{{- end -}}

{{- define "assay.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "assay.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "assay.tlsSecret" -}}
{{- if .Values.tls.certManager.enabled -}}{{ include "assay.fullname" . }}-tls{{- else -}}{{ .Values.tls.secretName }}{{- end -}}
{{- end -}}

{{/* "20s" as a number of seconds; the schema lets nothing else through. */}}
{{- define "assay.seconds" -}}{{ trimSuffix "s" . | int }}{{- end -}}

{{/* A CPU quantity as whole cores, rounded up. */}}
{{- define "assay.cores" -}}
{{- $cpu := toString . -}}
{{- if hasSuffix "m" $cpu -}}{{ divf (trimSuffix "m" $cpu | float64) 1000.0 | ceil | int }}{{- else -}}{{ $cpu | float64 | ceil | int }}{{- end -}}
{{- end -}}

{{/* Where a token's PIN lies: the first token's (""), or that of another key of the same source. */}}
{{- define "assay.pinFile" -}}{{ ternary "/run/assay/pin" (printf "/run/assay/pin.%s" .) (eq . "") }}{{- end -}}

{{/* The keys of further PINs, each once, parted by commas. */}}
{{- define "assay.furtherPins" -}}
{{- $keys := list -}}
{{- range .Values.hsm.failover -}}{{- with .pinKey -}}{{- if ne . $.Values.hsm.pin.key -}}{{- $keys = append $keys . -}}{{- end -}}{{- end -}}{{- end -}}
{{- $keys | uniq | join "," -}}
{{- end -}}

{{/* What the schema cannot say, because it concerns several values. */}}
{{- define "assay.check" -}}
{{- $v := .Values -}}
{{- $one := list (ternary "tls.secretName" "" (ne $v.tls.secretName "")) (ternary "tls.certManager" "" $v.tls.certManager.enabled) (ternary "tls.csi" "" (ne $v.tls.csi.driver "")) | compact -}}
{{- if ne (len $one) 1 -}}{{ fail (printf "tls: give exactly one of secretName, certManager and csi (got %d)" (len $one)) }}{{- end -}}
{{- $one = list $v.tls.clientCa.secretName $v.tls.clientCa.configMapName | compact -}}
{{- if ne (len $one) 1 -}}{{ fail "tls.clientCa: give either secretName or configMapName" }}{{- end -}}
{{- $one = list $v.hsm.pin.secretName $v.hsm.pin.csi.driver | compact -}}
{{- if ne (len $one) 1 -}}{{ fail "hsm.pin: give either secretName or csi" }}{{- end -}}
{{- if and (eq $v.mode "production") (not $v.hsm.token.label) (not $v.hsm.token.serial) -}}{{ fail "hsm.token: give a label or a serial" }}{{- end -}}
{{- if lt (int $v.hsm.sessions) (int $v.hsm.signerThreads) -}}{{ fail "hsm.sessions: must be as many as hsm.signerThreads at least" }}{{- end -}}
{{- if ne (len (uniq (values $v.hsm.keys))) (len $v.hsm.keys) -}}{{ fail "hsm.keys: each key has one purpose; give them different labels" }}{{- end -}}
{{- if and $v.limits.lineBurst (not $v.limits.lineRate) -}}{{ fail "limits.lineBurst: means nothing without limits.lineRate" }}{{- end -}}
{{- range $i, $one := $v.hsm.failover -}}
{{- if and (not $one.token.label) (not $one.token.serial) -}}{{ fail (printf "hsm.failover[%d].token: give a label or a serial" $i) }}{{- end -}}
{{- end -}}
{{- $one = list $v.hsm.module.volume.claimName $v.hsm.module.volume.hostPath $v.hsm.module.fromImage.image | compact -}}
{{- if gt (len $one) 1 -}}{{ fail "hsm.module: give at most one of volume.claimName, volume.hostPath and fromImage" }}{{- end -}}
{{- if and $v.hsm.module.fromImage.image (not $v.hsm.module.fromImage.copyFrom) -}}{{ fail "hsm.module.fromImage: copyFrom is missing" }}{{- end -}}
{{- if and $one (not (hasPrefix (printf "%s/" $v.hsm.module.mountPath) $v.hsm.module.path)) -}}{{ fail "hsm.module.path: must lie under hsm.module.mountPath, where the module is mounted" }}{{- end -}}
{{- $one = list $v.database.dsn $v.database.serviceFile.secretName (ternary "postgres" "" $v.postgres.enabled) | compact -}}
{{- if ne (len $one) 1 -}}{{ fail (printf "database: give exactly one of database.dsn, database.serviceFile and postgres.enabled (got %d)" (len $one)) }}{{- end -}}
{{- if and $v.database.password.secretName $v.database.password.csi.driver -}}{{ fail "database.password: give either secretName or csi" }}{{- end -}}
{{- if and $v.postgres.enabled (eq $v.migration.mode "hook") -}}{{ fail "migration.mode: a hook runs before postgres.enabled has made the database; use initContainer" }}{{- end -}}
{{- if and $v.autoscaling.enabled (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) -}}{{ fail "autoscaling: minReplicas is more than maxReplicas" }}{{- end -}}
{{- end -}}
