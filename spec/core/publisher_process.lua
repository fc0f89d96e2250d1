-- publisher_process.lua SOCKET CHANNELS RATE: publishes numbers on c1, c2, … in turn, about RATE a
-- second, until it is ended; when Redis goes away it connects again. Prints "ready" when it has
-- published for the first time.
local socket = require "socket"
local unix = require "socket.unix"

local path, channels, rate = arg[1], tonumber(arg[2]), tonumber(arg[3])
local SLICE = 0.01 -- seconds

local number = 0

local function slice()
  local parts = {}
  for _ = 1, rate * SLICE do
    number = number + 1
    local channel, payload = "c" .. number % channels + 1, tostring(number)
    parts[#parts + 1] = ("*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n"):format(
      #channel, channel, #payload, payload)
  end
  return table.concat(parts)
end

local function publish(connection)
  while true do
    local began = socket.gettime()
    if not connection:send(slice()) then return end
    for _ = 1, rate * SLICE do
      if not connection:receive "*l" then return end
    end
    if number == rate * SLICE then
      print "ready"
      io.stdout:flush()
    end
    socket.sleep(math.max(0, began + SLICE - socket.gettime()))
  end
end

while true do
  local connection = unix()
  connection:settimeout(60)
  if connection:connect(path) then publish(connection) end
  connection:close()
  socket.sleep(SLICE)
end
