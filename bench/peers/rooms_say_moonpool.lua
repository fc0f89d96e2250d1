-- TASKS tasks that each publish to one room and await, again and again, on one client. MODE:
--   plain    redis:publish, no history
--   recipe   MULTI, LPUSH, PUBLISH, EXEC: redis:transaction
--   stream, list, sorted   room:say, with that history; each with a key, as always
-- usage: lua5.4 rooms_say_moonpool.lua ADDRESS TASKS WARMUP MESSAGES MODE
package.path = arg[0]:match("^(.-)[^/]*$") .. "../lib/?.lua;" .. package.path
local stream = require "stream"
local moonpool = require "moonpool"

local TEXT = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
local PAYLOAD = ('{"user":"ann","text":"%s"}'):format(TEXT)
local CHANNEL, BACKLOG = "room:bench", "room:bench:backlog"

local makers = {}

function makers.plain(redis)
  return function() return redis:publish(CHANNEL, PAYLOAD) end
end

function makers.recipe(redis)
  local function record(tx)
    tx:lpush(BACKLOG, PAYLOAD)
    tx:publish(CHANNEL, PAYLOAD)
  end
  return function() return redis:transaction(record) end
end

local function room_maker(history)
  return function(redis)
    local room = assert(redis:room("bench", { history = history, keep = 1000 }))
    local as_ann = { user = "ann" }
    return function() return room:say(TEXT, as_ann) end
  end
end

for _, history in ipairs { "stream", "list", "sorted" } do makers[history] = room_maker(history) end

local function publish_all(say, tasks, count)
  local to_send = count
  local function publish()
    while to_send > 0 do
      to_send = to_send - 1
      local result, message = say()
      assert(result, message)
    end
  end
  local list = {}
  for i = 1, tasks do list[i] = moonpool.spawn(publish) end
  for _, task in ipairs(list) do
    local _, message, code = task:await()
    if code then error(message, 0) end
  end
end

-- Microseconds of Redis's main thread.
local function redis_cpu(redis)
  local info = assert(redis:info "cpu")
  local system = tonumber(info:match "used_cpu_sys_main_thread:([%d.]+)")
  return (system + tonumber(info:match "used_cpu_user_main_thread:([%d.]+)")) * 1e6
end

moonpool.run(function()
  local redis = assert(moonpool.connect(stream.url(arg[1])))
  local tasks, messages, mode = math.tointeger(arg[2]), math.tointeger(arg[4]), arg[5]
  local say = makers[mode](redis)
  assert(redis:flushall())
  stream.ready(("moonpool %s, %s"):format(moonpool.version, mode))
  publish_all(say, tasks, math.tointeger(arg[3]))
  local server = redis_cpu(redis)
  local cpu, wall = os.clock(), moonpool.now()
  publish_all(say, tasks, messages)
  cpu, wall = os.clock() - cpu, moonpool.now() - wall
  print(("result %d %.0f %.0f redis=%.0f"):format(messages, cpu * 1e9, wall * 1e9,
    (redis_cpu(redis) - server) * 1e3 / messages))
  redis:close()
end)
