--- Clients with policies (`moonpool.connect { policies = … }`): what is said in their rooms, who
--- joins them, and what they publish is judged first. docs/policies.md is the manual.
local core = require "moonpool.core"
local config = require "moonpool.host.config"
local hosts = require "moonpool.host"
local room = require "moonpool.room"

local policed = {}

-- A program that ends waits for a script that is to be tried again: so it is not for long.
local RESTART = { max_failures = 5, within = 60, backoff_min = 0.5, backoff_max = 5 }

local OWN = { policies = true, policy_timeout = true, policy_log = true }

local guards = setmetatable({}, { __mode = "k" }) -- hosts, by client

-- ---- judging -----------------------------------------------------------------------------------

-- The verdict, or nil, reason, code.
local function judge(host, event, request)
  request.via, request.time = "library", core.time()
  local verdict = host.chain:judge(event, request)
  host:commit_touched()
  if verdict.verdict == "allow" then return verdict end
  return nil, verdict.reason, "EREJECTED"
end

-- What is to be said, as policies see it; nil when it is no message: then the room tells what is
-- wrong with it.
local function request_of(handle, message, options)
  local is_table = type(message) == "table"
  if not is_table and type(message) ~= "string" and type(message) ~= "number" then return nil end
  if options ~= nil and type(options) ~= "table" then return nil end
  local said = is_table and message or { text = message }
  local state = core.room.state(handle)
  local user = options and options.user or said.user or state.user
  if user == nil then return nil end
  return {
    room = state.name, user = tostring(user), text = said.text and tostring(said.text),
    type = said.type and tostring(said.type) or "message", bot = said.bot and true or false,
  }
end

local function with_text(message, text)
  if type(message) ~= "table" then return text end
  local copy = {}
  for key, value in pairs(message) do copy[key] = value end
  copy.text = text
  return copy
end

-- A method that publishes, behind the policies of its client.
local function guarded(method)
  return function(handle, message, options)
    local host = guards[core.room.client(handle)]
    local request = host and request_of(handle, message, options)
    if not request then return method(handle, message, options) end
    local verdict, reason, code = judge(host, "publish", request)
    if not verdict then return nil, reason, code end
    if verdict.is_rewritten then message = with_text(message, verdict.text) end
    return method(handle, message, options)
  end
end

local function guarded_join(method)
  return function(handle, options)
    local host = guards[core.room.client(handle)]
    local user = type(options) == "table" and options.user
    if not host or type(user) ~= "string" then return method(handle, options) end
    local verdict, reason, code = judge(host, "subscribe", {
      room = core.room.state(handle).name, user = user, bot = false,
    })
    if not verdict then return nil, reason, code end
    return method(handle, options)
  end
end

local function publish(client, channel, payload, ...)
  local host = guards[client]
  if host and type(channel) == "string" and payload ~= nil then
    local verdict, reason, code = judge(host, "pattern", {
      channel = channel, text = tostring(payload), bot = false,
    })
    if not verdict then return nil, reason, code end
    payload = verdict.text
  end
  return client:call("PUBLISH", channel, payload, ...)
end

local function guarded_close(method)
  return function(client)
    local host = guards[client]
    guards[client] = nil
    if host then host:stop() end
    return method(client)
  end
end

-- Methods of all clients and rooms; until a client has policies they are as they were.
local is_installed = false

local function install()
  if is_installed then return end
  is_installed = true
  local of_rooms, of_clients = core.methods.room, core.methods.client
  of_rooms.say, of_rooms.signal = guarded(room.say), guarded(room.signal)
  of_rooms.join = guarded_join(room.join)
  of_clients.publish, of_clients.close = publish, guarded_close(of_clients.close)
end

-- ---- connecting --------------------------------------------------------------------------------

-- What a policy has to tell: its program gets it, or the error hook what went wrong.
local function new_log(write)
  local log = {}
  function log:write(level, message, fields) -- luacheck: ignore 212
    if write then return write(level, message, fields) end
    if level ~= "error" then return end
    core.spawn(error, ("policy %s: %s"):format(fields.script, fields.reason or message), 0)
  end
  return log
end

local function check_options(options)
  local write, timeout = options.policy_log, options.policy_timeout
  if write ~= nil and type(write) ~= "function" then
    error("connect: 'policy_log' must be a function, not a " .. type(write), 4)
  end
  if timeout ~= nil and not (type(timeout) == "number" and timeout > 0) then
    error("connect: 'policy_timeout' must be a number of seconds above 0", 4)
  end
end

-- A host that has the policies and no bots: or nil, what is wrong with them.
local function load(client, settings, options)
  settings.restart = RESTART
  settings.limits.policy_timeout = options.policy_timeout or settings.limits.policy_timeout
  local host = hosts.new(client, settings, new_log(options.policy_log))
  local ok, messages = host:load()
  if not ok then return nil, messages end
  host:subscribe()
  return host
end

--- As core.connect, with options of its own: `policies`, a list as in the host's configuration,
--- `policy_timeout` and `policy_log`.
---@param options table
---@return moonpool.client?
---@return string? message
---@return string? code EARG: a policy cannot be loaded
function policed.connect(options)
  check_options(options)
  local settings, messages = config.merge(nil, { policies = options.policies })
  if not settings then return nil, table.concat(messages, "\n"), "EARG" end
  local others = {}
  for name, value in pairs(options) do
    if not OWN[name] then others[name] = value end
  end
  local client, message, code = core.connect(others)
  if not client then return nil, message, code end
  local host
  host, messages = load(client, settings, options)
  if not host then
    client:close()
    return nil, table.concat(messages, "\n"), "EARG"
  end
  install()
  guards[client] = host
  return client
end

return policed
