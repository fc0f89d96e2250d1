#!/bin/bash
# sweep.sh FOLDER: waits until its standard input ends (the spec's process is gone), then kills what still runs
# in the folder and removes it. Runs in a session of its own, so a Ctrl-C in the terminal does not reach it.
folder=$1
cat > /dev/null

# Twice: what was killed may have been about to start something.
for _ in 1 2; do
  pids=$(bash "${0%/*}/processes.sh" "$folder" | cut -d ' ' -f 1)
  for pid in $pids; do
    kill -KILL "$pid" 2>/dev/null
  done
done
rm -rf -- "$folder"
