-- Events handed to a script in an isolate, one after the other, without Redis. MODE:
--   unbounded, budget   a bot's handler that reads user and text, counts by user and looks for a
--                       pattern; without a budget of CPU, and with the usual one
--   outside             the same handler called in the host's own state: no isolate
--   nothing, text, fields, message, ask
--                       an empty function: called with nothing, a text of 64 bytes, a table of ten
--                       fields, a room's message; or one that asks the host for something
-- usage: lua5.4 host_isolate_moonpool.lua MODE WARMUP EVENTS
package.path = arg[0]:match("^(.-)[^/]*$") .. "../lib/?.lua;" .. package.path
local stream = require "stream"
local core = require "moonpool.core"
local instance = require "moonpool.host.instance"

local TEXT = "It is a truth universally acknowledged, that a man in possession"
local MESSAGES = 1000 -- different ones, by turns

local HANDLER = [[
local counts = {}
local function handle(message)
  local user, text = message.user, message.text
  counts[user] = (counts[user] or 0) + 1
  if text:find "^!%a+" then counts.commands = (counts.commands or 0) + 1 end
end
]]

local LABELS = {
  unbounded = "a bot's handler, no budget", budget = "a bot's handler, budget of 0.1 s",
  outside = "the handler alone, no isolate", nothing = "an empty function, nothing handed over",
  text = "a text of 64 bytes", fields = "a table of ten fields", message = "a room's message",
  ask = "it asks the host, once",
}

local function new_messages()
  local list = {}
  for i = 1, MESSAGES do
    local id = ("%d-1-0000000000000001"):format(i)
    local body = core.json.encode { user = "user" .. i % 50, text = TEXT }
    list[i] = core.room.message("pool", id, body)
  end
  return list
end

-- Functions that are called with a message.
local function new_bot(budget)
  local bot = assert(instance.load({
    kind = "bot", name = "bench", path = "bench.lua", options = {}, grants = {}, budget = budget,
    text = HANDLER .. 'bot:on("publish", handle)',
  }, { load_store = function() return {} end }))
  local context = {}
  return function(message)
    local outcome, problem = bot:call(context, "publish", message)
    if outcome ~= "done" then error(tostring(problem)) end
  end
end

local function new_raw(mode)
  local own = core.isolate.new { name = "bench" }
  local code = mode == "ask" and "local ask = ... return function() return ask 'it' end"
    or "return function() end"
  assert(own:boot(code, "=bench") == "done")
  if mode == "nothing" then return function() own:start() end end
  if mode == "message" then return function(message) own:start(message) end end
  if mode == "text" then return function() own:start(TEXT) end end
  if mode == "ask" then
    return function()
      local _, call = own:start()
      own:answer(call, true)
    end
  end
  local fields = {}
  for i = 1, 10 do fields["field" .. i] = i end
  return function() own:start(fields) end
end

local function new_handler(mode)
  if mode == "unbounded" then return new_bot(0) end
  if mode == "budget" then return new_bot(0.1) end
  if mode == "outside" then return assert(load(HANDLER .. "return handle"))() end
  return new_raw(mode)
end

local function run(handle, messages, count)
  for i = 1, count do handle(messages[i % MESSAGES + 1]) end
end

local mode, warmup, events = arg[1], math.tointeger(arg[2]), math.tointeger(arg[3])
local handle, messages = new_handler(mode), new_messages()
stream.ready(LABELS[mode])
run(handle, messages, warmup)
local cpu, wall = os.clock(), core.now()
run(handle, messages, events)
cpu, wall = os.clock() - cpu, core.now() - wall
print(("result %d %.0f %.0f"):format(events, cpu * 1e9, wall * 1e9))
