# Debian packages. Sourced by deploy/quickstart and tests/run; needs say.sh and $source_dir.
# shellcheck shell=bash disable=SC2154

# packages_wanted [MARK]: names from deploy/packages.txt, with those of this mark (tests, nightly) when asked.
packages_wanted() {
  local name mark
  while read -r name mark; do
    [[ -z $name || $name == '#'* ]] && continue
    [[ -z $mark || $mark == "${1-}" ]] && printf '%s\n' "$name"
  done <"$source_dir/deploy/packages.txt"
}

packages_missing() {
  local name
  while read -r name; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] ||
      printf '%s\n' "$name"
  done < <(packages_wanted "${1-}")
}

# as_root COMMAND...
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "packages are missing, and there is neither root nor sudo. As root, run: $*"
  fi
}

# No package may start a daemon or make a database cluster of its own: Assay brings its own under the state folder.
# Both files are taken away again, and are not touched where the machine has them.
packages_hold_daemons() {
  packages_made=()
  if [[ ! -e /usr/sbin/policy-rc.d ]]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
    as_root chmod 755 /usr/sbin/policy-rc.d
    packages_made+=(/usr/sbin/policy-rc.d)
  fi
  local cluster=/etc/postgresql-common/createcluster.d/assay-quickstart.conf
  if [[ ! -e /etc/postgresql-common/createcluster.conf && ! -e $cluster ]]; then
    as_root mkdir -p "${cluster%/*}"
    printf 'create_main_cluster = false\n' | as_root tee "$cluster" >/dev/null
    packages_made+=("$cluster")
  fi
}

packages_release_daemons() {
  ((${#packages_made[@]} == 0)) || as_root rm -f "${packages_made[@]}"
  packages_made=()
}

# install_packages LOG [MARK]
install_packages() {
  local log=$1 missing
  command -v apt-get >/dev/null ||
    fail "this needs Debian's apt; elsewhere install what deploy/packages.txt lists and set ASSAY_SKIP_PACKAGES=1"
  mapfile -t missing < <(packages_missing "${2-}")
  if ((${#missing[@]} == 0)); then
    note "all there"
    return
  fi
  note "installing ${#missing[@]} with what they need: ${missing[*]}"
  packages_made=()
  trap packages_release_daemons EXIT
  packages_hold_daemons
  run_logged "$log" as_root apt-get update
  run_logged "$log" as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}"
  packages_release_daemons
  trap - EXIT
}
