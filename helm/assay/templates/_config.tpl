{{/* assayd.yaml. Built as a structure, so that no value can break out of its place. */}}
{{- define "assay.config" -}}
{{- $v := .Values -}}
{{- $sandbox := eq $v.mode "sandbox" -}}
{{- $hsm := dict "pin_file" (include "assay.pinFile" "") "signer_threads" (int $v.hsm.signerThreads) "sessions" (int $v.hsm.sessions) "image_signing" $v.hsm.imageSigning "keys" (dict "image" $v.hsm.keys.image "wrapping" $v.hsm.keys.wrapping "ledger" $v.hsm.keys.ledger) -}}
{{- if $sandbox -}}
{{- $_ := set $hsm "module" "/usr/lib/softhsm/libsofthsm2.so" -}}
{{- $_ := set $hsm "token_label" "assay" -}}
{{- $_ := set $hsm "signer_threads" 1 -}}
{{- $_ := set $hsm "image_certificate" "/var/lib/assay/certificates/image.pem" -}}
{{- else -}}
{{- $_ := set $hsm "module" $v.hsm.module.path -}}
{{- with $v.hsm.token.label -}}{{- $_ := set $hsm "token_label" . -}}{{- end -}}
{{- with $v.hsm.token.serial -}}{{- $_ := set $hsm "token_serial" . -}}{{- end -}}
{{- $_ := set $hsm "image_certificate" "image.pem" -}}
{{- $further := list -}}
{{- range $v.hsm.failover -}}
{{- $key := default $v.hsm.pin.key .pinKey -}}
{{- $place := dict "module" (default $v.hsm.module.path .modulePath) "pin_file" (include "assay.pinFile" (ternary "" $key (eq $key $v.hsm.pin.key))) -}}
{{- with .token.label -}}{{- $_ := set $place "token_label" . -}}{{- end -}}
{{- with .token.serial -}}{{- $_ := set $place "token_serial" . -}}{{- end -}}
{{- $further = append $further $place -}}
{{- end -}}
{{- if $further -}}{{- $_ := set $hsm "failover" $further -}}{{- end -}}
{{- end -}}
{{- $database := dict "pool" (int $v.database.pool) "connect_timeout" $v.database.connectTimeout "statement_timeout" $v.database.statementTimeout "call_timeout" $v.database.callTimeout "pool_timeout" $v.database.poolTimeout "compact_identities" $v.database.compactIdentities -}}
{{- if $v.postgres.enabled -}}
{{- $_ := set $database "dsn" (printf "host=%s-db-rw port=5432 user=assay dbname=assay target_session_attrs=read-write sslmode=verify-full sslrootcert=/etc/assay/database-ca/ca.crt" (include "assay.fullname" .)) -}}
{{- else if $v.database.dsn -}}
{{- $_ := set $database "dsn" $v.database.dsn -}}
{{- else -}}
{{- $_ := set $database "dsn" "service=assay" -}}
{{- end -}}
{{- if or $v.postgres.enabled $v.database.password.secretName $v.database.password.csi.driver -}}
{{- $_ := set $database "password_file" (printf "/etc/assay/database/%s" (ternary "password" $v.database.password.key $v.postgres.enabled)) -}}
{{- end -}}
{{- $limits := dict "max_in_flight" (int $v.limits.maxInFlight) "max_active" (int $v.limits.maxActive) "reserve" (int $v.limits.reserve) "line_rate" (int $v.limits.lineRate) "line_burst" (int $v.limits.lineBurst) "line_in_flight" (int $v.limits.lineInFlight) "lot_in_flight" (int $v.limits.lotInFlight) "max_batch" (int $v.limits.maxBatch) "stream_in_flight" (int $v.limits.streamInFlight) "store_threads" (int $v.limits.storeThreads) "call_threads" (int $v.limits.callThreads) "call_queue" (int $v.limits.callQueue) "default_deadline" $v.limits.defaultDeadline "least_deadline" $v.limits.leastDeadline "lease" $v.limits.lease "health_interval" $v.limits.healthInterval "drain" $v.drain.longest "drain_delay" $v.drain.delay -}}
{{- /* A container sees all cores of its node; the threads must fit what it may use of them. */ -}}
{{- $_ := set $limits "crypto_threads" (int (default (include "assay.cores" $v.resources.limits.cpu) (int $v.limits.cryptoThreads))) -}}
{{- $config := dict "mode" $v.mode "listen" "0.0.0.0:7443" "metrics" (dict "listen" "0.0.0.0:9464") "tls" (dict "certificate" "/etc/assay/tls/tls.crt" "key" "/etc/assay/tls/tls.key" "client_ca" (printf "/etc/assay/client-ca/%s" $v.tls.clientCa.key)) "hsm" $hsm "database" $database "limits" $limits "grants" $v.grants "log" (dict "level" $v.log.level) -}}
{{- $revocation := dict "listen" (ternary "0.0.0.0:8080" "off" $v.revocation.serve) "next_update_days" (int $v.revocation.nextUpdateDays) -}}
{{- with $v.revocation.baseUrl -}}{{- $_ := set $revocation "base_url" . -}}{{- end -}}
{{- $_ := set $config "revocation" $revocation -}}
{{- $approval := dict "lifetime" $v.approval.lifetime -}}
{{- if $sandbox -}}{{- $_ := set $approval "required" $v.approval.inSandbox -}}{{- end -}}
{{- $_ := set $config "approval" $approval -}}
{{- $trust := dict -}}
{{- range $key, $map := dict "paas" $v.trust.paas "cd_signers" $v.trust.cdSigners -}}
{{- $files := list -}}
{{- range $name, $_ := $map -}}{{- $files = append $files (printf "%s.%s.pem" (ternary "paa" "cd" (eq $key "paas")) $name) -}}{{- end -}}
{{- if $files -}}{{- $_ := set $trust $key $files -}}{{- end -}}
{{- end -}}
{{- if $trust -}}{{- $_ := set $config "trust" $trust -}}{{- end -}}
{{- if $sandbox -}}
{{- $_ := set $config "sandbox" (dict "paa_certificate" "/var/lib/assay/certificates/paa.pem" "cd_certificate" "/var/lib/assay/certificates/cd.pem" "paa_key" $v.sandbox.paaKey "cd_key" $v.sandbox.cdKey) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The ConfigMap's files: the configuration and the certificates it names. Nothing secret. */}}
{{- define "assay.configFiles" -}}
{{- $v := .Values -}}
{{- $files := dict "assayd.yaml" (include "assay.config" .) -}}
{{- range $name, $pem := $v.trust.paas -}}{{- $_ := set $files (printf "paa.%s.pem" $name) $pem -}}{{- end -}}
{{- range $name, $pem := $v.trust.cdSigners -}}{{- $_ := set $files (printf "cd.%s.pem" $name) $pem -}}{{- end -}}
{{- if eq $v.mode "sandbox" -}}
{{- $_ := set $files "softhsm2.conf" "directories.tokendir = /var/lib/assay/tokens\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n" -}}
{{- else -}}
{{- $_ := set $files "image.pem" $v.hsm.imageCertificate -}}
{{- end -}}
{{- toYaml $files -}}
{{- end -}}
