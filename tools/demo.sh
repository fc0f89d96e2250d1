# shellcheck shell=bash
# The example bots, in a room on a private Redis, with examples/conversation.log played to them
# (sourced by quickstart; uses steps.sh and LUA).

readonly ROOM=moonpool
readonly LAST_WORD='"user":"stats"' # whose answer ends the conversation: its last line is !stats
readonly DEADLINE=30                # seconds for what takes well under one

demo_folder=''
demo_pids=()

moonpool() {
  "$LUA" bin/moonpool "$@"
}

# background LOG COMMAND…: in a session of its own, so that Ctrl-C reaches it through us, in order.
background() {
  local log=$demo_folder/$1
  shift
  setsid "$LUA" bin/moonpool "$@" > "$log" 2> "$log.err" < /dev/null &
  demo_pids+=("$!")
}

# Ends what we started, the latest first, and leaves nothing behind.
end_demo() {
  local index pid
  trap '' INT TERM HUP
  for ((index = ${#demo_pids[@]} - 1; index >= 0; index--)); do
    pid=${demo_pids[index]}
    kill -TERM "$pid" 2> /dev/null
    end_of "$pid" 10 || kill -KILL "$pid" 2> /dev/null
    wait "$pid" 2> /dev/null
  done
  demo_pids=()
  [ -n "$demo_folder" ] && rm -rf "$demo_folder"
  demo_folder=''
}

# until_true SECONDS COMMAND…: polls; fails at the deadline.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.05
  done
}

has_ended() {
  ! kill -0 "$1" 2> /dev/null
}

end_of() {
  until_true "$2" has_ended "$1"
}

# await LOG TEXT WHAT: until the program's output holds the text.
await() {
  local log=$demo_folder/$1
  until_true "$DEADLINE" grep -qsF -- "$2" "$log" && return
  cat "$log" "$log.err" >&2
  die "waited $DEADLINE s for $3"
}

begin_demo() {
  demo_folder=$(mktemp -d "${TMPDIR:-/tmp}/moonpool.XXXXXX") || exit 1
  trap end_demo EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  unset REDIS_URL
  export XDG_RUNTIME_DIR=$demo_folder/run XDG_STATE_HOME=$demo_folder/state
  mkdir -m 700 "$XDG_RUNTIME_DIR" "$XDG_STATE_HOME"
}
