# shellcheck shell=bash
# The code blocks of the pages, for scripts that run them as they stand (sourced).
#
#   block PAGE KIND TEXT       prints the first code block of that kind that has TEXT in it; fails
#                              without one
#   run_block PAGE TEXT [SED]  does what such a block of the kind sh says, in this shell; SED has
#                              other folders in the place of the page's

block() {
  local found
  found=$(awk -v fence='```' -v kind="$2" -v text="$3" '
    index($0, fence) != 1 { lines = lines $0 "\n"; next }
    inside == "" { inside = substr($0, 4) " "; lines = ""; next }
    inside == kind " " && index(lines, text) { printf "%s", lines; exit }
    { inside = "" }' "$1")
  [ -n "$found" ] || { echo "$1: no block of $2 has: $3" >&2; return 1; }
  printf '%s\n' "$found"
}

run_block() {
  local text
  text=$(block "$1" sh "$2" | sed "${3:-}"; exit "${PIPESTATUS[0]}") || return 1
  printf '== %s\n%s\n' "$1" "$text"
  eval "$text"
}
