--- What the host answers on its control socket: the ops of moonpool.host.control. docs/operating.md
--- has their fields.
local moonpool = require "moonpool"
local system = require("moonpool.core").system

local operations = {}

local array_mt = getmetatable(moonpool.json.decode "[]")

-- A list stays one in JSON, also when it is empty.
local function list_of(items) return setmetatable(items, array_mt) end

local STRINGS = { "room", "user", "text", "type", "key", "script", "reason" }

-- nil, or what is wrong with a request's fields.
local function wrong(request, needed)
  for _, name in ipairs(STRINGS) do
    local value = request[name]
    if value == moonpool.null then request[name] = nil end
    if request[name] ~= nil and type(value) ~= "string" then
      return ("'%s' must be a string"):format(name)
    end
  end
  for _, name in ipairs(needed) do
    if not request[name] then return ("'%s' is missing"):format(name) end
  end
end

local function checked(needed, fn)
  return function(request)
    local problem = wrong(request, needed)
    if problem then return nil, problem, "EARG" end
    return fn(request)
  end
end

local function sum(answers, field)
  local total = 0
  for _, one in ipairs(answers) do total = total + (tonumber(one[field]) or 0) end
  return total
end

-- What the workers have that carry rooms to browsers; nil: there is no gateway.
local function gateway_figures(gateway)
  local own = gateway.get()
  if not own then return nil end
  local workers = gateway.ask_others { op = "stats" }
  table.insert(workers, 1, gateway.figures())
  table.sort(workers, function(one, other) return one.worker < other.worker end)
  return { addresses = list_of(own:addresses()), workers = list_of(workers) }
end

local function revoke(gateway, request)
  local own = gateway.get()
  if not own then return nil, "this host has no gateway", "ENOSUPPORT" end
  local closed = own:revoke(request.user, request.reason)
  local others = gateway.ask_others { op = "revoke", user = request.user, reason = request.reason }
  return { closed = closed + sum(others, "closed") }
end

---@class moonpool.host.operations.gateway
---@field get fun(): moonpool.host.gateway? this process's
---@field figures fun(): table its counters, `worker` and `pid`
---@field ask_others fun(request: table): table[] the other workers' answers

--- The ops of a host.
---@param host moonpool.host
---@param reload fun(): table[]?, string?, string? loads all scripts anew
---@param gateway moonpool.host.operations.gateway
---@return table<string, moonpool.host.control.op>
function operations.of(host, reload, gateway)
  local began = moonpool.now()
  return {
    ps = function()
      return {
        name = host.settings.name, pid = system.getpid(), uptime = moonpool.now() - began,
        scripts = list_of(host:ps()), gateway = gateway_figures(gateway),
      }
    end,
    reload = checked({}, function(request)
      -- All say the same. The others first: once a script runs again, what it was stuck with may
      -- end this worker before it has answered.
      gateway.ask_others { op = "reload", script = request.script }
      local results, message, code
      if request.script then
        results, message, code = host:reload_one(request.script)
      else
        results, message, code = reload()
      end
      if not results then return nil, message, code end
      return { scripts = list_of(results) }
    end),
    revoke = checked({ "user" }, function(request) return revoke(gateway, request) end),
    explain = checked({ "room", "user" }, function(request)
      local opinions, message, code = host:explain(request)
      if not opinions then return nil, message, code end
      return list_of(opinions)
    end),
    say = checked({ "room", "user", "text" }, function(request)
      return host:say(request, "say")
    end),
    join = checked({ "room", "user" }, function(request)
      return host:may_join(request, "say")
    end),
  }
end

return operations
