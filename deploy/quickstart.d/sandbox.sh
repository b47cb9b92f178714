# What a sandbox needs beyond a service: keys, PAIs, declarations, a product, a lot, and the first devices. Sourced.
# shellcheck shell=bash disable=SC2154

# assay_as ROLE COMMAND...: the command line with one of the demo's identities.
assay_as() {
  local role=$1
  shift
  "$bin/assay" --profile "$state/client.yaml" --as "$role" "$@"
}

prepare_sandbox_keys() {
  run_logged "$state/log/sandbox.log" "$bin/assayd" sandbox --config "$state/assayd.yaml"
  touch "$state/hsm/ready" # see prepare_token
  note "certificates: $state/sandbox/{paa,cd,image}.pem; the keys are in the token"
}

# pai_state NAME: PENDING, ACTIVE or RETIRED; empty where there is none.
pai_state() {
  assay_as operator authority pai show "$1" --json 2>/dev/null |
    sed -n 's/.*"state": *"PAI_STATE_\([A-Z]*\)".*/\1/p' || true
}

# prepare_pai NAME VENDOR: key in the HSM, signed by the sandbox PAA, active.
prepare_pai() {
  local name=$1 vendor=$2 log=$state/log/sandbox.log pai
  pai=$(pai_state "$name")
  if [[ -z $pai ]]; then
    run_logged "$log" assay_as operator authority pai create "$name" --vendor-id "$vendor"
  fi
  if [[ $pai == RETIRED ]]; then
    note "PAI $name: retired, left as it is"
    return
  fi
  if [[ $pai != ACTIVE ]]; then
    run_logged "$log" assay_as operator authority pai sign-sandbox "$name"
    run_logged "$log" assay_as operator authority pai activate "$name"
  fi
  note "PAI $name for vendor $vendor: key generated in the HSM, signed by the sandbox PAA, active"
}

# prepare_declaration VENDOR PRODUCT
prepare_declaration() {
  local file=$state/sandbox/Chip-CD-$1-$2.der
  [[ ! -s $file ]] || return 0
  run_logged "$state/log/sandbox.log" assay_as operator authority declaration --vendor-id "0x$1" \
    --product-id "0x$2" --device-type 0x0100 --out "$file"
  note "certification declaration: $file"
}

prepare_authority() {
  prepare_pai demo-fff1 0xFFF1
  prepare_pai demo-131b 0x131B
  prepare_declaration FFF1 8000
  prepare_declaration 131B 1000
}

prepare_demo_lot() {
  local log=$state/log/sandbox.log
  cat >"$state/sandbox/light.yaml" <<YAML
name: light
spec:
  vendor_id: 0xFFF1
  product_id: 0x8000
  vendor_name: Assay
  product_name: Light
  hardware_version: 1
  hardware_version_string: v1.0
  certification_declaration: Chip-CD-FFF1-8000.der
  dac: {attestation: server-key}
YAML
  assay_as operator product show light >/dev/null 2>&1 ||
    run_logged "$log" assay_as operator product apply "$state/sandbox/light.yaml"
  assay_as operator lot show demo >/dev/null 2>&1 ||
    run_logged "$log" assay_as operator lot open demo --product light --factory demo --count 1000
  note "product 'light' and lot 'demo' (1000 devices)"
}

issue_devices() {
  if ((devices == 0)); then
    note "none asked for"
    return
  fi
  assay_as line issue --lot demo -n "$devices" --ticket-prefix quickstart- \
    --out "$state/devices" --show-qr
}

print_ending() {
  local shown=$state
  [[ $state != "$PWD"/* ]] || shown=${state#"$PWD"/}
  local command=$bin/assay
  [[ $command != "$PWD"/* ]] || command=${command#"$PWD"/}
  # What follows is to be pasted into a shell.
  local folder
  folder=$(printf '%q' "$shown")
  command=$(printf '%q' "$command")
  # The command line finds ./var/client.yaml by itself.
  [[ $state == "$PWD/var" ]] || command+=" --profile $folder/client.yaml"
  cat <<TEXT

$(done_line "Assay runs at $(sed -n 's/^listen: *//p' "$state/assayd.yaml").") It is under $shown:
  devices/      a folder a device: certificates, image, signature, codes      (private: 0600)
  sandbox/      certificates of PAA, CD signer and image key; declarations
  assayd.yaml   the service's configuration; client.yaml, the callers'
  tls/ secrets/ hsm/ postgres/ log/

Try next:
  $command issue --lot demo -n 20 --out $folder/more
  $command mfg-tool -n 3 --pai -cd $folder/sandbox/Chip-CD-131B-1000.der -v 0x131B -p 0x1000 --vendor-name ESP --product-name light --outdir $folder/mfg
  $command --as auditor audit list --lot demo

Stop it with  deploy/quickstart down ; wipe it with  deploy/quickstart reset
TEXT
}
