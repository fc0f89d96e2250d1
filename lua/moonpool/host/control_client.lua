--- The other side of a host's control socket: see moonpool.host.control.
local moonpool = require "moonpool"
local system = require("moonpool.core").system

local json = moonpool.json

local control_client = {}

local CONNECT_SECONDS = 10 -- for a host whose backlog is full
local RETRY_SECONDS = 0.02
local CALL_SECONDS = 30
local MAX_LINE_BYTES = 64 << 20 -- of an answer

---@class moonpool.host.control_client
---@field package stream table
---@field package calls table<integer, { latch: table, answer: table?, failure: string[]? }>
---@field package last_ref integer
---@field package is_lost boolean
local client_methods = {}
local client_mt = { __name = "moonpool.host.control_client", __index = client_methods }

-- ---- answers -----------------------------------------------------------------------------------

local function finish(self, ref, answer, message, code)
  local call = self.calls[ref]
  if not call then return end -- it has timed out
  self.calls[ref] = nil
  call.answer, call.message, call.code = answer, message, code
  call.latch:open()
end

local function lose(self, message, code)
  if self.is_lost then return end
  self.is_lost = true
  self.stream:close()
  local refs = {}
  for ref in pairs(self.calls) do refs[#refs + 1] = ref end
  table.sort(refs)
  for _, ref in ipairs(refs) do finish(self, ref, nil, message, code) end
end

-- An error that belongs to no request is about the connection.
local function take(self, line)
  local answer = json.decode(line)
  if type(answer) ~= "table" then return "the host's answer is no JSON object", "EPROTO" end
  if math.type(answer.ref) == "integer" then
    finish(self, answer.ref, answer)
  elseif type(answer.error) == "table" then
    return tostring(answer.error.message), tostring(answer.error.code)
  end
end

local function listen_to(self)
  local message, code
  repeat
    local line
    line, message, code = self.stream:read_line(MAX_LINE_BYTES)
    if line then message, code = take(self, line) end
  until not line or message
  if not code or code == "ESYS" then code = "ECONN" end
  lose(self, message or "the host has closed the connection", code)
end

-- ---- calls -------------------------------------------------------------------------------------

-- The results of a call that is over.
local function results(call)
  local failure = call.answer and call.answer.error
  if not call.answer then return nil, call.message, call.code end
  if type(failure) == "table" then
    local id = failure.id ~= moonpool.null and failure.id or nil
    return nil, tostring(failure.message), tostring(failure.code), id
  end
  return call.answer.ok
end

--- Has the host do something. Awaits its answer; any number of calls may be under way.
---@param op string
---@param fields? table of the request: what JSON can hold
---@param seconds? number to wait at most; default 30
---@return any result
---@return string? message
---@return string? code what the host says; "ECONN" when it is gone, "ETIMEOUT", "ECLOSED", "EARG"
---@return string? id of what was stored all the same
function client_methods:call(op, fields, seconds)
  if self.is_lost then return nil, "the host has closed the connection", "ECONN" end
  local ref = self.last_ref + 1
  local request = { ref = ref, op = op }
  for name, value in pairs(fields or {}) do request[name] = value end
  local line, message = json.encode(request)
  if not line then return nil, message, "EARG" end
  self.last_ref = ref
  local call = { latch = system.latch() }
  self.calls[ref] = call
  local timer = moonpool.timer(seconds or CALL_SECONDS, function()
    finish(self, ref, nil, "the host does not answer", "ETIMEOUT")
  end)
  moonpool.spawn(function()
    local done, problem = self.stream:write(line .. "\n")
    if not done then lose(self, "the host is gone: " .. problem, "ECONN") end
  end)
  call.latch:wait()
  timer:close()
  return results(call)
end

--- Ends the connection; calls under way answer "closed". Doing it again does nothing.
function client_methods:close()
  lose(self, "closed", "ECLOSED")
end

-- A connection, once the backlog has room for it.
local function connect_descriptor(path)
  local deadline = moonpool.now() + CONNECT_SECONDS
  while true do
    local fd, message, code, name = system.connect_descriptor(path)
    if fd then return fd end
    if name == "ENOENT" or name == "ECONNREFUSED" then return nil, message, "ECONN" end
    if name ~= "EAGAIN" then return nil, message, code end
    if moonpool.now() >= deadline then return nil, message, "ETIMEOUT" end
    moonpool.sleep(RETRY_SECONDS)
  end
end

--- Connects to the host that listens there.
---@param path string
---@return moonpool.host.control_client?
---@return string? message
---@return string? code "ECONN" when there is none, "ETIMEOUT", "ESYS"
function control_client.connect(path)
  local fd, message, code = connect_descriptor(path)
  if not fd then return nil, message, code end
  local stream
  stream, message, code = system.open_stream(fd)
  if not stream then return nil, message, code end
  local self = setmetatable({ stream = stream, calls = {}, last_ref = 0, is_lost = false },
    client_mt)
  moonpool.spawn(listen_to, self)
  return self
end

return control_client
