-- What a room's message costs from the socket into a handler, beside a plain subscription that gets
-- the same bytes. MODE:
--   plain   redis:subscribe, payloads as strings
--   feed    room:on("message"), no field of the message read
--   fields  room:on("message"), its user and text read
-- usage: lua5.4 rooms_receive_moonpool.lua ADDRESS ROOMS WARMUP MESSAGES MODE
package.path = arg[0]:match("^(.-)[^/]*$") .. "../lib/?.lua;" .. package.path
local stream = require "stream"
local moonpool = require "moonpool"

local warmup, messages, mode = math.tointeger(arg[3]), math.tointeger(arg[4]), arg[5]

local count, next_mark = 0, warmup
local cpu_start, wall_start

local function reached()
  if count == warmup then
    cpu_start, wall_start = os.clock(), moonpool.now()
    next_mark = warmup + messages
    return
  end
  local cpu, wall = os.clock() - cpu_start, moonpool.now() - wall_start
  print(("result %d %.0f %.0f"):format(messages, cpu * 1e9, wall * 1e9))
  moonpool.stop()
end

-- One for each room or channel, as a program would have them.
local makers = {}

function makers.plain()
  return function()
    count = count + 1
    if count == next_mark then reached() end
  end
end

makers.feed = makers.plain

function makers.fields()
  return function(message)
    if not (message.user and message.text) then error "a message without user or text" end
    count = count + 1
    if count == next_mark then reached() end
  end
end

local function listen(redis, name)
  local handler = makers[mode]()
  if mode == "plain" then return assert(redis:subscribe(name, handler)) end
  local room = assert(redis:room(name, { check = 0 })) -- the stream has no history to compare with
  assert(room:on("gap", function(gap) error("a gap: " .. gap.reason) end))
  assert(room:on("message", handler))
end

moonpool.on_error(function(traceback)
  io.stderr:write(traceback, "\n")
  os.exit(1)
end)

moonpool.run(function()
  local redis = assert(moonpool.connect(stream.url(arg[1])))
  for _, name in ipairs(stream.names(math.tointeger(arg[2]))) do listen(redis, name) end
  stream.ready(("moonpool %s, %s"):format(moonpool.version, mode))
end)
