# shellcheck shell=bash
# The example bots, in a room on a private Redis, with examples/conversation.log played to them
# (sourced by quickstart; uses steps.sh and LUA).

readonly ROOM=moonpool
readonly USER_NAME=guest           # whom we join as
readonly GREETED='Welcome to'      # what the greeter says when we have joined
readonly LAST_WORD='user\":\"stats' # whose answer ends the conversation: its last line is !stats
readonly SPEED=60                  # a minute of the conversation in a second
readonly DEADLINE=120              # seconds for what takes a few: it ends a hang, no more

demo_folder=''
demo_pids=()

# background LOG COMMAND…: in a session of its own, so that Ctrl-C reaches it through us alone. Once
# it has its log it has our traps no more, which bash's children have at first.
background() {
  local log=$demo_folder/$1
  shift
  setsid "$LUA" bin/moonpool "$@" > "$log" 2>&1 < /dev/null &
  demo_pids+=("$!")
  until_true "$DEADLINE" test -e "$log"
}

# Ends what we started, and leaves nothing behind.
end_demo() {
  [ "$BASHPID" -eq $$ ] || return
  local pid
  trap '' INT TERM HUP
  [ ${#demo_pids[@]} -eq 0 ] || kill -TERM "${demo_pids[@]}" 2> /dev/null
  for pid in "${demo_pids[@]}"; do
    until_true 30 has_ended "$pid" || kill -KILL "$pid" 2> /dev/null
    wait "$pid" 2> /dev/null
  done
  demo_pids=()
  [ -z "$demo_folder" ] || rm -rf "$demo_folder"
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

# await LOG TEXT WHAT: until the program's output holds the text.
await() {
  local log=$demo_folder/$1
  until_true "$DEADLINE" grep -qsF -- "$2" "$log" && return
  cat "$log" >&2
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

# The bots, and a reader of the room whose output tells us where the conversation is.
start_bots() {
  background bots run examples/bots
  await bots "ready" "moonpool run to be ready"
  background feed sub --json "room:$ROOM"
  await feed '"event":"subscribe"' "the room to be subscribed to"
}

# start_chat: our place in the room, on the script's own input and output.
start_chat() {
  "$LUA" bin/moonpool chat "$ROOM" --as "$USER_NAME" <&0 &
  chat_pid=$!
  demo_pids+=("$chat_pid")
  await feed "$GREETED" "the greeter"
  background replay replay --speed "$SPEED" --room "$ROOM" examples/conversation.log
}

chat_on_terminal() {
  say "You are $USER_NAME there: type, and press Enter; !roll 2d6, !seen nemo and !stats are for"
  say "the bots. /quit or Ctrl-D leaves. To join from another terminal:"
  say "bin/moonpool chat $ROOM --as ann --redis unix://$XDG_RUNTIME_DIR/moonpool/redis.sock"
  start_chat
  wait "$chat_pid"
}

# Without a terminal: our input stays open until the conversation is over.
chat_until_the_end() {
  mkfifo "$demo_folder/input"
  exec 3<> "$demo_folder/input"
  start_chat < "$demo_folder/input" 3>&-
  await feed "$LAST_WORD" "the end of the conversation"
  exec 3>&-
  wait "$chat_pid"
}

demo() {
  begin_demo
  step "A private Redis, and the bots of examples/bots"
  start_bots
  say "$(grep -m 1 ready "$demo_folder/bots")"
  step "The room '$ROOM': examples/conversation.log, and what the bots answer"
  if [ -t 0 ] && [ -t 1 ]; then
    chat_on_terminal
  else
    chat_until_the_end
  fi
}
