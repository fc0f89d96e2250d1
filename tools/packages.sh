# shellcheck shell=bash
# What moonpool needs to build, run and test, and how it comes onto this machine (sourced; uses
# steps.sh).
#
#   find_lua               sets LUA to the machine's Lua 5.4, or fails
#   provide_gateway LOG    makes what the gateway needs be there where that is easy
#   provide LOG FEATURE…   makes the features be there: on Debian and its kin by installing what is
#                          missing, with apt; elsewhere it names what to install and exits 1. Sets
#                          provided_new to 1 when it installed something.
#
# A feature is a word of the table below. It is checked by what it does (a program, a library that
# pkg-config or the compiler knows, a Lua module); each family of systems has its own name for its
# package; of several, separated by "|", the first that apt knows. "rock": the rock of the feature's
# name, from LuaRocks. "none": that family has no package of it.

# shellcheck disable=SC2034 # for those who source this file
readonly BUILD_FEATURES=(
  cc make cmake pkg-config hiredis libuv jansson libssl lua lua.h argparse redis
) GATEWAY_FEATURES=(wslay http-parser) TEST_FEATURES=(busted luasocket openssl python3) DIFFERENTIAL_FEATURES=(node npm)

# feature  Debian         Fedora        Arch           Alpine          openSUSE         Homebrew
readonly PACKAGES="
cc         gcc            gcc           gcc            build-base      gcc              gcc
make       make           make          make           make            make             make
cmake      cmake          cmake         cmake          cmake           cmake            cmake
pkg-config pkg-config     pkgconfig     pkgconf        pkgconf         pkg-config       pkgconf
hiredis    libhiredis-dev hiredis-devel hiredis        hiredis-dev     hiredis-devel    hiredis
libuv      libuv1-dev     libuv-devel   libuv          libuv-dev       libuv-devel      libuv
jansson    libjansson-dev jansson-devel jansson        jansson-dev     libjansson-devel jansson
libssl     libssl-dev     openssl-devel openssl        openssl-dev     libopenssl-devel openssl@3
wslay      libwslay-dev   wslay-devel   none           none            none             none
http-parser libllhttp-dev|libhttp-parser-dev llhttp-devel llhttp llhttp-dev llhttp-devel llhttp
lua        lua5.4         lua           lua54          lua5.4          lua54            lua@5.4
lua.h      liblua5.4-dev  lua-devel     lua54          lua5.4-dev      lua54-devel      lua@5.4
argparse   lua-argparse   lua-argparse  lua54-argparse lua5.4-argparse lua54-argparse   rock
redis      redis-server   redis         valkey         redis           redis            redis
busted     lua-busted     rock          rock           rock            rock             rock
luasocket  lua-socket     lua-socket    lua54-socket   lua5.4-socket   lua54-luasocket  rock
openssl    openssl        openssl       openssl        openssl         openssl          openssl@3
python3    python3        python3       python         python3         python3          python
node       nodejs         nodejs        nodejs         nodejs          nodejs           node
npm        npm            nodejs-npm    npm            npm             npm-default      node
"

provided_new=0

find_lua() {
  local candidate
  for candidate in lua5.4 lua54 lua-5.4 lua; do
    if command -v "$candidate" > /dev/null &&
      "$candidate" -e 'os.exit(_VERSION == "Lua 5.4")' 2> /dev/null; then
      LUA=$(command -v "$candidate")
      return 0
    fi
  done
  LUA=''
  return 1
}

has_library() {
  local name
  for name in "$@"; do
    pkg-config --exists "$name" 2> /dev/null && return 0
  done
  return 1
}

# Does the compiler find one of these headers?
has_header() {
  local name
  for name in "$@"; do
    echo "#include <$name>" | ${CC:-cc} -E -x c - > /dev/null 2>&1 && return 0
  done
  return 1
}

has_lua_module() {
  find_lua && "$LUA" -e "require '$1'" > /dev/null 2>&1
}

has_feature() {
  case $1 in
    cc) command -v cc > /dev/null || command -v gcc > /dev/null || command -v clang > /dev/null ;;
    redis) command -v redis-server > /dev/null && command -v redis-cli > /dev/null ;;
    hiredis) has_library hiredis ;;
    libuv) has_library libuv ;;
    jansson) has_library jansson ;;
    libssl) has_library 'openssl >= 1.1.1' ;;
    wslay) has_header wslay/wslay.h ;;
    http-parser) has_header llhttp.h http_parser.h ;;
    lua) find_lua ;;
    lua.h) has_library lua5.4 lua-5.4 lua54 'lua >= 5.4 lua < 5.5' ;;
    argparse) has_lua_module argparse ;;
    luasocket) has_lua_module socket.unix ;;
    busted) command -v busted > /dev/null && has_lua_module busted ;;
    *) command -v "$1" > /dev/null ;;
  esac
}

