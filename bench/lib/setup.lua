-- Where things are, and getting the peers ready: the C ones built, the Node ones installed, into
-- bench/ inside the build folder.
local shell = require "shell"

local setup = {}

--- @class bench.place
--- @field bench string   this folder
--- @field build string   the build folder
--- @field out string     build/bench

--- @param bench string    path of this folder
--- @param build string?   build folder; default: build/ beside this folder
--- @return bench.place
function setup.place(bench, build)
  build = assert(shell.capture("realpath -m " .. shell.quote(build or bench .. "/../build")))
  return { bench = bench, build = build, out = build .. "/bench" }
end

--- Builds the C peers.
--- @param place bench.place
function setup.build_c(place)
  shell.run(("make --silent -C %s BUILD=%s 1>&2"):format(shell.quote(place.bench),
    shell.quote(place.build)))
end

--- Installs the Node peers as peers/package-lock.json pins them.
--- @param place bench.place
--- @return string folder
function setup.install_node(place)
  local folder, source = place.out .. "/node", place.bench .. "/peers"
  local is_there = shell.exists(folder .. "/node_modules/.package-lock.json")
    and shell.capture(("cmp %s %s"):format(shell.quote(folder .. "/package-lock.json"),
      shell.quote(source .. "/package-lock.json")))
  if is_there then return folder end
  io.stderr:write("installing the Node peers into ", folder, "\n")
  shell.run(("mkdir -p %s && cp %s/package.json %s/package-lock.json %s"):format(
    shell.quote(folder), shell.quote(source), shell.quote(source), shell.quote(folder)))
  shell.run(("cd %s && npm ci --no-audit --no-fund --loglevel=error 1>&2"):format(
    shell.quote(folder)))
  return folder
end

--- Environment in which lua5.4 finds moonpool in the source tree and the build folder.
--- @param place bench.place
--- @return table<string, string>
function setup.moonpool_env(place)
  local root = place.bench .. "/.."
  return {
    LUA_PATH = ("%s/lua/?.lua;%s/lua/?/init.lua;;"):format(root, root),
    LUA_CPATH = place.build .. "/lua/?.so;;",
  }
end

--- @param place bench.place
--- @return boolean
function setup.has_moonpool(place)
  return shell.exists(place.build .. "/lua/moonpool/core.so")
end

--- The Lua that Debian's lua-redis works with, or nil when it is not installed.
--- @return string?
function setup.lua_of_lua_redis()
  for _, lua in ipairs { "lua5.1", "lua5.3", "lua5.2" } do
    local try = lua .. " -e 'require \"redis\" require \"socket\"' 2>/dev/null"
    if shell.has(lua) and os.execute(try) then return lua end
  end
end

--- One line about the machine: processors, kernel, system.
--- @return string
function setup.machine()
  local model = shell.capture("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1")
  local system = shell.capture("sed -n 's/^PRETTY_NAME=\"\\(.*\\)\"/\\1/p' /etc/os-release")
  return ("%s × %s, %s, Linux %s, load %s"):format(shell.capture("nproc") or "?", model or "?",
    system or "?", shell.capture("uname -r") or "?",
    shell.capture("cut -d ' ' -f 1 /proc/loadavg") or "?")
end

return setup
