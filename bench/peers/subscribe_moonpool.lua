-- CHANNELS channels on one link: what they take of the process's memory; then that link is killed:
-- how long from Redis's "OK" to CLIENT KILL until it has confirmed all of them again.
-- usage: lua5.4 subscribe_moonpool.lua ADDRESS CHANNELS each|list
--   each: a subscription a channel; list: one subscription with all names
package.path = arg[0]:match("^(.-)[^/]*$") .. "../lib/?.lua;" .. package.path
local stream = require "stream"
local moonpool = require "moonpool"

local POLL_SECONDS = 0.001

-- Resident bytes of this process after a full collection. smaps_rollup counts pages; statm is
-- off by what each processor has not yet added up.
local function resident_bytes()
  collectgarbage()
  collectgarbage()
  for line in io.lines("/proc/self/smaps_rollup") do
    local kilobytes = line:match("^Rss:%s+(%d+) kB")
    if kilobytes then return kilobytes * 1024 end
  end
end

local function subscribe(redis, names, mode)
  local function ignore() end
  if mode == "list" then return assert(redis:subscribe(names, ignore)) end
  for _, name in ipairs(names) do assert(redis:subscribe(name, ignore)) end
end

-- Redis's number of the client that holds the subscriptions, and how many it has.
local function subscriber_link(redis)
  local list = assert(redis:client("LIST", "TYPE", "pubsub"))
  local id, count = list:match("^id=(%d+) .- sub=(%d+)")
  return id, math.tointeger(count)
end

local function await_all_confirmed(redis, count, reconnects)
  repeat
    moonpool.sleep(POLL_SECONDS)
    local stats = redis:stats()
  until stats.reconnects > reconnects and stats.confirmed == count
end

moonpool.run(function()
  local names = stream.names(math.tointeger(arg[2]))
  local redis = assert(moonpool.connect(stream.url(arg[1])))
  stream.ready(("moonpool %s, %s"):format(moonpool.version,
    arg[3] == "list" and "one subscription" or "one a channel"))
  local before = resident_bytes()
  local subscription = subscribe(redis, names, arg[3])
  local bytes = (resident_bytes() - before) / #names - #names[1]

  local id, count = subscriber_link(redis)
  assert(count == #names, "Redis counts other subscriptions")
  local reconnects = redis:stats().reconnects
  local killing = moonpool.now()
  assert(redis:client("KILL", "ID", id))
  local cpu, wall = os.clock(), moonpool.now()
  await_all_confirmed(redis, #names, reconnects)
  local cpu_used, wall_used = os.clock() - cpu, moonpool.now() - wall

  local new_id, new_count = subscriber_link(redis)
  assert(new_id ~= id and new_count == #names, "Redis counts other subscriptions afterwards")
  local line = "result %d %.0f %.0f bytes=%.1f kill_ms=%.1f"
  print(line:format(#names, cpu_used * 1e9, wall_used * 1e9, bytes, (wall - killing) * 1e3))
  if subscription then subscription:close() end
  redis:close()
  moonpool.stop()
end)
