-- thief_process.lua PATH UPSTREAM MODE TEXT: the process behind thief.lua. Listens on the Unix
-- socket PATH and forwards to UPSTREAM; what Redis sends is forwarded reply by reply.
local socket = require "socket"
local unix = require "socket.unix"

local path, upstream_path, mode, text = arg[1], arg[2], arg[3], arg[4]

local peers = {}    -- socket → the other end
local pending = {}  -- socket → bytes that it is to be sent
local received = {} -- a Redis's socket → bytes that are no whole reply yet
local stolen        -- the payload that was kept
local is_relinked = mode ~= "relink"

-- ---- replies -----------------------------------------------------------------------------------

local reply_end

local function elements_end(bytes, at, count)
  for _ = 1, count do
    at = reply_end(bytes, at)
    if not at then return nil end
  end
  return at
end

local PAIRS = { ["%"] = true, ["|"] = true }
local AGGREGATES = { ["*"] = true, [">"] = true, ["~"] = true, ["%"] = true, ["|"] = true }
local BULKS = { ["$"] = true, ["="] = true, ["!"] = true }

-- Where the reply that begins at `at` has ended; nil: there is more of it to come.
function reply_end(bytes, at)
  local line_end = bytes:find("\r\n", at, true)
  if not line_end then return nil end
  local kind, rest = bytes:sub(at, at), line_end + 2
  local count = math.tointeger(tonumber(bytes:sub(at + 1, line_end - 1)))
  if BULKS[kind] and count >= 0 then
    local after = rest + count + 2
    return after <= #bytes + 1 and after or nil
  elseif AGGREGATES[kind] and count > 0 then
    return elements_end(bytes, rest, PAIRS[kind] and 2 * count or count)
  end
  return rest
end

local MESSAGE = "^([*>]3\r\n%$7\r\nmessage\r\n%$%d+\r\n[^\r]*\r\n)%$(%d+)\r\n()"

-- A message's head up to its payload's length, and its payload.
local function message_parts(reply)
  local head, length, at = reply:match(MESSAGE)
  if not head then return nil end
  return head, reply:sub(at, at + length - 1)
end

local function tell_if_done()
  if stolen and is_relinked then print "done" end
end

-- What is forwarded in place of the reply.
local function pass(reply)
  local head, payload = message_parts(reply)
  if not head then return reply end
  if not stolen and payload:find(text, 1, true) then
    stolen = payload
    tell_if_done()
    return ""
  elseif stolen and not is_relinked then
    local before = stolen:match '"prev":"([^"]*)"'
    local prev_end = select(2, payload:find('"prev":"[^"]*"'))
    if not prev_end then return reply end
    local id = payload:match '^{"id":"[^"]*",'
    payload = id .. ('"prev":"%s"'):format(before) .. payload:sub(prev_end + 1)
    is_relinked = true
    tell_if_done()
    return ("%s$%d\r\n%s\r\n"):format(head, #payload, payload)
  end
  return reply
end

local function pass_all(bytes)
  local out, at = {}, 1
  while true do
    local after = at <= #bytes and reply_end(bytes, at)
    if not after then break end
    out[#out + 1] = pass(bytes:sub(at, after - 1))
    at = after
  end
  return table.concat(out), bytes:sub(at)
end

-- ---- sockets -----------------------------------------------------------------------------------

local function drop(one)
  for _, each in ipairs { one, peers[one] } do
    peers[each], pending[each], received[each] = nil, nil, nil
    each:close()
  end
end

local function accept(listener)
  local client, redis = assert(listener:accept()), unix()
  if not redis:connect(upstream_path) then
    client:close()
    return
  end
  for one, other in pairs { [client] = redis, [redis] = client } do
    one:settimeout(0)
    peers[one], pending[one] = other, ""
  end
  received[redis] = ""
end

local function read(one)
  local bytes, why, partial = one:receive(65536)
  bytes = bytes or partial
  if bytes == "" then
    if why ~= "timeout" then drop(one) end
    return
  end
  if received[one] then bytes, received[one] = pass_all(received[one] .. bytes) end
  pending[peers[one]] = pending[peers[one]] .. bytes
end

local function write(one)
  local last, why, partial = one:send(pending[one])
  if why == "closed" then
    drop(one)
  else
    pending[one] = pending[one]:sub((last or partial) + 1)
  end
end

local listener = assert(unix())
assert(listener:bind(path))
assert(listener:listen(64))
io.stdout:setvbuf "line"
print "listening"
while true do
  local readers, writers = { listener }, {}
  for one, other in pairs(peers) do
    if pending[one] ~= "" then writers[#writers + 1] = one end
    if pending[other] == "" then readers[#readers + 1] = one end
  end
  local readable, writable = socket.select(readers, writers)
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
