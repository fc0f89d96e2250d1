--- The host's side of its control socket. Requests and answers are lines of JSON:
---
---     {"ref":1,"op":"say","room":"lobby","user":"ann","text":"hi"}
---     {"ref":1,"ok":"1795365705683-2-9f3a7c1e04b1d2aa"}
---     {"ref":2,"error":{"code":"EREJECTED","message":"no shouting, please"}}
---
--- Answers come as they are ready, in any order; the requests of one connection with an op that is
--- ordered are worked on one after the other. What moonpool's own programs ask for, with its
--- answers, is in docs/operating.md.
local moonpool = require "moonpool"
local system = require("moonpool.core").system

local json = moonpool.json

local control = {}

local DEFAULTS = { max_line = 1 << 20, max_connections = 64, max_pending = 256 }
local PAUSE_SECONDS = 0.1 -- after an accept that failed: there may be no descriptor left

---@alias moonpool.host.control.op fun(request: table): any, string?, string?, string?
--- Gets the request's fields, may await, and returns what JSON can hold (nil counts as true); or
--- nil, message, code, and perhaps the id of what was stored all the same.

---@class moonpool.host.control.options
---@field ops table<string, moonpool.host.control.op>
---@field ordered? table<string, boolean> those whose requests are worked on one after the other;
--- default: say
---@field log fun(message: string)
---@field max_line? integer bytes of a request; default 1 MiB
---@field max_connections? integer default 64; one more is told EQUEUE and closed
---@field max_pending? integer requests of a connection that are worked on at once; default 256;
--- further ones are not read until then

---@class moonpool.host.control
---@field package options moonpool.host.control.options
---@field package listener table
---@field package connections table<table, true>
---@field package count integer
---@field package is_closed boolean
local control_methods = {}
local control_mt = { __name = "moonpool.host.control", __index = control_methods }

---@class moonpool.host.control.connection
---@field stream table
---@field pending integer
---@field room table? a latch: opened when a request is done
---@field last table<string, table> latches: of the last request with an ordered op

-- ---- answers -----------------------------------------------------------------------------------

-- An answer that cannot be written has nobody who waits for it.
local function send(self, connection, answer)
  local line, message = json.encode(answer)
  if not line then
    self.options.log("control: an answer is no JSON: " .. message)
    line = assert(json.encode { ref = answer.ref, error = { code = "ESCRIPT",
      message = "the host's answer is no JSON" } })
  end
  local done = connection.stream:write(line .. "\n")
  if not done then connection.stream:close() end
end

local function send_error(self, connection, ref, message, code, id)
  send(self, connection, { ref = ref, error = { code = code, message = message, id = id } })
end

-- ---- requests ----------------------------------------------------------------------------------

local function known_ops(ops)
  local names = {}
  for name in pairs(ops) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, ", ")
end

-- The request, or nil, what is wrong with it, code, its ref.
local function parse(self, line)
  local request = json.decode(line)
  if type(request) ~= "table" then
    return nil, "a request is one JSON object on a line", "EPROTO"
  end
  local ref, kind = request.ref, type(request.ref)
  if kind ~= "number" and kind ~= "string" then
    return nil, "ref: a number or a string is needed", "EPROTO"
  end
  if type(request.op) ~= "string" then return nil, "op: a string is needed", "EPROTO", ref end
  if self.options.ops[request.op] then return request end
  return nil, ('unknown op "%s"; there are %s'):format(request.op, known_ops(self.options.ops)),
    "ENOSUPPORT", ref
end

local function work_on(self, connection, request)
  local ref, name = request.ref, request.op -- the op may change its request
  local op = self.options.ops[name]
  local is_fine, result, message, code, id = xpcall(op, debug.traceback, request)
  if not is_fine then
    self.options.log(("control: %s: %s"):format(name, result))
    send_error(self, connection, ref, "the host failed; its log tells more", "ESCRIPT")
  elseif result == nil and message then
    send_error(self, connection, ref, message, code or "ESCRIPT", id)
  else
    send(self, connection, { ref = ref, ok = result == nil and true or result })
  end
end

-- Awaits its turn. Returns the latch that gives the next one its own.
local function take_turn(self, connection, op)
  if not self.options.ordered[op] then return end
  local before, latch = connection.last[op], system.latch()
  connection.last[op] = latch
  if before then before:wait() end
  return latch
end

local function answer(self, connection, request)
  local turn = take_turn(self, connection, request.op)
  work_on(self, connection, request)
  if turn then turn:open() end
  connection.pending = connection.pending - 1
  if connection.room then connection.room:open() end
end

local function await_room(self, connection)
  while connection.pending >= self.options.max_pending do
    connection.room = system.latch()
    connection.room:wait()
  end
end

local function take(self, connection, line)
  local request, message, code, ref = parse(self, line)
  if not request then
    send_error(self, connection, ref or moonpool.null, message, code)
    return
  end
  connection.pending = connection.pending + 1
  moonpool.spawn(answer, self, connection, request)
end

-- ---- connections -------------------------------------------------------------------------------

local function read_requests(self, connection)
  while true do
    await_room(self, connection)
    local line, message, code = connection.stream:read_line(self.options.max_line)
    if not line then
      if code == "ETOOBIG" then send_error(self, connection, moonpool.null, message, code) end
      return
    end
    take(self, connection, line)
  end
end

-- Whoever has sent its last request still gets the answers.
local function await_answers(connection)
  while connection.pending > 0 do
    connection.room = system.latch()
    connection.room:wait()
  end
end

local function serve(self, stream)
  local connection = { stream = stream, pending = 0, last = {} }
  self.connections[stream] = true
  self.count = self.count + 1
  read_requests(self, connection)
  await_answers(connection)
  stream:close()
  self.connections[stream] = nil
  self.count = self.count - 1
end

local function refuse(self, stream)
  send_error(self, { stream = stream }, moonpool.null,
    ("more than %d connections"):format(self.options.max_connections), "EQUEUE")
  stream:close()
end

local function accept_all(self)
  while not self.is_closed do
    local stream, message, code = self.listener:accept()
    if stream then
      moonpool.spawn(self.count < self.options.max_connections and serve or refuse, self, stream)
    elseif code ~= "ECLOSED" then
      self.options.log("control: " .. message)
      moonpool.sleep(PAUSE_SECONDS)
    end
  end
end

--- Serves a control socket.
---@param fd integer a listening socket (moonpool.host.control_place), which is taken over
---@param options moonpool.host.control.options
---@return moonpool.host.control?
---@return string? message
---@return string? code
function control.serve(fd, options)
  local all = { ordered = { say = true } }
  for name, value in pairs(DEFAULTS) do all[name] = value end
  for name, value in pairs(options) do all[name] = value end
  all.ops = { ping = function() return { pid = system.getpid() } end }
  for name, op in pairs(options.ops) do all.ops[name] = op end
  local listener, message, code = system.listen(fd)
  if not listener then return nil, message, code end
  local self = setmetatable({
    options = all, listener = listener, connections = {}, count = 0, is_closed = false,
  }, control_mt)
  moonpool.spawn(accept_all, self)
  return self
end

--- Ends all connections, and accepts no more. Doing it again does nothing.
function control_methods:close()
  self.is_closed = true
  self.listener:close()
  for stream in pairs(self.connections) do stream:close() end
end

return control
