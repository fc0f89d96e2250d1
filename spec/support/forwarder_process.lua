-- forwarder_process.lua FOLDER PIECE: the process behind forwarder.lua. Forwards each connection to
-- the Unix socket that FOLDER/upstream names when it is accepted, at most PIECE bytes at a time.
local socket = require "socket"
local unix = require "socket.unix"

local folder, piece = arg[1], tonumber(arg[2])
local peers, pending = {}, {} -- socket → the other end; socket → bytes that it is to be sent
local accepted = 0

local function drop(one)
  local other = peers[one]
  for _, each in ipairs { one, other } do
    peers[each], pending[each] = nil, nil
    each:close()
  end
end

local function join(one, other)
  one:settimeout(0)
  peers[one], pending[one] = other, ""
end

local function accept(listener)
  local client = assert(listener:accept())
  client:setoption("tcp-nodelay", true)
  local file = assert(io.open(folder .. "/upstream"))
  local path = file:read "a"
  file:close()
  local upstream = unix()
  accepted = accepted + 1
  print("accepted " .. accepted)
  if not upstream:connect(path) then
    client:close()
    return
  end
  join(client, upstream)
  join(upstream, client)
end

local function read(one)
  local bytes, why, partial = one:receive(65536)
  bytes = bytes or partial
  if bytes ~= "" then
    pending[peers[one]] = pending[peers[one]] .. bytes
  elseif why ~= "timeout" then
    drop(one)
  end
end

local function write(one)
  local bytes = pending[one]
  local last, why, partial = one:send(bytes:sub(1, piece))
  if why == "closed" then
    drop(one)
  else
    pending[one] = bytes:sub((last or partial) + 1)
  end
end

-- Who still has bytes on their way to the other end is not read.
local function wishes(listener)
  local readers, writers = { listener }, {}
  for one, other in pairs(peers) do
    if pending[one] ~= "" then writers[#writers + 1] = one end
    if pending[other] == "" then readers[#readers + 1] = one end
  end
  return readers, writers
end

local listener = assert(socket.bind("127.0.0.1", 0))
local _, port = listener:getsockname()
io.stdout:setvbuf "line"
print("listening " .. port)
while true do
  local readable, writable = socket.select(wishes(listener))
  for _, one in ipairs(writable) do
    if peers[one] then write(one) end
  end
  for _, one in ipairs(readable) do
    if one == listener then
      accept(listener)
    elseif peers[one] then
      read(one)
    end
  end
end
