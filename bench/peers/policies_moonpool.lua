-- TASKS tasks that each say something in one room and await it, again and again, on one client,
-- whose policies allow it. MODE:
--   none      no policies
--   one       length
--   ten       all of the library's that need no Redis, and length once more
--   counted   the same, but rate_limit, with a bucket of the user's and one of the room's, instead
--             of the second length
-- usage: lua5.4 policies_moonpool.lua ADDRESS TASKS WARMUP MESSAGES MODE
package.path = arg[0]:match("^(.-)[^/]*$") .. "../lib/?.lua;" .. package.path
local stream = require "stream"
local moonpool = require "moonpool"

local TEXT = "It is a truth universally acknowledged, that a man in possession"
local MANY = 1000000

local function nine()
  local bad = {}
  for index = 1, 50 do bad[index] = "badword" .. string.char(96 + index % 26 + 1) .. index end
  return {
    "mute", "ban", { "moderated", voiced = { "ann" } }, { "members_only", members = { "ann" } },
    { "flood", repeats = MANY, burst = 1000, burst_seconds = 0.0001 }, "length", "caps",
    { "words", words = bad }, { "links", deny = { "example.com" } },
  }
end

local policies = { one = { "length" }, ten = nine(), counted = nine() }
table.insert(policies.ten, { "length", name = "length_again", characters = 500 })
table.insert(policies.counted,
  { "rate_limit", messages = MANY, seconds = 1, room_messages = MANY, room_seconds = 1 })

local function say_all(room, tasks, count)
  local to_send, as_ann = count, { user = "ann" }
  local function say()
    while to_send > 0 do
      to_send = to_send - 1
      assert(room:say(TEXT, as_ann))
    end
  end
  local list = {}
  for i = 1, tasks do list[i] = moonpool.spawn(say) end
  for _, task in ipairs(list) do
    local _, message, code = task:await()
    if code then error(message, 0) end
  end
end

moonpool.run(function()
  local tasks, messages, mode = math.tointeger(arg[2]), math.tointeger(arg[4]), arg[5]
  local redis = assert(moonpool.connect { url = stream.url(arg[1]), policies = policies[mode] })
  local room = assert(redis:room("bench", { keep = 1000 }))
  assert(redis:flushall())
  local count = #(policies[mode] or {})
  stream.ready(("%d %s%s"):format(count, count == 1 and "policy" or "policies",
    mode == "counted" and ", one counts in Redis" or ""))
  say_all(room, tasks, math.tointeger(arg[3]))
  local cpu, wall = os.clock(), moonpool.now()
  say_all(room, tasks, messages)
  cpu, wall = os.clock() - cpu, moonpool.now() - wall
  print(("result %d %.0f %.0f"):format(messages, cpu * 1e9, wall * 1e9))
  redis:close()
end)
