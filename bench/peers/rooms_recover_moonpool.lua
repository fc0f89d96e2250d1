-- FOLLOWERS feeds of one room in one process, each with a handler that checks that nothing is
-- skipped, while another client says MESSAGES. Half-way the subscriber link is killed: how long
-- from Redis's "OK" until every follower has what was said after it, and all before.
-- usage: lua5.4 rooms_recover_moonpool.lua ADDRESS FOLLOWERS MESSAGES
package.path = arg[0]:match("^(.-)[^/]*$") .. "../lib/?.lua;" .. package.path
local stream = require "stream"
local moonpool = require "moonpool"

local POLL_SECONDS = 0.001
local GATHER = 20 -- said at once, then awaited

local followers, messages = math.tointeger(arg[2]), math.tointeger(arg[3])

moonpool.on_error(function(traceback)
  io.stderr:write(traceback, "\n")
  os.exit(1)
end)

-- Follows; `state.reached` counts the followers that have the message `state.marker`.
local function follow(redis, state)
  local last = 0
  local room = assert(redis:room "bench")
  assert(room:on("gap", function(gap) error("a gap: " .. gap.reason) end))
  assert(room:on("message", function(message)
    local number = math.tointeger(tonumber(message.text))
    if number ~= last + 1 then error(("%s after %d"):format(message.text, last)) end
    last = number
    if number == state.marker then state.reached = state.reached + 1 end
    if number == messages then state.finished = state.finished + 1 end
  end))
  return room
end

local function say_range(room, first, last)
  for begin = first, last, GATHER do
    local tasks = {}
    for number = begin, math.min(begin + GATHER - 1, last) do
      tasks[#tasks + 1] = moonpool.spawn(function()
        assert(room:say(tostring(number), { user = "ann" }))
      end)
    end
    for _, task in ipairs(tasks) do assert(task:await() == nil) end
    moonpool.sleep(POLL_SECONDS)
  end
end

local function await(condition)
  while not condition() do moonpool.sleep(POLL_SECONDS) end
end

moonpool.run(function()
  local writer = assert(moonpool.connect(stream.url(arg[1])))
  local redis = assert(moonpool.connect(stream.url(arg[1])))
  assert(writer:flushall())
  local state, rooms = { reached = 0, finished = 0 }, {}
  for i = 1, followers do rooms[i] = follow(redis, state) end
  stream.ready(("moonpool %s, %d followers"):format(moonpool.version, followers))

  local room = assert(writer:room("bench", { keep = messages }))
  local half = messages // 2
  say_range(room, 1, half)
  local reads = rooms[1]:stats().reads
  local talking = moonpool.spawn(say_range, room, half + 1, messages)
  state.marker = half + GATHER + 1 -- of the second handful: said after the link was killed
  assert(writer:client("KILL", "TYPE", "pubsub"))
  local cpu, wall = os.clock(), moonpool.now()
  await(function() return state.reached == followers end)
  local cpu_used, wall_used = os.clock() - cpu, moonpool.now() - wall
  talking:await()
  await(function() return state.finished == followers end)
  print(("result %d %.0f %.0f reads=%d"):format(followers, cpu_used * 1e9, wall_used * 1e9,
    rooms[1]:stats().reads - reads))
  moonpool.stop()
end)
