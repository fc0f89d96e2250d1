--- The gateway of a host: its policies judge who joins and what is said there, its log has its
--- lines, /metrics the figures of its scripts.
local moonpool = require "moonpool"
local metrics = require "moonpool.host.metrics"

local host_gateway = {}

local DRAIN_SECONDS = 1
local CLOSE_SECONDS = 2 -- close_timeout's default

---@class moonpool.host.gateway
---@field package own moonpool.gateway
local methods = {}
local mt = { __name = "moonpool.host.gateway", __index = methods }

--- The module, of a rock of its own; nil and a message where that is not installed.
---@return table?
---@return string? message
function host_gateway.module()
  local ok, module = pcall(require, "moonpool.gateway")
  if ok then return module end
  return nil, "there is no gateway here: install moonpool-gateway (" .. tostring(module) .. ")"
end

--- Listens at all addresses, for a worker that is given the descriptors.
---@param addresses string[]
---@return integer[]? fds
---@return string? message
function host_gateway.bind(addresses)
  local module, missing = host_gateway.module()
  if not module then return nil, missing end
  local fds = {}
  for index, address in ipairs(addresses) do
    local fd, message = module.bind(address)
    if not fd then return nil, message end
    fds[index] = fd
  end
  return fds
end

-- ---- hooks -------------------------------------------------------------------------------------

local function judge(host, verdicts, event, request)
  local verdict = host:judge(event, {
    room = request.room, user = request.user, text = request.text, type = request.type,
    address = request.address, bot = false, via = "gateway", time = moonpool.time(),
  })
  metrics.count(verdicts, event, verdict)
  return verdict
end

local function may_join(host, verdicts)
  return function(request)
    local verdict = judge(host, verdicts, "subscribe", request)
    if verdict.verdict == "allow" then return true end
    return nil, verdict.reason
  end
end

local function may_say(host, verdicts)
  return function(request)
    local verdict = judge(host, verdicts, "publish", request)
    if verdict.verdict ~= "allow" then return nil, verdict.reason end
    return verdict.text or true
  end
end

local MESSAGES = {
  access = function(fields)
    return ("%s %s: %s"):format(fields.method, fields.path, fields.status)
  end,
  close = function(fields) return ("closed: %s"):format(fields.code or "the connection ended") end,
}

local IN_MESSAGES = { "method", "path", "status", "code" }

local LEVELS = { warn = "warning" }

local function write_log(log)
  return function(level, event, fields)
    local all = moonpool.json.decode(fields) or {}
    local message = MESSAGES[event] and MESSAGES[event](all) or event
    for _, name in ipairs(MESSAGES[event] and IN_MESSAGES or {}) do all[name] = nil end
    all.event = "gateway." .. event
    log:write(LEVELS[level] or level, message, all)
  end
end

-- Settings that are the host's.
local OWN = { workers = true, authenticate = true }

-- ---- its life ----------------------------------------------------------------------------------

--- Opens the gateway of a host. Awaits its connection to Redis.
---@param host moonpool.host
---@param settings table of the configuration
---@param redis string|table as of moonpool.connect
---@param fds? integer[] from bind; nil: it listens by itself
---@param worker? integer the number of this process among those that share the sockets; default 1
---@return moonpool.host.gateway?
---@return string? message
function host_gateway.open(host, settings, redis, fds, worker)
  local module, missing = host_gateway.module()
  if not module then return nil, missing end
  local options = {}
  for name, value in pairs(settings) do
    if not OWN[name] then options[name] = value end
  end
  local verdicts = {}
  options.redis, options.log = redis, write_log(host.log)
  options.metrics = function() return metrics.text(verdicts, host:ps(), worker or 1) end
  if fds then options.listen, options.fds = nil, fds end
  if settings.authenticate then
    options.authenticate = function(request) return host:authenticate(request) end
  end
  if host:has_policies() then
    options.join, options.say = may_join(host, verdicts), may_say(host, verdicts)
  end
  local own, message = module.open(options)
  if not own then return nil, message end
  return setmetatable({ own = own }, mt)
end

--- Where it listens.
---@return string[]
function methods:addresses() return self.own:addresses() end

---@return table<string, integer>
function methods:stats() return self.own:stats() or {} end

--- Closes a user's connections.
---@param user string
---@param reason? string
---@return integer count
function methods:revoke(user, reason) return self.own:revoke(user, reason) or 0 end

--- How long `stop` may take.
---@param settings table? of the configuration
---@return number seconds 0 without a gateway
function host_gateway.stop_seconds(settings)
  if not settings then return 0 end
  return DRAIN_SECONDS + (settings.close_timeout or CLOSE_SECONDS)
end

--- Sends its clients elsewhere and ends. Awaits it.
function methods:stop()
  self.own:drain(DRAIN_SECONDS)
  self.own:close()
end

return host_gateway
