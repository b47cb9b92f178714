# The sandbox's HSM: a SoftHSM2 token under the state folder. Sourced.
# shellcheck shell=bash disable=SC2154

# random_text BYTES: lower-case hex.
random_text() { openssl rand -hex "$1"; }

# secret_file PATH BYTES: makes it once, mode 0600, without a newline.
secret_file() {
  [[ -s $1 ]] && return
  (umask 077 && random_text "$2" | tr -d '\n' >"$1.new" && mv "$1.new" "$1")
}

token_module() {
  local path
  for path in "${ASSAY_SOFTHSM_MODULE-}" /usr/lib/softhsm/libsofthsm2.so \
    /usr/lib/*/softhsm/libsofthsm2.so; do
    [[ -n $path && -e $path ]] && printf '%s' "$path" && return
  done
  fail "libsofthsm2.so was not found; is the package softhsm2 installed?"
}

prepare_token() {
  mkdir -p "$state/hsm/tokens" && chmod 700 "$state/hsm" "$state/hsm/tokens"
  cat >"$state/hsm/softhsm2.conf" <<CONF
directories.tokendir = $state/hsm/tokens
objectstore.backend = file
log.level = ERROR
slots.removable = false
CONF
  export SOFTHSM2_CONF=$state/hsm/softhsm2.conf
  local module
  module=$(token_module)
  secret_file "$state/secrets/hsm.pin" 12
  secret_file "$state/secrets/hsm-so.pin" 12
  if [[ -e $state/hsm/ready ]]; then
    note "token 'assay' is there"
    return
  fi
  # A run was stopped before the sandbox's keys were all there, perhaps with half a key in the token. Nothing was
  # signed with them yet: begin again.
  rm -rf "$state/hsm/tokens" && mkdir -m 700 "$state/hsm/tokens"
  rm -f "$state"/sandbox/{paa,cd,image}.pem
  # PINs go by the environment: arguments can be seen by everybody on the machine.
  local -x ASSAY_SO_PIN ASSAY_PIN
  ASSAY_SO_PIN=$(<"$state/secrets/hsm-so.pin")
  ASSAY_PIN=$(<"$state/secrets/hsm.pin")
  run_logged "$state/log/hsm.log" pkcs11-tool --module "$module" --slot-index 0 \
    --init-token --label assay --so-pin env:ASSAY_SO_PIN
  run_logged "$state/log/hsm.log" pkcs11-tool --module "$module" --token-label assay \
    --login --login-type so --so-pin env:ASSAY_SO_PIN --init-pin --new-pin env:ASSAY_PIN
  note "token 'assay' made; its PIN is in secrets/hsm.pin (mode 0600)"
}
