--- The configuration's `gateway` section: what it may say, checked, its files' paths made those of
--- its folder. docs/gateway.md is the manual.
local config_scripts = require "moonpool.host.config_scripts"
local nearest = require "moonpool.nearest"
local schema = require "moonpool.host.config_schema"

local config_gateway = {}

local function any() return true end

local function is_list_of_strings(value)
  local count = 0
  for key, item in pairs(value) do
    count = count + 1
    if math.type(key) ~= "integer" or type(item) ~= "string" then return false end
  end
  return count == #value
end

local text = { what = "a string", type = "string", fits = function(value) return value ~= "" end }
local list = { what = "a list of strings", type = "table", fits = is_list_of_strings }
local switch = { what = "true or false", type = "boolean", fits = any }
local seconds = { what = "a number of seconds", type = "number",
  fits = function(value) return value >= 0 and value <= 1e9 end }
local rate = { what = "a number a second", type = "number",
  fits = function(value) return value >= 0 and value <= 1e9 end }
local whole = { what = "a whole number from 0 on", type = "number",
  fits = function(value) return math.tointeger(value) ~= nil and value >= 0 end }
local workers = { what = "a whole number from 1 to 64", type = "number",
  fits = function(value) return math.tointeger(value) and value >= 1 and value <= 64 end }
local secret = { what = "a secret of 32 bytes or more", type = "string",
  fits = function(value) return #value >= 32 end, is_hidden = true }

local OVERFLOWS = { gap = true, conflate = true, disconnect = true }

local function is_overflow(value)
  for _, rule in ipairs(value) do
    local is_rule = type(rule) == "table" and type(rule[1]) == "string" and OVERFLOWS[rule[2]]
    if not is_rule then return false end
  end
  return true
end

local overflow = { type = "table", fits = is_overflow,
  what = 'a list of { PATTERN, "gap" | "conflate" | "disconnect" }' }

local KINDS = {
  secret = secret, secret_file = text, origins = list, proxies = list, tls_cert = text,
  tls_key = text, page = switch, overflow = overflow,
  room = { what = "a table of a room's options", type = "table", fits = any },
  max_connections = whole, max_connections_per_address = whole, max_header = whole,
  max_headers = whole, header_timeout = seconds, request_timeout = seconds, max_rooms = whole,
  max_members = whole, max_message = whole, max_fragments = whole, messages_per_second = rate,
  pings_per_second = rate, max_requests = whole, max_queue = whole, ping = seconds,
  idle = seconds, auth_timeout = seconds, close_timeout = seconds, typing = seconds,
  query_timeout = seconds, workers = workers,
}

local PATHS = { secret_file = true, tls_cert = true, tls_key = true }

local function in_folder(folder, path)
  if path:sub(1, 1) == "/" or folder == "" then return path end
  return folder .. "/" .. path
end

-- One address or a list of them.
local function read_listen(value, place, folder, problems)
  local what = { what = "an address, or a list of addresses,", type = "table",
    fits = is_list_of_strings }
  if type(value) == "string" and value ~= "" then value = { value } end
  if not schema.check(what, value, place, problems) then return nil end
  local addresses = {}
  for index, address in ipairs(value) do
    local path = address:match "^unix:(.+)$"
    addresses[index] = path and "unix:" .. in_folder(folder, path) or address
  end
  return addresses
end

-- The script that says who a user is.
local function read_script(value, place, folder, problems)
  local scripts = config_scripts.read({ value }, "auth", folder, place, problems)
  if #scripts > 1 then problems:add(place, "one script is needed, not a folder of them") end
  return scripts[1]
end

local function names()
  local all = { "authenticate", "listen" }
  for name in pairs(KINDS) do all[#all + 1] = name end
  table.sort(all)
  return all
end

local function read_one(settings, name, value, folder, problems)
  local place = "gateway." .. tostring(name)
  if name == "listen" then
    settings.listen = read_listen(value, place, folder, problems)
    return
  elseif name == "authenticate" then
    settings.authenticate = read_script(value, place, folder, problems)
    return
  end
  local kind = KINDS[name]
  if not kind then
    local meant, known = nearest(tostring(name), names()), table.concat(names(), ", ")
    problems:add(place, meant and ("unknown; did you mean %s?"):format(meant)
      or ("unknown; there are %s"):format(known))
  elseif kind.is_hidden and not (type(value) == kind.type and kind.fits(value)) then
    problems:add(place, kind.what .. " is needed")
  elseif schema.check(kind, value, place, problems) then
    settings[name] = PATHS[name] and in_folder(folder, value) or value
  end
end

--- Reads the section.
---@param value any
---@param folder string of the file
---@param problems moonpool.host.problems
---@return table settings those that will do
function config_gateway.read(value, folder, problems)
  local settings = {}
  local what = { what = "a table", type = "table", fits = any }
  if not schema.check(what, value, "gateway", problems) then return settings end
  for _, name in ipairs(schema.keys(value)) do
    read_one(settings, name, value[name], folder, problems)
  end
  return settings
end

local function read_secret(settings, problems)
  if not settings.secret_file then return end
  local place = "gateway.secret_file"
  if settings.secret then problems:add(place, "there is a secret already") end
  local file, message = io.open(settings.secret_file, "rb")
  if not file then return problems:add(place, message) end
  local content = file:read "a"
  file:close()
  settings.secret = (content or ""):gsub("%s+$", "")
  settings.secret_file = nil
  if #settings.secret < 32 then problems:add(place, secret.what .. " is needed in it") end
end

--- The section with the flags of the command line over it; nil: no gateway.
---@param given table? from read
---@param flags table listen, secret_file, tls_cert, tls_key, workers
---@param problems moonpool.host.problems
---@return table?
function config_gateway.merge(given, flags, problems)
  local settings = {}
  for name, value in pairs(given or {}) do settings[name] = value end
  if flags.listen and #flags.listen > 0 then settings.listen = flags.listen end
  for name in pairs(PATHS) do
    if flags[name] then settings[name] = flags[name] end
  end
  if flags.secret_file then settings.secret = nil end
  if flags.workers and schema.check(workers, flags.workers, "--workers", problems) then
    settings.workers = flags.workers
  end
  if not settings.listen or #settings.listen == 0 then
    if next(settings) then problems:add("gateway", "listen is needed: where it listens") end
    return nil
  end
  read_secret(settings, problems)
  if settings.secret and settings.authenticate then
    problems:add("gateway", "secret and authenticate: one of them says who users are, not both")
  end
  settings.workers = math.tointeger(settings.workers or 1)
  return settings
end

return config_gateway
