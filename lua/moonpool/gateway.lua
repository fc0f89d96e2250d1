--- Rooms for browsers: an HTTP and WebSocket server on moonpool's loop. docs/gateway.md is the
--- manual of what it speaks and of its options.
local core = require "moonpool.gateway.core"
local moonpool = require "moonpool"
local system = require("moonpool.core").system

---@class moonpool.gateway.module
---@field version string
local gateway = { version = core.version }

---@class moonpool.gateway
---@field package handle table of the core
---@field package tickets table<table, true> that wait for a hook
---@field package is_closed? boolean
local methods = {}
local mt = { __name = "moonpool.gateway", __index = methods }

--- Listens, for a process that hands the descriptor on to those that open gateways with it (`fds`).
---@param address string as of `listen`
---@return integer? descriptor # it is closed on exec, unless the one who starts programs says else
---@return string? message
---@return string? code
function gateway.bind(address) return core.bind(address) end

-- ---- tokens ------------------------------------------------------------------------------------

local HOUR = 3600

---@class moonpool.gateway.claims
---@field sub string the user's name
---@field rooms? string[] patterns of the rooms that he may enter; without it, none
---@field exp? integer until when, in seconds of os.time(); default: for an hour
---@field nbf? integer from when

--- Makes a token (HS256, RFC 7519) that a gateway with this secret takes.
---@param secret string 32 bytes at least
---@param claims moonpool.gateway.claims others are kept
---@return string? token
---@return string? message
---@return string? code
function gateway.token(secret, claims)
  if type(claims) ~= "table" or type(claims.sub) ~= "string" then
    error("gateway.token: claims with a sub, the user's name, are needed", 2)
  end
  local all = { exp = os.time() + HOUR }
  for name, value in pairs(claims) do all[name] = value end
  if type(all.rooms) == "table" then all.rooms = moonpool.json.array(all.rooms) end
  return core.sign(secret, moonpool.json.encode(all))
end

-- ---- hooks -------------------------------------------------------------------------------------

-- What a hook that failed tells its user; the error itself goes to the error hook.
local INTERNAL = "internal error"

-- Runs the hook in a task of its own, and has `answer` make the ticket's answer of its results.
-- Meanwhile the ticket is in `tickets`.
local function judge(hook, answer, tickets)
  return function(ticket, request)
    tickets[ticket] = true
    moonpool.spawn(function()
      local function settle(ok, ...)
        tickets[ticket] = nil
        local problem = ...
        if ok then
          ok, problem = pcall(answer, ticket, request, ...) -- which raises about what will not do
        end
        if ok then return end
        ticket:reject(INTERNAL, "ESCRIPT")
        error(problem, 0)
      end
      settle(xpcall(hook, debug.traceback, request))
    end)
  end
end

local function reject(ticket, reason, code, otherwise)
  ticket:reject(tostring(reason or otherwise), code)
end

local function answer_authenticate(ticket, _, user, grant, code)
  if not user then return reject(ticket, grant, code or "EAUTH", "not let in") end
  grant = grant or {}
  ticket:allow { user = user, rooms = grant.rooms or { "*" }, expires = grant.expires }
end

local function answer_join(ticket, _, is_allowed, reason, code)
  if not is_allowed then return reject(ticket, reason, code, "not let in") end
  ticket:allow()
end

local function answer_say(ticket, _, text, reason, code)
  if not text then return reject(ticket, reason, code, "rejected") end
  ticket:allow { text = type(text) == "string" and text or nil }
end

local ANSWERS = { authenticate = answer_authenticate, join = answer_join, say = answer_say }

-- ---- opening -----------------------------------------------------------------------------------

---@class moonpool.gateway.request
---@field address string the client's, without a port; "unix" of a Unix socket
---@field user string? authenticate: the name that is asked for
---@field room string? join, say
---@field text string? say
---@field type string? say: "action", or nil
---@field token string? authenticate
---@field origin string? authenticate

