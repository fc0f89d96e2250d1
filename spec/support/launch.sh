#!/bin/bash
# launch.sh FOLDER MODE COMMAND ARGUMENT…: runs COMMAND in a process group of its own, with default signals and our
# standard input; its output goes to FOLDER/stdout and FOLDER/stderr. FOLDER/pid appears when it has been started,
# FOLDER/exit (its status; 128 + N when signal N ended it) when it is gone and its output is complete.
# MODE "file": stdout is the file itself; "pipe": stdout is a pipe that cat copies into the file.
folder=$1 mode=$2
shift 2

publish() { # publish FILE TEXT: readers see the whole text or no file
  echo "$2" > "$folder/$1.new" && mv "$folder/$1.new" "$folder/$1"
}

set -m # a process group for each job
exec 3<&0 </dev/null >/dev/null 2>&1

output=$folder/stdout
: > "$output"
if [ "$mode" = pipe ]; then
  mkfifo "$folder/stdout.pipe"
  cat "$folder/stdout.pipe" > "$output" 3<&- &
  copier=$!
  output=$folder/stdout.pipe
fi

env --default-signal "$@" <&3 3<&- >"$output" 2>"$folder/stderr" &
pid=$!
set +m # wait for its end, not for a stop: ours would orphan its group, and the kernel would continue it
exec 3<&-
publish pid "$pid"
wait "$pid"
status=$?
[ -n "$copier" ] && wait "$copier"
publish exit "$status"
