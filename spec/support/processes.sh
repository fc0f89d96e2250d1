#!/bin/bash
# processes.sh FOLDER: one line "PID COMMAND" for each running process that has to do with FOLDER: it works in it,
# its command line names it, or its environment does (redis-server overwrites its own, hence all three).
# Left out: this process, those above it, and launch.sh, which ends with what it has launched.
folder=$1

declare -A family
pid=$$
while [ "$pid" -gt 1 ]; do
  family[$pid]=1
  read -r stat < "/proc/$pid/stat" || break
  stat=${stat##*) } # after the command's name, which may hold anything
  read -r _ pid _ <<< "$stat"
done

candidates() {
  find /proc/[0-9]*/cwd -maxdepth 0 \( -lname "$folder" -o -lname "$folder/*" \) 2>/dev/null
  grep -lzsF -- "$folder" /proc/[0-9]*/cmdline /proc/[0-9]*/environ
}

for pid in $(candidates | cut -d / -f 3 | sort -nu); do
  command=$({ tr '\0\n' '  ' < "/proc/$pid/cmdline"; } 2>/dev/null)
  case ${family[$pid]}$command in
    1* | "" | *"/support/launch.sh "*) ;; # a zombie has no command line
    *) echo "$pid $command" ;;
  esac
done
exit 0