---@class moonpool.gateway.options every limit is in docs/gateway.md; times are seconds
---@field redis? string|moonpool.connect_options URL, or options, without policies
---@field listen? string|string[] "127.0.0.1:8080", "[::1]:0", "unix:/run/x.sock"
---@field fds? integer[] descriptors of gateway.bind, which become the gateway's
---@field room? moonpool.room_options of its rooms
---@field secret? string of HS256 tokens, 32 bytes at least
---@field authenticate? fun(request: moonpool.gateway.request): string?, table|string? user and
--- { rooms =, expires = }, or nil and a reason; rooms are all when not given
---@field join? fun(request: moonpool.gateway.request): boolean?, string? true, or nil and a reason
---@field say? fun(request: moonpool.gateway.request): string|true|nil, string? true, another text,
--- or nil and a reason
---@field log? fun(level: string, event: string, fields: string) `fields`: a JSON object
---@field metrics? fun(): string more lines for /metrics
---@field max_connections? integer
---@field max_connections_per_address? integer
---@field max_header? integer
---@field max_headers? integer
---@field header_timeout? number
---@field request_timeout? number
---@field max_rooms? integer
---@field max_members? integer
---@field max_message? integer
---@field max_fragments? integer
---@field messages_per_second? number
---@field pings_per_second? number
---@field max_requests? integer
---@field max_queue? integer
---@field ping? number
---@field idle? number
---@field auth_timeout? number
---@field close_timeout? number
---@field typing? number
---@field query_timeout? number
---@field origins? string[]
---@field proxies? string[]
---@field tls_cert? string path of a PEM file
---@field tls_key? string
---@field overflow? string|table[] "gap", "conflate", "disconnect", or a list of { pattern, one of
--- these }
---@field page? boolean false: no chat page

local OWN = { listen = true, fds = true, ready = true }

local function core_options(options, ready, tickets)
  local all = { ready = ready }
  for name, value in pairs(options) do
    local answer = ANSWERS[name]
    if answer and type(value) == "function" then value = judge(value, answer, tickets) end
    if not OWN[name] then all[name] = value end
  end
  return all
end

local function listen_at_all(handle, options)
  local listen = options.listen or {}
  for _, address in ipairs(type(listen) == "table" and listen or { listen }) do
    local ok, message, code = handle:listen(address)
    if not ok then return nil, message, code end
  end
  for _, fd in ipairs(options.fds or {}) do
    local ok, message, code = handle:listen(nil, fd)
    if not ok then return nil, message, code end
  end
  return true
end

--- Opens a gateway with a connection of its own to Redis, which is awaited, and listens.
---@param options moonpool.gateway.options
---@return moonpool.gateway? gateway
---@return string? message
---@return string? code
function gateway.open(options)
  if type(options) ~= "table" then
    error(("gateway.open: a table of options is needed, not %s"):format(type(options)), 2)
  end
  local latch, tickets, problem, problem_code = system.latch(), {}, nil, nil
  local handle, message, code = core.open(core_options(options, function(why, why_code)
    problem, problem_code = why, why_code
    latch:open()
  end, tickets))
  if not handle then return nil, message, code end
  latch:wait()
  local ok = not problem
  if ok then
    ok, problem, problem_code = listen_at_all(handle, options)
  end
  if ok then return setmetatable({ handle = handle, tickets = tickets }, mt) end
  handle:close()
  return nil, problem, problem_code
end

---@class moonpool.gateway.stats
---@field connections integer now, as are those down to queued_bytes
---@field sockets integer
---@field streams integer
---@field rooms integer with a listener
---@field members integer one for each socket and room
---@field queued_bytes integer that wait for sockets
---@field accepted integer since the start, as are those below
---@field refused integer
---@field requests integer
---@field messages_in integer
---@field messages_said integer
---@field messages_out integer
---@field bytes_in integer
---@field bytes_out integer
---@field gaps integer
---@field overflows integer
---@field allowed integer
---@field rejected integer
---@field auth_failures integer
---@field protocol_errors integer

-- ---- methods -----------------------------------------------------------------------------------

--- Where it listens: "127.0.0.1:8080", "unix:/run/x.sock".
---@return string[]
function methods:addresses() return self.handle:addresses() end

--- What is open now, and what was counted since the start; the names are those of /metrics.
---@return moonpool.gateway.stats?, string? message, string? code
function methods:stats() return self.handle:stats() end

--- Closes a user's connections (close code 4403).
---@param user string
---@param reason? string that is told
---@return integer? count # of connections
---@return string? message
---@return string? code
function methods:revoke(user, reason) return self.handle:revoke(user, reason) end

--- Takes no new connection and closes those that are there (1012: come back), spread over so many
--- seconds. Awaits that all are gone.
---@param seconds? number default 1
---@return true?, string? message, string? code
function methods:drain(seconds)
  local latch = system.latch()
  local ok, message, code = self.handle:drain(seconds or 1, function() latch:open() end)
  if not ok then return nil, message, code end
  latch:wait()
  return true
end

-- What still waits for a hook is answered: the core waits for that.
local function close(self, fn)
  for ticket in pairs(self.tickets) do ticket:reject("closed", "ECLOSED") end
  self.handle:close(fn)
end

--- Closes everything at once. Awaits that nothing is left.
---@return true
function methods:close()
  if self.is_closed then return true end
  self.is_closed = true
  local latch = system.latch()
  close(self, function() latch:open() end)
  latch:wait()
  return true
end

mt.__close = function(self) close(self) end

return gateway
