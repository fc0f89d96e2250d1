--- What a configuration may say: each setting's type, range and default. docs/config.md is the
--- manual.
local room_name = require "moonpool.room_name"
local terminal = require "moonpool.cli.terminal"

local schema = {}

-- A kind of value: `what` it is in an error, which type it has, and whether a value of that type
-- will do.
---@class moonpool.host.kind
---@field what string
---@field type string
---@field fits fun(value: any): boolean

local function any() return true end

local function text(what, fits) return { what = what, type = "string", fits = fits or any } end

local function number(what, least, most)
  return { what = what, type = "number",
    fits = function(value) return value >= least and value <= (most or math.maxinteger) end }
end

local function whole(what, least)
  return { what = what, type = "number",
    fits = function(value) return math.tointeger(value) ~= nil and value >= least end }
end

local function one_of(...)
  local words = { ... }
  local known = {}
  for index, word in ipairs(words) do
    known[word] = true
    words[index] = ('"%s"'):format(word)
  end
  return text(("one of %s"):format(table.concat(words, ", ")),
    function(value) return known[value] == true end)
end

local YEAR = 366 * 86400

local bytes = whole("a number of bytes (0: no limit)", 0)
local seconds = number("a number of seconds, more than 0,", 0.001, YEAR)
local seconds_or_none = number("a number of seconds (0: no limit)", 0, YEAR)
local priority = number("a number", -math.huge, math.huge)
local switch = { what = "true or false", type = "boolean", fits = any }

-- A script's or a host's: part of keys, of a socket's name and of the log.
local name = text("a name of letters, digits, _, - and . that begins with none of the last two",
  function(value) return #value <= 100 and value:find "^[%w_][%w_.-]*$" ~= nil end)

local function setting(kind, default) return { kind = kind, default = default } end

--- The settings of a whole host, without bots and policies.
schema.top = {
  redis = setting(text "the URL of a Redis"),
  name = setting(name, "main"),
  control = setting(text "the path of a socket, or false,"),
  catch_up = setting(number("a number of seconds", 0, YEAR), 3600),
  seed = setting({ what = "a whole number", type = "number",
    fits = function(value) return math.tointeger(value) ~= nil end }),
}

--- Settings that are tables.
schema.sections = {
  limits = {
    memory = setting(bytes, 16 << 20),
    budget = setting(seconds_or_none, 0.1),
    slice = setting(number("a number of seconds below 0.9 (0: no limit)", 0, 0.9), 0.001),
    grace = setting(seconds, 1),
    queue = setting(whole("a number of messages, more than 0,", 1), 10000),
    policy_timeout = setting(seconds, 1),
    stop = setting(seconds, 5),
  },
  restart = {
    max_failures = setting(whole("a whole number from 1 on", 1), 5),
    within = setting(seconds, 60),
    backoff_min = setting(seconds, 1),
    backoff_max = setting(seconds, 300),
    max_crashes = setting(whole("a whole number from 1 on", 1), 5),
    crashes_within = setting(seconds, 60),
  },
  log = {
    format = setting(one_of("text", "json"), "text"),
    level = setting(one_of("debug", "info", "warning", "error"), "info"),
    repeats = setting(whole("a number of lines (0: no limit)", 0), 10),
    within = setting(seconds, 10),
  },
}

local rooms = { what = "a list of rooms' names and patterns", type = "table", fits = any }

--- What is said of one bot or policy; `[1]` is the path or the name in the library.
schema.bot = {
  name = name, rooms = rooms, memory = bytes, budget = seconds_or_none, redis = switch,
  options = { what = "a table", type = "table", fits = any },
}
schema.policy = { priority = priority }
for field, kind in pairs(schema.bot) do schema.policy[field] = kind end
schema.auth = {}
for field, kind in pairs(schema.bot) do
  if field ~= "rooms" then schema.auth[field] = kind end
end

--- The keys of a table in a fixed order, so that problems are told in one.
---@param fields table
---@return any[]
function schema.keys(fields)
  local keys = {}
  for key in pairs(fields) do keys[#keys + 1] = key end
  table.sort(keys, function(one, other)
    if math.type(one) == "integer" and math.type(other) == "integer" then return one < other end
    return tostring(one) < tostring(other)
  end)
  return keys
end

-- ---- checking ----------------------------------------------------------------------------------

-- A value as an error shows it: its type when that is wrong, else itself.
local function shown(kind, value)
  if type(value) ~= kind.type then return type(value) end
  if type(value) == "string" then return '"' .. terminal.neutralise(value) .. '"' end
  return tostring(value)
end

--- Notes a problem unless the value is of the kind.
---@param kind moonpool.host.kind
---@param value any
---@param place string
---@param problems moonpool.host.problems
---@return boolean fits
function schema.check(kind, value, place, problems)
  if type(value) == kind.type and kind.fits(value) then return true end
  problems:add(place, ("%s is needed, not %s"):format(kind.what, shown(kind, value)))
  return false
end

--- Checks a list of rooms.
---@param list any
---@param place string
---@param problems moonpool.host.problems
---@return string[]? copy
function schema.check_rooms(list, place, problems)
  if not schema.check(rooms, list, place, problems) then return nil end
  local copy, count = {}, 0
  for index, room in ipairs(list) do
    local own, message = room_name(room)
    if not own then problems:add(("%s[%d]"):format(place, index), message) end
    copy[index] = own or room
  end
  for _ in pairs(list) do count = count + 1 end
  if count ~= #copy then problems:add(place, "a list is needed: { \"lobby\", \"help-*\" }") end
  return copy
end

return schema
