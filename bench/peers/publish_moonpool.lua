-- TASKS tasks that each publish and await, again and again, on one client.
-- usage: lua5.4 publish_moonpool.lua ADDRESS TASKS WARMUP MESSAGES
package.path = arg[0]:match("^(.-)[^/]*$") .. "../lib/?.lua;" .. package.path
local stream = require "stream"
local moonpool = require "moonpool"

local PAYLOAD = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"

local function publish_all(redis, channels, count)
  local to_send = count
  local function publish_on(channel)
    while to_send > 0 do
      to_send = to_send - 1
      local receivers, message = redis:publish(channel, PAYLOAD)
      assert(receivers == 0, message)
    end
  end
  local tasks = {}
  for i, channel in ipairs(channels) do tasks[i] = moonpool.spawn(publish_on, channel) end
  for _, task in ipairs(tasks) do
    local _, message, code = task:await()
    if code then error(message, 0) end
  end
end

local function numbers(redis)
  return os.clock(), moonpool.now(), redis:stats().writes
end

moonpool.run(function()
  local redis = assert(moonpool.connect(stream.url(arg[1])))
  local channels = stream.names(math.tointeger(arg[2]))
  local messages = math.tointeger(arg[4])
  stream.ready("moonpool " .. moonpool.version)
  publish_all(redis, channels, math.tointeger(arg[3]))
  local cpu, wall, writes = numbers(redis)
  publish_all(redis, channels, messages)
  local cpu_end, wall_end, writes_end = numbers(redis)
  print(("result %d %.0f %.0f writes=%d"):format(messages, (cpu_end - cpu) * 1e9,
    (wall_end - wall) * 1e9, writes_end - writes))
  redis:close()
end)
