-- A room's messages handed to bots, each in its isolate, by a host in this process; another process
-- says them. BOTS 0: no host, a handler of redis:room instead.
-- usage: lua5.4 host_bots_moonpool.lua ADDRESS BOTS WARMUP MESSAGES
-- As the other process: lua5.4 host_bots_moonpool.lua ADDRESS say COUNT
package.path = arg[0]:match("^(.-)[^/]*$") .. "../lib/?.lua;" .. package.path
local stream = require "stream"
local config = require "moonpool.host.config"
local host = require "moonpool.host"
local moonpool = require "moonpool"

local TEXT = "It is a truth universally acknowledged, that a man in possession"
local ROOM = "bench"
local BOT = [[
local bytes = 0
bot.name, bot.rooms = bot.options.name, { "bench" }
bot:on("publish", function(message) bytes = bytes + #message.text + #message.user end)
]]
local TASKS = 100

-- ---- the other process -------------------------------------------------------------------------

local function say_all(redis, count)
  local room = assert(redis:room(ROOM, { keep = 0 }))
  local left, tasks = count, {}
  local function say()
    while left > 0 do
      left = left - 1
      assert(room:say(TEXT, { user = "ann" }))
    end
  end
  for index = 1, TASKS do tasks[index] = moonpool.spawn(say) end
  for _, task in ipairs(tasks) do task:await() end
end

local programs = {} -- kept: closing one would wait for its end

local function say_by_another(count)
  programs[#programs + 1] = assert(io.popen(("lua5.4 %s %s say %d"):format(arg[0], arg[1], count)))
end

-- ---- this one ----------------------------------------------------------------------------------

-- A function that tells how many messages have been handled, by all together.
local function start_bots(redis, count)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(BOT)
  file:close()
  local settings = assert(config.merge(nil, { files = { path } }))
  local script = settings.bots[1]
  for index = 1, count do
    local own = {}
    for key, value in pairs(script) do own[key] = value end
    own.name = "bot" .. index
    own.options = { name = own.name }
    settings.bots[index] = own
  end
  local own = host.new(redis, settings, { write = function(_, _, message) error(message) end })
  assert(own:load())
  os.remove(path)
  assert(own:subscribe())
  own:start()
  return function()
    local handled = 0
    for _, actor in ipairs(own:actors()) do handled = handled + actor.handled end
    return handled
  end
end

local function start_handler(redis)
  local handled, bytes = 0, 0
  local room = assert(redis:room(ROOM, { keep = 0 }))
  assert(room:on("message", function(message)
    bytes = bytes + #message.text + #message.user
    handled = handled + 1
  end))
  return function() return handled end
end

local function await(handled, count)
  while handled() < count do moonpool.sleep(0.002) end
end

moonpool.on_error(function(traceback)
  io.stderr:write(traceback, "\n")
  os.exit(1)
end)

moonpool.run(function()
  local redis = assert(moonpool.connect(stream.url(arg[1])))
  if arg[2] == "say" then
    say_all(redis, math.tointeger(arg[3]))
    return redis:close()
  end
  local bots, warmup, messages = math.tointeger(arg[2]), math.tointeger(arg[3]),
    math.tointeger(arg[4])
  assert(redis:flushall())
  local handled = bots > 0 and start_bots(redis, bots) or start_handler(redis)
  local each = math.max(bots, 1)
  stream.ready(bots == 0 and "a handler of the library's" or ("%d bot%s"):format(bots,
    bots == 1 and "" or "s"))
  say_by_another(warmup)
  await(handled, warmup * each)
  local cpu, wall = os.clock(), moonpool.now()
  say_by_another(messages)
  await(handled, (warmup + messages) * each)
  cpu, wall = os.clock() - cpu, moonpool.now() - wall
  print(("result %d %.0f %.0f"):format(messages, cpu * 1e9, wall * 1e9))
  io.stdout:flush()
  os.exit(0, false) -- the host goes on for ever
end)
