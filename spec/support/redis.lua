-- A real redis-server of a spec's own.
--
--   local redis_server = require "spec.support.redis"
--   local server = redis_server.start()   on a Unix socket in a fresh folder; saves nothing
--   local server = redis_server.start { port = true, config = { "requirepass x", "maxclients 9" } }
--   local sentinel = redis_server.start { port = N, mode = "sentinel", config = … }
--   local server = redis_server.start { tls = pem }   also with TLS, on a port of its own; pem is
--                       of spec.support.certificates; tls_clients = true: clients need one, too
--   local server = redis_server.start { env = { NAME = value } }   with that in its environment
--   server.tls_port, server.rediss_url    rediss://localhost:N
--   server.url          unix:///PATH         server.socket  PATH
--   server.tcp_url      redis://127.0.0.1:N  server.port    N (with port = true or a number)
--   server:call("PUBLISH", "a\0b", "x")  one command over a connection of its own, byte-exact: the
--                                        reply, or nil and Redis's error line; a nil reply is
--                                        redis_server.null
--   server:cli("PUBLISH", "a", "b")      the same through redis-cli: its output, exit status
--   server:subscribers("channel")        how many clients are subscribed to it
--   server:clients("pubsub")             how many clients of a type are connected ("normal",
--                                        "pubsub"), ours excluded
--   redis_server.refusing_port()         a socket that holds a port on which nobody listens; port
--   server:stop()                        shuts it down; fine when it is not running
--   server:kill()                        SIGKILL
--   server:start()                       again, on the same socket and port
--   server:restart()                     kill and start
--   server:pause(), server:resume()      SIGSTOP: connections stay open and silent; SIGCONT
--   server:is_running(), server.is_paused, server.pid, server.folder, server:log()
--
-- start returns once the server answers. Use after_each(function() server:stop() end); what a
-- failed spec leaves behind ends with the spec's process.
local socket = require "socket"
local unix = require "socket.unix"
local program = require "spec.support.program"
local scratch = require "spec.support.scratch"

local redis_server = {}

redis_server.null = setmetatable({}, { __name = "null", __tostring = function() return "null" end })

local ATTEMPTS = 5 -- another program may take the free port before redis-server does
local CALL_SECONDS = 60

local server_methods = {}
local server_mt = { __name = "redis_server", __index = server_methods }

---@return integer port  that was free on the loopback a moment ago
function redis_server.free_port()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return tonumber(port)
end

-- A port on which nobody listens and that nobody else gets, until the socket is closed.
---@return userdata socket, integer port
function redis_server.refusing_port()
  local bound = assert(socket.tcp4())
  assert(bound:bind("127.0.0.1", 0))
  local _, port = bound:getsockname()
  return bound, tonumber(port)
end

