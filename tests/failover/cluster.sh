# A two-node PostgreSQL that fails over: etcd, two Patronis with a synchronous standby, a pgbouncer. Sourced by
# tests/failover/run, which sets $work (the folder), $port (the first of eight) and sources deploy/quickstart.d.
# shellcheck shell=bash disable=SC2154

cluster_programs() { printf '%s\n' etcd patroni patronictl pgbouncer; }

# spawn NAME COMMAND...: a program in the background under the database's user, in a session of its own; its id in
# $work/NAME.pid.
spawn() {
  local name=$1
  shift
  (
    cd / || exit
    exec 9>&-
    local user=()
    ((EUID != 0)) || user=(setpriv --reuid=postgres --regid=postgres --clear-groups)
    exec setsid "${user[@]}" env HOME=/nonexistent LC_ALL=C.UTF-8 "$@" >>"$work/log/$name.log" 2>&1 </dev/null
  ) &
  printf '%s\n' "$!" >"$work/$name.pid"
}

# await SECONDS COMMAND...: until it succeeds.
await() {
  local tries=$(($1 * 10))
  shift
  while ((tries-- > 0)); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  printf 'not so after all that time: %s\n' "$*"
  return 1
}

node_port() { printf '%s' "$((port + 1 + $1))"; } # 1, 2
rest_port() { printf '%s' "$((port + 3 + $1))"; }
bouncer_port() { printf '%s' "$((port + 6))"; }

write_node() {
  cat >"$work/db/node$1.yml" <<YAML
scope: assay
namespace: /assay/
name: node$1
restapi: {listen: '127.0.0.1:$(rest_port "$1")', connect_address: '127.0.0.1:$(rest_port "$1")'}
etcd3: {host: '127.0.0.1:$port'}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 5
    retry_timeout: 5
    maximum_lag_on_failover: 1048576
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      parameters: {max_connections: 80, wal_keep_size: 64MB, wal_log_hints: 'on', shared_buffers: 32MB}
  initdb: [{encoding: UTF8}, {locale: C.UTF-8}, data-checksums]
  pg_hba:
    - local all all scram-sha-256
    - host all all 127.0.0.1/32 scram-sha-256
    - host replication replicator 127.0.0.1/32 scram-sha-256
postgresql:
  listen: 127.0.0.1:$(node_port "$1")
  connect_address: 127.0.0.1:$(node_port "$1")
  data_dir: $work/db/node$1
  bin_dir: $(database_bin)
  pgpass: $work/db/node$1.pgpass
  authentication:
    superuser: {username: postgres, password: '$super_password'}
    replication: {username: replicator, password: '$super_password'}
    rewind: {username: rewinder, password: '$super_password'}
  parameters: {unix_socket_directories: '$work/db/run'}
YAML
}

start_node() { spawn "node$1" patroni "$work/db/node$1.yml"; }

# The role Patroni's REST interface answers 200 for: primary, replica, sync.
is() { [[ $(ask_node "$2" "/$1") == 200 ]]; }
ask_node() {
  local line
  exec 3<>"/dev/tcp/127.0.0.1/$(rest_port "$1")" || return 1
  printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3
  IFS= read -r -t 5 line <&3 || line=''
  exec 3>&-
  line=${line#* }
  printf '%s' "${line%% *}"
} 2>/dev/null

leader() { if is primary 1; then printf 1; elif is primary 2; then printf 2; else return 1; fi; }
other() { printf '%s' "$((3 - $1))"; }
whole() {
  local now
  now=$(leader) && is sync "$(other "$now")"
}

# kill_node N: the machine is gone at once: Patroni first, that nobody tidies up, then the postmaster and its children.
kill_node() {
  local postmaster child
  postmaster=$(head -n 1 "$work/db/node$1/postmaster.pid")
  kill -KILL "$(<"$work/node$1.pid")"
  child=$(cat "/proc/$postmaster/task/$postmaster/children" 2>/dev/null)
  # shellcheck disable=SC2086  # a list of process ids
  kill -KILL "$postmaster" $child 2>/dev/null
  return 0
}

# child_named N WORD: the process of node N that does WORD.
child_named() {
  local postmaster child
  postmaster=$(head -n 1 "$work/db/node$1/postmaster.pid")
  for child in $(<"/proc/$postmaster/task/$postmaster/children"); do
    if tr '\0' ' ' <"/proc/$child/cmdline" | grep -q "$2"; then printf '%s' "$child" && return; fi
  done
  return 1
}

on_leader() { # SQL on standard input, as the superuser
  PGPASSWORD=$super_password "$(database_bin)/psql" -X -q -t -A -v ON_ERROR_STOP=1 \
    "host=127.0.0.1,127.0.0.1 port=$(node_port 1),$(node_port 2) user=postgres dbname=${1:-assay} target_session_attrs=read-write connect_timeout=3"
}

start_bouncer() {
  cat >"$work/db/pgbouncer.ini" <<INI
[databases]
assay = host=127.0.0.1 port=$(node_port "$1") dbname=assay
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $(bouncer_port)
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $work/db/users.txt
pool_mode = session
max_client_conn = 200
default_pool_size = 40
server_login_retry = 1
pidfile = $work/db/pgbouncer.pid
INI
  printf '"assay" "%s"\n' "$(<"$state/secrets/database.password")" >"$work/db/users.txt"
  chmod 600 "$work/db/users.txt"
  own_database_files
  spawn pgbouncer pgbouncer "$work/db/pgbouncer.ini"
}

own_database_files() { ((EUID != 0)) || chown -R postgres:postgres "$work/db"; }

start_cluster() {
  super_password=$(random_text 16)
  mkdir -m 700 "$work/db" && mkdir "$work/db/run"
  write_node 1
  write_node 2
  own_database_files
  spawn etcd etcd --data-dir "$work/db/etcd" --listen-client-urls "http://127.0.0.1:$port" \
    --advertise-client-urls "http://127.0.0.1:$port" --listen-peer-urls "http://127.0.0.1:$((port + 1))" \
    --initial-advertise-peer-urls "http://127.0.0.1:$((port + 1))" --initial-cluster "default=http://127.0.0.1:$((port + 1))"
  start_node 1
  await 60 is primary 1 || return
  start_node 2
  await 90 whole || return
  on_leader postgres <<SQL
CREATE ROLE assay LOGIN PASSWORD '$(<"$state/secrets/database.password")';
CREATE DATABASE assay OWNER assay;
SQL
}

stop_cluster() {
  local name
  for name in pgbouncer node1 node2; do
    [[ ! -s $work/$name.pid ]] || kill -TERM "$(<"$work/$name.pid")" 2>/dev/null
  done
  for name in node1 node2; do
    [[ ! -s $work/$name.pid ]] || await 20 is_gone "$(<"$work/$name.pid")" >/dev/null || kill -KILL "$(<"$work/$name.pid")"
    if [[ -s $work/db/$name/postmaster.pid ]]; then kill -QUIT "$(head -n 1 "$work/db/$name/postmaster.pid")" 2>/dev/null; fi
  done
  [[ ! -s $work/etcd.pid ]] || kill -TERM "$(<"$work/etcd.pid")" 2>/dev/null
}
is_gone() { ! kill -0 "$1" 2>/dev/null || [[ $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) == Z* ]]; }
