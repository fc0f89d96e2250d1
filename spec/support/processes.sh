#!/bin/bash
# processes.sh FOLDER: one line "PID COMMAND" for each running process that has to do with FOLDER: it works in it,
# its command line names it, or its environment does (redis-server overwrites its own, hence all three).
# The processes above this one, and this one, are left out.
folder=$1

declare -A family
pid=$$
while [ "$pid" -gt 1 ]; do
  family[$pid]=1
  read -r stat < "/proc/$pid/stat" || break
  stat=${stat##*) } # after the command's name, which may hold anything
  read -r _ pid _ <<< "$stat"
done

names_folder() {
  local cwd
  cwd=$(readlink "$1/cwd" 2>/dev/null)
  case $cwd/ in "$folder"/*) return 0 ;; esac
  grep -qzsF -- "$folder" "$1/cmdline" "$1/environ" 2>/dev/null
}

for process in /proc/[0-9]*; do
  pid=${process#/proc/}
  [ -n "${family[$pid]}" ] && continue
  names_folder "$process" || continue
  command=$(tr '\0\n' '  ' 2>/dev/null < "$process/cmdline")
  [ -n "$command" ] && echo "$pid $command" # a zombie has none
done
exit 0