local function write_config(self, lines)
  local config = {
    "port " .. (self.port or 0), "bind 127.0.0.1",
    "unixsocket " .. self.socket, "unixsocketperm 700",
    "dir " .. self.folder, "logfile " .. self.folder .. "/log",
    'save ""', "appendonly no", "daemonize no", "enable-debug-command local",
  }
  table.move(lines, 1, #lines, #config + 1, config)
  scratch.write(self.folder .. "/redis.conf", table.concat(config, "\n") .. "\n")
end

local function connect(self)
  local connection = unix()
  connection:settimeout(CALL_SECONDS)
  local ok, message = connection:connect(self.socket)
  if not ok then
    connection:close()
    return nil, message
  end
  return connection
end

local read_reply

local function read_array(connection, count)
  local array = {}
  for index = 1, count do
    local value, message = read_reply(connection)
    array[index] = value == nil and { err = message } or value
  end
  return array
end

function read_reply(connection)
  local line = assert(connection:receive("*l"))
  local kind, rest = line:sub(1, 1), line:sub(2)
  if kind == "+" then
    return rest
  elseif kind == "-" then
    return nil, rest
  elseif kind == ":" then
    return math.tointeger(rest)
  end
  local count = math.tointeger(rest)
  if count < 0 then
    return redis_server.null
  elseif kind == "$" then
    return assert(connection:receive(count + 2)):sub(1, count)
  end
  return read_array(connection, count)
end

local function encode(...)
  local words = table.pack(...)
  local parts = { ("*%d\r\n"):format(words.n) }
  for _, word in ipairs(words) do
    word = tostring(word)
    parts[#parts + 1] = ("$%d\r\n%s\r\n"):format(#word, word)
  end
  return table.concat(parts)
end

function server_methods:call(...)
  local connection = assert(connect(self))
  if self.password then
    assert(connection:send(encode("AUTH", self.password)))
    assert(read_reply(connection))
  end
  assert(connection:send(encode(...)))
  local value, message = read_reply(connection)
  connection:close()
  return value, message
end

function server_methods:cli(...)
  local words = { "redis-cli", "-s", scratch.quote(self.socket) }
  if self.password then
    words[#words + 1] = "--no-auth-warning -a " .. scratch.quote(self.password)
  end
  for _, word in ipairs { ... } do
    words[#words + 1] = scratch.quote(word)
  end
  return scratch.shell(table.concat(words, " ") .. " 2>&1")
end

function server_methods:subscribers(channel)
  return assert(self:call("PUBSUB", "NUMSUB", channel))[2]
end

function server_methods:clients(kind)
  local list = assert(self:call("CLIENT", "LIST", "TYPE", kind))
  local _, count = list:gsub("[^\n]+", "")
  return kind == "normal" and count - 1 or count
end

function server_methods:log()
  return scratch.read(self.folder .. "/log") or ""
end

function server_methods:is_running()
  return self.process ~= nil and self.process:is_running()
end

local function answers(self)
  local connection = connect(self)
  if not connection then
    return false
  end
  local ok, line = pcall(function()
    assert(connection:send(encode("PING")))
    return assert(connection:receive("*l"))
  end)
  connection:close()
  return ok and not line:find("^%-LOADING")
end

local function launch(self)
  self.process = program.start {
    "redis-server", self.folder .. "/redis.conf", self.mode and "--" .. self.mode, env = self.env,
  }
  self.pid = self.process.pid
  scratch.wait_until(function()
    return answers(self) or not self.process:is_running()
  end, nil, "redis-server to answer")
  return self.process:is_running()
end

function server_methods:start()
  assert(not self:is_running(), "this redis-server is running")
  assert(launch(self), "redis-server did not start:\n" .. self:log())
  return self
end

function server_methods:stop()
  if not self:is_running() then
    return
  end
  self:resume()
  self.process:stop()
end

function server_methods:kill()
  self.process:signal("KILL")
  self.is_paused = false
  self.process:wait()
end

function server_methods:restart()
  self:kill()
  return self:start()
end

-- The signal takes effect a moment after it was sent, in which Redis may still answer.
function server_methods:pause()
  self.process:signal("STOP")
  self.is_paused = true
  scratch.wait_until(function()
    return scratch.read("/proc/" .. self.pid .. "/stat"):match "%) T "
  end, CALL_SECONDS, "redis-server to stop")
end

function server_methods:resume()
  self.process:signal("CONT")
  self.is_paused = false
end

local function password_of(lines)
  for _, line in ipairs(lines) do
    local password = line:match("^requirepass%s+(%S+)")
    if password then
      return password
    end
  end
end

local function tls_lines(self, options)
  local pem = options.tls
  return {
    "tls-port " .. self.tls_port, "tls-ca-cert-file " .. pem.ca, "tls-cert-file " .. pem.server,
    "tls-key-file " .. pem.key, "tls-auth-clients " .. (options.tls_clients and "yes" or "no"),
  }
end

local function create(options)
  local self = setmetatable({ folder = scratch.folder(), mode = options.mode, env = options.env },
    server_mt)
  local config = table.move(options.config or {}, 1, #(options.config or {}), 1, {})
  self.socket = self.folder .. "/redis.sock"
  self.url = "unix://" .. self.socket
  self.password = password_of(config)
  if options.port then
    self.port = options.port == true and redis_server.free_port() or options.port
    self.tcp_url = ("redis://127.0.0.1:%d"):format(self.port)
  end
  if options.tls then
    self.tls_port = redis_server.free_port()
    self.rediss_url = ("rediss://localhost:%d"):format(self.tls_port)
    local lines = tls_lines(self, options)
    table.move(lines, 1, #lines, #config + 1, config)
  end
  write_config(self, config)
  return self
end

local KNOWN = {
  port = true, config = true, mode = true, tls = true, tls_clients = true, env = true,
}

---@param options { port: boolean|integer|nil, config: string[]?, mode: string?, tls: table?,
---  tls_clients: boolean?, env: table? }?
function redis_server.start(options)
  options = options or {}
  for name in pairs(options) do
    assert(KNOWN[name], "redis: unknown option " .. tostring(name))
  end
  local self
  for _ = 1, (options.port == true or options.tls) and ATTEMPTS or 1 do
    self = create(options)
    if launch(self) then
      return self
    end
  end
  error("redis-server did not start:\n" .. self:log() .. self.process:errors(), 2)
end

return redis_server
