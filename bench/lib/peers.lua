-- The peers of `receive`, `publish` and `commands`: which programs they are, and which can run
-- here.
local setup = require "setup"
local shell = require "shell"

local peers = {}

local function add_moonpool(list, place, job)
  if not setup.has_moonpool(place) then
    return ("moonpool: %s/lua/moonpool/core.so is not built"):format(place.build)
  end
  list[#list + 1] = { name = "moonpool", env = setup.moonpool_env(place),
    words = { "lua5.4", ("%s/peers/%s_moonpool.lua"):format(place.bench, job) } }
end

local function add_node(list, place, job)
  if not (shell.has "node" and shell.has "npm") then return "ioredis, redis: no node or npm" end
  local folder = setup.install_node(place)
  local function add(name, file, module)
    list[#list + 1] = { name = name, env = { BENCH_NODE = folder, BENCH_MODULE = module },
      words = { "node", ("%s/peers/%s_%s.mjs"):format(place.bench, job, file) } }
  end
  add("ioredis", "ioredis", "ioredis")
  add("ioredis 5", "ioredis", "ioredis5")
  add("redis", "redis", "redis")
end

local function add_lua_redis(list, place, job)
  local lua = setup.lua_of_lua_redis()
  if not lua then return "lua-redis: not installed (Debian: lua5.1 lua-redis lua-socket)" end
  list[#list + 1] = { name = "lua-redis",
    words = { lua, ("%s/peers/%s_lua_redis.lua"):format(place.bench, job) } }
end

local function add_hiredis(list, place, job)
  list[#list + 1] = { name = "hiredis", words = { place.out .. "/" .. job .. "_hiredis" } }
end

local function select_named(list, names)
  local by_name, selected = {}, {}
  for _, peer in ipairs(list) do by_name[peer.name] = peer end
  for name in names:gmatch("[^,]+") do
    selected[#selected + 1] = by_name[name] or error("no such peer, or not here: " .. name, 0)
  end
  return selected
end

-- Those that are made for TLS here, told which CA to trust.
local function with_tls(list, ca)
  local able = {}
  for _, peer in ipairs(list) do
    if peer.name == "moonpool" or peer.name:find "^ioredis" then
      peer.env.BENCH_TLS_CA = ca
      able[#able + 1] = peer
    else
      io.stderr:write("left out: ", peer.name, ": not made for TLS here\n")
    end
  end
  return able
end

--- The peers of a job ("receive", "publish" or "commands") that can run here. What cannot is told
--- on stderr.
--- @param place bench.place
--- @param job string
--- @param names string?   comma-separated: only these, in this order
--- @param ca string?      they connect with TLS and trust this file
--- @return bench.peer[]
function peers.of(place, job, names, ca)
  setup.build_c(place)
  local list = {}
  local add_all = { add_moonpool, add_hiredis, add_node }
  if job ~= "publish" then add_all[#add_all + 1] = add_lua_redis end
  for _, add in ipairs(add_all) do
    local why_not = add(list, place, job)
    if why_not and not names then io.stderr:write("left out: ", why_not, "\n") end
  end
  if ca then list = with_tls(list, ca) end
  return names and select_named(list, names) or list
end

--- The ioredis peers of a job; none, told on stderr, where they cannot run.
--- @param place bench.place
--- @param job string
--- @return bench.peer[]
function peers.ioredis(place, job)
  local list, found = {}, {}
  local why_not = add_node(list, place, job)
  if why_not then io.stderr:write("left out: ", why_not, "\n") end
  for _, peer in ipairs(list) do
    if peer.name:find "^ioredis" then found[#found + 1] = peer end
  end
  return found
end

--- The peer of that name, or nil.
--- @param list bench.peer[]
--- @param name string
--- @return bench.peer?
function peers.find(list, name)
  for _, peer in ipairs(list) do
    if peer.name == name then return peer end
  end
end

--- Those of the named peers that are in the list.
--- @param list bench.peer[]
--- @param names string[]
--- @return bench.peer[]
function peers.find_all(list, names)
  local found = {}
  for _, name in ipairs(names) do found[#found + 1] = peers.find(list, name) end
  return found
end

return peers
