# How the quickstart talks: one line a step, one line a failure. Sourced.
# shellcheck shell=bash disable=SC2154

if [[ -t 1 && -z ${NO_COLOR-} ]]; then
  say_bold=$'\e[1m' say_green=$'\e[32m' say_red=$'\e[31m' say_off=$'\e[0m'
else
  say_bold='' say_green='' say_red='' say_off=''
fi

step_number=0
step_count=${step_count:-0}

# step WORDS...: a new step begins.
step() {
  step_number=$((step_number + 1))
  printf '%s[%d/%d]%s %s\n' "$say_bold" "$step_number" "$step_count" "$say_off" "$*"
}

# note WORDS...: what the step found or made.
note() { printf '      %s\n' "$*"; }

done_line() { printf '%s%s%s\n' "$say_green" "$*" "$say_off"; }

# fail WORDS...: says what is wrong and what to do, and ends.
fail() {
  printf '%sassay: %s%s\n' "$say_red" "$*" "$say_off" >&2
  exit 1
}

# run_logged LOG COMMAND...: quiet when it works; the log's last lines when it does not.
run_logged() {
  local log=$1
  shift
  if ! "$@" >>"$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "'$1' failed; all of its output is in $log"
  fi
}
