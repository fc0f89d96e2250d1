-- A WebSocket client for specs (RFC 6455), which speaks moonpool.v1; and HTTP's GET.
--
--   local websocket = require "spec.support.websocket"
--   local ann = websocket.open("127.0.0.1:8080", { user = "ann" })   has said hello
--   websocket.open(address, { hello = { token = "…" } }), { protocols = { "moonpool.v1", … } }
--   websocket.connect(address, options)      without a hello: socket, or nil, the status line
--   ann:ask { op = "join", room = "chatty" } sends it with a ref: the answer. Pushes that come
--                                            before it are kept
--   ann:expect("message", { text = "hi" })   the next push of that op, with these fields in it or
--                                            its message; pushes before it are dropped
--   ann:closed()                             awaits the server's close: code, reason
--   ann:send(TEXT | table, fragments)        one text message, masked, in so many frames
--   ann:receive()                           the next message decoded; or nil, code, reason
--   ann:close(code)                          the closing handshake; code of the answer
--   websocket.get(address, "/metrics")       body, status
--
-- Everything has a deadline of a minute and raises then.
local json = require("moonpool").json
local mime = require "mime"
local socket = require "socket"

local websocket = {}

local SECONDS = 60
local TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

local methods = {}
local mt = { __name = "websocket", __index = methods }

-- ---- frames ------------------------------------------------------------------------------------

local function mask(text, key)
  local bytes = {}
  for index = 1, #text do
    bytes[index] = string.char(text:byte(index) ~ key[(index - 1) % 4 + 1])
  end
  return table.concat(bytes)
end

local function frame(opcode, text, is_last)
  local first = (is_last and 0x80 or 0) | opcode
  local length = #text
  local head
  if length < 126 then
    head = string.pack(">BB", first, 0x80 | length)
  elseif length < 65536 then
    head = string.pack(">BBI2", first, 0x80 | 126, length)
  else
    head = string.pack(">BBI8", first, 0x80 | 127, length)
  end
  local key = {}
  for index = 1, 4 do key[index] = math.random(0, 255) end
  return head .. string.char(table.unpack(key)) .. mask(text, key)
end

local function read_exactly(self, count)
  if count == 0 then return "" end
  local bytes, message = self.tcp:receive(count)
  if bytes then return bytes end
  if message == "timeout" then error(debug.traceback "websocket: nothing came for a minute", 0) end
  return nil, message
end

local function read_frame(self)
  local head, message = read_exactly(self, 2)
  if not head then return nil, message end
  local first, second = head:byte(1, 2)
  assert(second & 0x80 == 0, "a server's frames are not masked")
  local length = second & 0x7f
  if length == 126 then
    length = string.unpack(">I2", assert(read_exactly(self, 2)))
  elseif length == 127 then
    length = string.unpack(">I8", assert(read_exactly(self, 8)))
  end
  local body = assert(read_exactly(self, length))
  return first & 0x0f, body, first & 0x80 ~= 0
end

-- The server has closed: code (1006: without a handshake), reason.
local function end_of(self, body)
  self.code, self.reason = 1006, ""
  if body and #body >= 2 then self.code, self.reason = string.unpack(">I2", body), body:sub(3) end
  if body then self.tcp:send(frame(CLOSE, body:sub(1, 2), true)) end
  self.tcp:close()
  return nil, self.code, self.reason
end

function methods:send(message, fragments)
  local text = type(message) == "table" and assert(json.encode(message)) or message
  local count = fragments or 1
  local size = math.max(1, math.ceil(#text / count))
  for index = 1, count do
    local part = text:sub((index - 1) * size + 1, index * size)
    self.tcp:send(frame(index == 1 and TEXT or 0, part, index == count))
  end
end

function methods:receive()
  if self.code then return nil, self.code, self.reason end
  local parts = {}
  while true do
    local opcode, body, is_last = read_frame(self)
    if not opcode or opcode == CLOSE then return end_of(self, opcode and body) end
    if opcode == PING then
      self.tcp:send(frame(PONG, body, true))
    elseif opcode ~= PONG then
      parts[#parts + 1] = body
      if is_last then return assert(json.decode(table.concat(parts))) end
    end
  end
end

function methods:close(code)
  if self.code then return self.code end
  self.tcp:send(frame(CLOSE, string.pack(">I2", code or 1000), true))
  repeat until not self:receive()
  return self.code
end

-- ---- moonpool.v1 -------------------------------------------------------------------------------

function methods:ask(request)
  self.ref = self.ref + 1
  local own = { ref = self.ref }
  for name, value in pairs(request) do own[name] = value end
  self:send(own)
  while true do
    local message, code, reason = self:receive()
    if not message then error(("closed: %d %s"):format(code, reason), 2) end
    if message.ref == self.ref then return message end
    self.pushes[#self.pushes + 1] = message
  end
end

local function has(push, fields)
  for name, value in pairs(fields or {}) do
    local within = type(push.message) == "table" and push.message[name]
    if push[name] ~= value and within ~= value then return false end
  end
  return true
end

function methods:expect(op, fields)
  while true do
    local push, code, reason = table.remove(self.pushes, 1), nil, nil
    if not push then push, code, reason = self:receive() end
    if not push then error(("closed: %d %s"):format(code, reason), 2) end
    if push.op == op and has(push, fields) then return push end
  end
end

function methods:closed()
  repeat until not self:receive()
  return self.code, self.reason
end

-- ---- connecting --------------------------------------------------------------------------------

local function dial(address)
  local host, port = address:match "^(.*):(%d+)$"
  local tcp = assert(socket.tcp())
  tcp:settimeout(SECONDS)
  assert(tcp:connect(host, tonumber(port)))
  tcp:setoption("tcp-nodelay", true)
  return tcp
end

local function read_head(tcp)
  local status = assert(tcp:receive "*l")
  local headers = {}
  while true do
    local line = assert(tcp:receive "*l")
    if line == "" then return status, headers end
    local name, value = line:match "^([^:]+):%s*(.*)$"
    headers[name:lower()] = value
  end
end

function websocket.connect(address, options)
  options = options or {}
  local tcp = dial(address)
  local lines = { "GET /socket HTTP/1.1", "Host: " .. address, "Upgrade: websocket",
    "Connection: Upgrade", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: " .. mime.b64(("k"):rep(16)),
    "Sec-WebSocket-Protocol: " .. table.concat(options.protocols or { "moonpool.v1" }, ", ") }
  for name, value in pairs(options.headers or {}) do lines[#lines + 1] = name .. ": " .. value end
  tcp:send(table.concat(lines, "\r\n") .. "\r\n\r\n")
  local status, headers = read_head(tcp)
  if not status:find " 101 " then
    tcp:close()
    return nil, status
  end
  assert(headers["sec-websocket-protocol"] == "moonpool.v1")
  return setmetatable({ tcp = tcp, ref = 0, pushes = {} }, mt)
end

function websocket.open(address, options)
  options = options or {}
  local self = assert(websocket.connect(address, options))
  if not options.user and not options.hello then return self end
  local hello = { op = "hello", user = options.user }
  for name, value in pairs(options.hello or {}) do hello[name] = value end
  local answer = self:ask(hello)
  assert(answer.op == "ok", answer.reason)
  self.user = answer.user
  return self
end

function websocket.get(address, path)
  local tcp = dial(address)
  tcp:send(("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"):format(path, address))
  local status, headers = read_head(tcp)
  local body = tcp:receive(tonumber(headers["content-length"]) or "*a")
  tcp:close()
  return body, tonumber(status:match " (%d+)")
end

return websocket