# use_family ID…: sets family, a column of PACKAGES (2…; 1: none), and the command that installs.
use_family() {
  case " $* " in
    *" debian "* | *" ubuntu "*) family=2 install_command="apt-get install" ;;
    *" fedora "* | *" rhel "*) family=3 install_command="dnf install" ;;
    *" arch "*) family=4 install_command="pacman -S" ;;
    *" alpine "*) family=5 install_command="apk add" ;;
    *" opensuse "* | *" suse "*) family=6 install_command="zypper install" ;;
    *" darwin "*) family=7 install_command="brew install" ;;
    *) family=1 install_command="" ;;
  esac
}

find_family() {
  local id=''
  if [ "$(uname -s)" = Darwin ]; then
    id=darwin
  elif [ -r /etc/os-release ]; then
    id=$(. /etc/os-release && echo "$ID ${ID_LIKE:-}")
  fi
  use_family "$id"
}

package_of() {
  awk -v feature="$1" -v column="$family" '$1 == feature { print $column }' <<< "$PACKAGES"
}

# choose_packages NAME…: sets chosen; of names with "|" between them the first that apt knows.
choose_packages() {
  local names name
  chosen=()
  for names in "$@"; do
    for name in ${names//|/ }; do
      [ "$name" = "$names" ] && break
      apt-cache show "$name" > /dev/null 2>&1 && break
    done
    chosen+=("$name")
  done
}

# Debian's redis-server starts a service when it is installed, and so do some of the hosts that CI
# installs; the programs alone are needed.
# The policy disarms itself when this process is gone, should it be killed before it can remove it.
forbid_services() {
  policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then
    policy=''
    return
  fi
  printf '#!/bin/sh\n# Put here by moonpool quickstart while it installs packages.\n%s\nexit 0\n' \
    "[ -d /proc/$$ ] && exit 101" | "${as_root[@]}" tee "$policy" > /dev/null
  "${as_root[@]}" chmod 755 "$policy"
}

allow_services() {
  [ -n "${policy:-}" ] && "${as_root[@]}" rm -f "$policy"
  policy=''
}

become_root() {
  as_root=()
  [ "$(id -u)" -eq 0 ] && return
  command -v sudo > /dev/null ||
    die "needs root to install packages: run, as root, apt-get install $*"
  as_root=(sudo)
  sudo -v || die "needs sudo to install packages: apt-get install $*"
}

apt_install() {
  local log=$1 chosen
  shift
  become_root "$@"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y)
  apt+=(-o DPkg::Lock::Timeout=300)
  logged "$log" "${apt[@]}" update || die "apt-get update failed"
  choose_packages "$@"
  say "installing: ${chosen[*]}"
  forbid_services
  local status=0
  logged "$log" "${apt[@]}" install --no-install-recommends "${chosen[@]}" || status=$?
  allow_services
  [ "$status" -eq 0 ] || die "apt-get install failed"
  case " $* " in *" redis-server "*) disable_redis_service ;; esac
}

disable_redis_service() {
  "${as_root[@]}" update-rc.d redis-server disable > /dev/null 2>&1 || true
  say "Debian's redis service stays off (sudo systemctl enable --now redis-server turns it on)"
}

print_what_to_install() {
  local feature package packages='' rocks=''
  for feature in "$@"; do
    package=$(package_of "$feature")
    case $package in
      rock) rocks="$rocks $feature" ;;
      *) packages="$packages $package" ;;
    esac
  done
  say "missing:$(printf ' %s' "$@")"
  if [ -z "$install_command" ]; then
    say "install them with your system's package manager, then run this again"
    return
  fi
  [ -n "$packages" ] && say "install:  $install_command$packages"
  [ -n "$rocks" ] && say "then:     luarocks --lua-version=5.4 install$rocks   (one at a time)"
  say "then run this again"
}

# provide_gateway LOG: what the gateway needs besides; without it moonpool is built without one.
provide_gateway() {
  local feature missing=()
  for feature in "${GATEWAY_FEATURES[@]}"; do
    has_feature "$feature" || missing+=("$feature")
  done
  find_family
  if [ "$family" -eq 2 ] && command -v apt-get > /dev/null; then
    provide "$1" "${GATEWAY_FEATURES[@]}"
  elif [ ${#missing[@]} -gt 0 ]; then
    say "without the gateway, which needs${missing[*]/#/ }"
  fi
}

provide() {
  local log=$1 feature missing=() packages=()
  shift
  for feature in "$@"; do
    has_feature "$feature" || missing+=("$feature")
  done
  [ ${#missing[@]} -eq 0 ] && return
  find_family
  if [ "$family" -ne 2 ] || ! command -v apt-get > /dev/null; then
    print_what_to_install "${missing[@]}"
    exit 1
  fi
  for feature in "${missing[@]}"; do
    packages+=("$(package_of "$feature")")
  done
  apt_install "$log" "${packages[@]}"
  # shellcheck disable=SC2034
  provided_new=1
  for feature in "${missing[@]}"; do
    has_feature "$feature" || die "$(package_of "$feature") is installed, but $feature is not there"
  done
}
