-- peer_process.lua FOLDER tcp|PATH: the process behind peer.lua. Plays FOLDER/scripts.lua on the
-- connections it accepts, one coroutine each, and writes what it accepts and reads into
-- FOLDER/journal, one Lua table an entry.
local socket = require "socket"
local unix = require "socket.unix"

local folder, place = arg[1], arg[2]
local scripts = dofile(folder .. "/scripts.lua")
local journal = assert(io.open(folder .. "/journal", "a"))

local SERVED = {
  HELLO = "-ERR unknown command `HELLO`, with args beginning with: \r\n",
  PING = "+PONG\r\n",
}

local function note(entry)
  local parts = {}
  for key, value in pairs(entry) do
    parts[#parts + 1] = ("[%q]=%q"):format(key, value)
  end
  journal:write("{", table.concat(parts, ","), "} ;\n")
  journal:flush()
end

local function listen()
  if place == "tcp" then
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    return listener, port
  end
  local listener = unix()
  assert(listener:bind(place))
  assert(listener:listen())
  return listener, place
end

-- A connection's coroutine yields what it waits for: "read", "write", a number (seconds of silence)
-- or "nothing", and is resumed when that is so. It ends when the client is gone or to be closed.
local connection_mt = { __index = {} }
local methods = connection_mt.__index

local function gone()
  error(connection_mt, 0) -- unwinds the script; not a failure
end

function methods:fill()
  coroutine.yield("read")
  local bytes, why, partial = self.client:receive(65536)
  bytes = bytes or partial
  if bytes == "" and why ~= "timeout" then
    gone()
  end
  self.buffer = self.buffer .. bytes
end

function methods:line()
  while true do
    local line, rest = self.buffer:match("^(.-)\r\n()")
    if line then
      self.buffer = self.buffer:sub(rest)
      return line
    end
    self:fill()
  end
end

function methods:exactly(count)
  while #self.buffer < count do
    self:fill()
  end
  local bytes = self.buffer:sub(1, count)
  self.buffer = self.buffer:sub(count + 1)
  return bytes
end

function methods:command()
  local words = { connection = self.number }
  for index = 1, assert(tonumber(self:line():match("^%*(%d+)$")), "no command") do
    local size = assert(tonumber(self:line():match("^%$(%d+)$")), "no bulk string")
    words[index] = self:exactly(size + 2):sub(1, size)
  end
  note(words)
  return words
end

function methods:send(bytes, piece)
  piece = piece or math.max(1, #bytes)
  for from = 1, #bytes, piece do
    self:send_whole(bytes:sub(from, from + piece - 1))
  end
end

function methods:send_whole(bytes)
  local sent = 0
  while sent < #bytes do
    coroutine.yield("write")
    local last, why, partial = self.client:send(bytes, sent + 1)
    sent = last or partial
    if why == "closed" then
      gone()
    end
  end
end

function methods:serve(last, replies)
  while true do
    local name = self:command()[1]:upper()
    if name == last then
      return
    end
    self:send(replies and replies[name] or SERVED[name] or "+OK\r\n")
  end
end

-- Whatever the client does meanwhile: its bytes stay unread, its close unseen.
function methods.hold()
  coroutine.yield("nothing")
end

function methods:play(step)
  if type(step) == "string" then
    self:send(step)
  elseif step.send then
    self:send(step.send, step.piece)
  elseif step.read then
    for _ = 1, step.read do
      self:command()
    end
  elseif step.serve then
    self:serve(step.serve, step.replies)
  elseif type(step.silence) == "number" then
    coroutine.yield(step.silence)
  elseif step.silence then
    self:hold()
  elseif step.reset then
    self.client:setoption("linger", { on = true, timeout = 0 })
    gone()
  elseif step.close then
    gone()
  end
end

local live = {} -- client → its connection

local function finish(connection, failure)
  connection.client:close()
  live[connection.client] = nil
  if failure ~= connection_mt then
    io.stderr:write(tostring(failure), "\n")
  end
end

local function resume(connection)
  local ok, wish = coroutine.resume(connection.thread)
  if not ok then
    return finish(connection, wish)
  end
  connection.wish = type(wish) == "string" and wish or nil
  connection.wake = type(wish) == "number" and socket.gettime() + wish or nil
end

local accepted = 0

local function accept(listener)
  local client = assert(listener:accept())
  client:settimeout(0)
  if place == "tcp" then
    client:setoption("tcp-nodelay", true)
  end
  accepted = accepted + 1
  note { connection = accepted, accepted = true }
  local connection = { client = client, number = accepted, buffer = "" }
  setmetatable(connection, connection_mt)
  local script = scripts[math.min(accepted, #scripts)]
  connection.thread = coroutine.create(function()
    for _, step in ipairs(script) do
      connection:play(step)
    end
    connection:hold()
  end)
  live[client] = connection
  resume(connection)
end

local function wishes(listener)
  local readers, writers, timeout = { listener }, {}, nil
  for client, connection in pairs(live) do
    if connection.wish == "read" then
      readers[#readers + 1] = client
    elseif connection.wish == "write" then
      writers[#writers + 1] = client
    elseif connection.wake then
      timeout = math.max(0, math.min(timeout or math.huge, connection.wake - socket.gettime()))
    end
  end
  return readers, writers, timeout
end

local function wake_sleepers()
  local now = socket.gettime()
  local due = {}
  for _, connection in pairs(live) do
    if connection.wake and connection.wake <= now then
      due[#due + 1] = connection
    end
  end
  for _, connection in ipairs(due) do
    resume(connection)
  end
end

local listener, address = listen()
print("listening " .. address)
io.stdout:flush()
while true do
  local readable, writable = socket.select(wishes(listener))
  for _, ready in ipairs(readable) do
    if ready == listener then
      accept(listener)
    else
      resume(live[ready])
    end
  end
  for _, ready in ipairs(writable) do
    resume(live[ready])
  end
  wake_sleepers()
end
