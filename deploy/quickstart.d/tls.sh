# A certificate authority of the sandbox's own, and certificates for the server and its callers. Sourced.
# Who a caller is stands in the URI SAN of its certificate; what it may do stands in the grants of assayd.yaml.
# shellcheck shell=bash disable=SC2154

# issue_certificate NAME SUBJECT-ALT-NAMES USAGE: tls/NAME.pem and tls/NAME.key, made anew in its last week.
issue_certificate() {
  local name=$1 names=$2 usage=$3 folder=$state/tls
  if [[ -s $folder/$name.key ]] &&
    openssl verify -CAfile "$folder/ca.pem" "$folder/$name.pem" >/dev/null 2>&1 &&
    openssl x509 -in "$folder/$name.pem" -noout -checkend $((7 * 86400)) >/dev/null 2>&1; then
    return
  fi
  (
    umask 077
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$folder/$name.key" 2>/dev/null
    openssl req -new -key "$folder/$name.key" -subj "/CN=$name" -out "$folder/$name.csr"
    printf '%s\n' "subjectAltName=$names" "extendedKeyUsage=$usage" "keyUsage=critical,digitalSignature" \
      "basicConstraints=critical,CA:FALSE" >"$folder/$name.ext"
    openssl x509 -req -in "$folder/$name.csr" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" \
      -set_serial "0x$(random_text 15)" -days 397 -sha256 -extfile "$folder/$name.ext" \
      -out "$folder/$name.pem" 2>/dev/null
    rm -f "$folder/$name.csr" "$folder/$name.ext"
  )
  note "certificate for ${names##*URI:}"
}

prepare_tls() {
  local folder=$state/tls
  mkdir -p "$folder" && chmod 700 "$folder"
  if [[ ! -s $folder/ca.pem ]]; then
    (
      umask 077
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 3650 \
        -subj "/CN=Assay sandbox CA" -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout "$folder/ca.key" \
        -out "$folder/ca.new" 2>/dev/null
      mv "$folder/ca.new" "$folder/ca.pem"
    )
  fi
  local id=spiffe://assay.local
  issue_certificate server "DNS:localhost,IP:127.0.0.1,URI:$id/server" serverAuth
  issue_certificate line "URI:$id/line/demo-1" clientAuth
  issue_certificate operator "URI:$id/operator/demo" clientAuth
  issue_certificate operator-2 "URI:$id/operator/second" clientAuth # for acts that need two people
  issue_certificate auditor "URI:$id/auditor/demo" clientAuth
}
