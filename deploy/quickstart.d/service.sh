# assayd: its configuration, start and stop. Sourced.
# shellcheck shell=bash disable=SC2154

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# choose_port FIRST: the first free one of fifty.
choose_port() {
  local port
  for ((port = $1; port < $1 + 50; port++)); do
    if port_is_free "$port"; then
      printf '%s' "$port"
      return
    fi
  done
  fail "no free port from $1 to $port; name one by ASSAY_PORT and ASSAY_METRICS_PORT"
}

# move_port SECTION KEY PORT: the port of an address in assayd.yaml, where another is asked for than is there.
move_port() {
  local address
  address=$(configured "$1" "$2")
  [[ -n $address && ${address##*:} != "$3" ]] || return 0
  if service_pid >/dev/null; then
    fail "assayd runs at $address; to move it, stop it first with  deploy/quickstart down"
  fi
  sed -i "/^${1:-$2}:/,/^[^ ]/s/^\( *$2:\) *$address *\$/\1 ${address%:*}:$3/" "$state/assayd.yaml"
  [[ -n $1 ]] || sed -i "s/^server: .*:${address##*:}\$/server: ${address%:*}:$3/" "$state/client.yaml"
  note "moved from $address to port $3"
}

write_configuration() {
  if [[ -s $state/assayd.yaml && -s $state/client.yaml ]]; then
    note "assayd.yaml and client.yaml are there, and are left as they are"
    [[ -z ${ASSAY_PORT-} ]] || move_port '' listen "$ASSAY_PORT"
    [[ -z ${ASSAY_METRICS_PORT-} ]] || move_port metrics listen "$ASSAY_METRICS_PORT"
    return
  fi
  local port metrics_port id=spiffe://assay.local
  port=${ASSAY_PORT:-$(choose_port 7443)}
  metrics_port=${ASSAY_METRICS_PORT:-$(choose_port 9464)}
  mkdir -p "$state/sandbox"
  cat >"$state/assayd.yaml" <<YAML
# Made by deploy/quickstart. docs/operations.md says what each key means; paths are relative to this file.
mode: sandbox
listen: 127.0.0.1:$port
tls:
  certificate: tls/server.pem
  key: tls/server.key
  client_ca: tls/ca.pem
metrics:
  listen: 127.0.0.1:$metrics_port
hsm:
  module: $(token_module)
  token_label: assay
  pin_file: secrets/hsm.pin
  image_certificate: sandbox/image.pem
database:
  dsn: '${database_dsn//\'/\'\'}'
  password_file: secrets/database.password
  compact_identities: true
sandbox:
  paa_certificate: sandbox/paa.pem
  cd_certificate: sandbox/cd.pem
grants:
  - identity: $id/line/demo-1
    roles: [line, keys]
    line: demo-1
    factories: [demo]
  - identity: $id/operator/demo
    roles: [operator]
  - identity: $id/operator/second
    roles: [operator]
  - identity: $id/auditor/demo
    roles: [auditor]
YAML
  cat >"$state/client.yaml.new" <<YAML
# Made by deploy/quickstart: where assayd is, and who this machine's callers are to it.
server: 127.0.0.1:$port
server_name: localhost
ca: tls/ca.pem
factory: demo
identities:
  line:     {certificate: tls/line.pem, key: tls/line.key}
  operator: {certificate: tls/operator.pem, key: tls/operator.key}
  operator-2: {certificate: tls/operator-2.pem, key: tls/operator-2.key}
  auditor:  {certificate: tls/auditor.pem, key: tls/auditor.key}
YAML
  mv "$state/client.yaml.new" "$state/client.yaml" # last: with it the configuration is whole
  note "configuration: $state/assayd.yaml"
}

# configured SECTION KEY: what assayd.yaml says; SECTION is empty for what stands at the top.
configured() {
  if [[ -z $1 ]]; then
    sed -n "s/^$2: *//p" "$state/assayd.yaml" | head -n 1
  else
    sed -n "/^$1:/,/^[^ ]/s/^  $2: *//p" "$state/assayd.yaml" | head -n 1
  fi
}

service_pid() {
  local pid
  pid=$(cat "$state/assayd.pid" 2>/dev/null) || return 1
  # The number may have become another program's.
  [[ -n $pid && $(readlink "/proc/$pid/exe" 2>/dev/null) == */assayd* ]] || return 1
  printf '%s' "$pid"
}

# listens_itself PID PORT: whether a socket of this very process listens there, and not another program's.
listens_itself() {
  local port inode sockets
  port=$(printf '%04X' "$2")
  sockets=$(ls -l "/proc/$1/fd" 2>/dev/null) || return 1
  for inode in $(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    awk -v port=":$port" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10 }'); do
    [[ $sockets != *"socket:[$inode]"* ]] || return 0
  done
  return 1
}

# explain_end: why assayd ended, as far as this can be seen from outside.
explain_end() {
  local address
  tail -n 20 "$state/log/assayd.log" >&2
  address=$(configured '' listen)
  if ! port_is_free "${address##*:}"; then
    fail "assayd ended: another program has taken its port ${address##*:}. Choose another:" \
      "ASSAY_PORT=$(choose_port $((${address##*:} + 1))) deploy/quickstart"
  fi
  address=$(configured metrics listen)
  if ! port_is_free "${address##*:}"; then
    fail "assayd ended: another program has taken port ${address##*:}, meant for its metrics. Choose another:" \
      "ASSAY_METRICS_PORT=$(choose_port $((${address##*:} + 1))) deploy/quickstart"
  fi
  fail "assayd ended; all of its log is in $state/log/assayd.log"
}

# The status line of the HTTP probe PATH, without curl, which a bare machine has not.
probe() {
  local address line
  address=$(configured metrics listen)
  exec 3<>"/dev/tcp/${address%:*}/${address##*:}" || return 1
  printf 'GET %s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$1" >&3
  IFS= read -r line <&3 || line=''
  exec 3>&-
  [[ $line == *' 200 '* ]]
}

start_service() {
  local pid log=$state/log/assayd.log
  run_logged "$state/log/migrate.log" "$bin/assayd" migrate --config "$state/assayd.yaml"
  make_reader_roles
  if pid=$(service_pid); then
    note "runs already (pid $pid)"
  else
    setsid "$bin/assayd" --config "$state/assayd.yaml" >>"$log" 2>&1 </dev/null 9>&- &
    printf '%s\n' "$!" >"$state/assayd.pid"
  fi
  local tries metrics
  metrics=$(configured metrics listen)
  for ((tries = 0; tries < 300; tries++)); do
    if pid=$(service_pid); then
      # Its own socket first: another program may answer at that port, even as if it were ready.
      if listens_itself "$pid" "${metrics##*:}" && (probe /readyz) 2>/dev/null; then
        note "ready at $(configured '' listen); log: $log"
        return
      fi
    elif ((tries > 5)); then
      rm -f "$state/assayd.pid"
      explain_end
    fi
    sleep 0.1
  done
  tail -n 20 "$log" >&2
  fail "assayd is not ready after 30 s; all of its log is in $log"
}

stop_service() {
  local pid
  pid=$(service_pid) || return 0
  kill -TERM "$pid"
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    if ! service_pid >/dev/null; then
      rm -f "$state/assayd.pid"
      note "assayd stopped"
      return
    fi
    sleep 0.1
  done
  fail "assayd (pid $pid) did not end in 30 s; its log is in $state/log/assayd.log"
}
