# A private PostgreSQL cluster, reached over a unix socket with a password, never run as root. Sourced.
# shellcheck shell=bash disable=SC2154

database_bin() {
  local folder
  for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
    [[ -x $folder/initdb ]] && printf '%s' "$folder" && return
  done
  fail "initdb was not found; is the package postgresql-15 installed?"
}

# PostgreSQL refuses root, so root hands the cluster to the account that the package made.
as_database_user() {
  (
    cd /
    exec 9>&- # the state folder's lock ends with the quickstart, not with the server
    if ((EUID == 0)); then
      exec setpriv --reuid=postgres --regid=postgres --clear-groups \
        env -u PGPASSWORD HOME=/nonexistent LC_ALL=C.UTF-8 "$@"
    else
      exec env LC_ALL=C.UTF-8 "$@"
    fi
  )
}

# Where the cluster lies: in the state folder, or, where root's home is closed to the postgres account, beside
# Debian's own clusters. The choice is kept.
database_folder() {
  if [[ ! -s $state/database-folder ]]; then
    local folder=$state/postgres
    if ((EUID == 0)) && ! as_database_user test -x "$state"; then
      folder=/var/lib/postgresql/assay-$(random_text 4)
    fi
    # A unix socket's path holds 107 bytes.
    if ((${#folder} > 80)); then folder=/var/tmp/assay-postgres-$(random_text 4); fi
    printf '%s\n' "$folder" >"$state/database-folder"
  fi
  cat "$state/database-folder"
}

# A quarter of the memory in MiB, 128 to 8192 (docs/operations.md: PostgreSQL's own settings): of the machine's, or of
# what the container may use. It is taken only as the database grows.
buffers_of_memory() {
  local mib limit=max
  mib=$(awk '/^MemTotal:/ {print int($2 / 4096)}' /proc/meminfo)
  if [[ -r /sys/fs/cgroup/memory.max ]]; then limit=$(</sys/fs/cgroup/memory.max); fi
  if [[ $limit != max ]] && ((limit / 4194304 < mib)); then mib=$((limit / 4194304)); fi
  if ((mib < 128)); then mib=128; fi
  if ((mib > 8192)); then mib=8192; fi
  printf '%s' "$mib"
}

make_cluster() {
  local folder=$1 bin=$2
  rm -rf "$folder"
  mkdir -m 700 "$folder" "$folder/run"
  if ((EUID == 0)); then chown -R postgres:postgres "$folder"; fi
  # The superuser's password stays in the cluster's folder; Assay uses a role of its own.
  as_database_user sh -c "umask 077 && openssl rand -hex 24 > '$folder/superuser.password'"
  run_logged "$state/log/postgres-setup.log" as_database_user "$bin/initdb" --pgdata="$folder/cluster" \
    --username=postgres --auth=scram-sha-256 --pwfile="$folder/superuser.password" \
    --encoding=UTF8 --locale=C.UTF-8
  as_database_user tee -a "$folder/cluster/postgresql.conf" >/dev/null <<CONF
listen_addresses = ''
unix_socket_directories = '$folder/run'
unix_socket_permissions = 0700
max_connections = 40
shared_buffers = $(buffers_of_memory)MB
min_wal_size = 2GB
max_wal_size = 8GB
checkpoint_timeout = 15min
wal_compression = lz4
log_timezone = 'UTC'
timezone = 'UTC'
CONF
}

database_runs() { as_database_user "$1/pg_ctl" status -D "$2/cluster" >/dev/null 2>&1; }

# super_sql FOLDER BIN DATABASE: runs stdin as the superuser.
super_sql() {
  as_database_user sh -c "PGPASSWORD=\$(cat '$1/superuser.password') exec '$2/psql' -X -q -t -A \
    -v ON_ERROR_STOP=1 -h '$1/run' -U postgres -d '$3'"
}

start_database() {
  local folder bin
  folder=$(database_folder)
  bin=$(database_bin)
  if [[ ! -e $state/postgres-ready ]]; then
    if database_runs "$bin" "$folder"; then stop_database; fi
    make_cluster "$folder" "$bin"
  fi
  if ! database_runs "$bin" "$folder"; then
    run_logged "$state/log/postgres-setup.log" as_database_user "$bin/pg_ctl" start -w -t 60 \
      -D "$folder/cluster" -l "$folder/postgres.log"
  fi
  secret_file "$state/secrets/database.password" 24
  if [[ ! -e $state/postgres-ready ]]; then
    super_sql "$folder" "$bin" postgres >>"$state/log/postgres-setup.log" 2>&1 <<SQL ||
CREATE ROLE assay LOGIN PASSWORD '$(<"$state/secrets/database.password")';
CREATE DATABASE assay OWNER assay;
SQL
      fail "the role and the database could not be made; see $state/log/postgres-setup.log"
    touch "$state/postgres-ready"
  fi
  # Quoted for libpq: a clone may lie in a folder with a space in its name.
  local host=${folder//\\/\\\\}/run
  database_dsn="host='${host//\'/\\\'}' port=5432 user=assay dbname=assay"
  note "PostgreSQL runs in $folder (unix socket only)"
}

# The read-only roles for reports and for fsck: Assay's own role may not make roles. Another's cluster is left alone.
make_reader_roles() {
  [[ -e $state/postgres-ready ]] || return 0
  local folder bin
  folder=$(database_folder)
  bin=$(database_bin)
  { printf '\\set owner assay\n' && cat "$source_dir/deploy/sql/readers.sql"; } |
    super_sql "$folder" "$bin" assay >>"$state/log/postgres-setup.log" 2>&1 ||
    fail "the read-only roles could not be made; see $state/log/postgres-setup.log"
}

stop_database() {
  [[ -s $state/database-folder ]] || return 0
  local folder bin
  folder=$(database_folder)
  bin=$(database_bin)
  if database_runs "$bin" "$folder"; then
    as_database_user "$bin/pg_ctl" stop -m fast -w -t 60 -D "$folder/cluster" >/dev/null
    note "PostgreSQL stopped"
  fi
}

remove_database() {
  [[ -s $state/database-folder ]] || return 0
  local folder
  folder=$(database_folder)
  [[ ! -e $folder || -d $folder/run ]] || fail "$folder does not look like the quickstart's cluster; not removed"
  rm -rf "$folder"
}
