# shellcheck shell=bash
# Numbered steps with progress, for quickstart and .ci/run (sourced). The caller sets steps_total.
#
#   step "Build"                   begins step N of steps_total
#   say "text"                     a line of detail below it
#   logged LOG COMMAND ARGUMENT…   runs it, output into LOG, whose last line is shown meanwhile (on a
#                                  terminal); shows the log's end when it fails; returns its status
#   die "text"                     says it on standard error and exits 1

steps_done=0
steps_total=0

if [ -t 1 ]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' normal=$'\e[0m' clear_line=$'\r\e[K'
else
  bold='' dim='' red='' normal='' clear_line=''
fi

step() {
  steps_done=$((steps_done + 1))
  printf '%s[%d/%d] %s%s\n' "$bold" "$steps_done" "$steps_total" "$1" "$normal"
}

say() {
  printf '      %s\n' "$*"
}

die() {
  printf '%s%s: %s%s\n' "$red" "${0##*/}" "$1" "$normal" >&2
  exit 1
}

# Rewrites one line with what the log says, until it is ended.
show_progress() {
  local log=$1 started=$SECONDS width line
  width=$(($(tput cols 2> /dev/null || echo 80) - 16))
  while sleep 0.2; do
    line=$(tail -n 1 "$log" 2> /dev/null | tr -d '[:cntrl:]')
    printf '%s      %s%3d s  %.*s%s' "$clear_line" "$dim" $((SECONDS - started)) "$width" "$line" \
      "$normal"
  done
}

logged() {
  local log=$1 ticker='' status=0
  shift
  : > "$log"
  if [ -t 1 ]; then
    show_progress "$log" &
    ticker=$!
  fi
  "$@" >> "$log" 2>&1 < /dev/null || status=$?
  if [ -n "$ticker" ]; then
    kill "$ticker" 2> /dev/null
    wait "$ticker" 2> /dev/null
    printf '%s' "$clear_line"
  fi
  if [ "$status" -ne 0 ]; then
    printf '%s%s failed (status %d). The end of %s:%s\n' "$red" "$1" "$status" "$log" "$normal" >&2
    tail -n 30 "$log" | sed 's/^/  | /' >&2
  fi
  return "$status"
}
