--- Checks of what scripts hand over. They raise where the script called the method that checks.
local check = {}

local function fail(text, ...) error(string.format(text, ...), 4) end

--- Raises unless the argument has the type.
---@param kind string
---@param value any
---@param method string such as "bot:on"
---@param argument string
function check.type(kind, value, method, argument)
  if type(value) == kind then return end
  fail("%s: %s: a %s is needed, not %s", method, argument, kind, type(value))
end

--- Raises unless it is a number, and neither infinite nor none at all.
function check.number(value, method, argument)
  if type(value) ~= "number" then
    fail("%s: %s: a number is needed, not %s", method, argument, type(value))
  end
  if value ~= value or value == math.huge or value == -math.huge then
    fail("%s: %s: a number is needed, not %s", method, argument, tostring(value))
  end
end

--- Likewise a number above zero.
function check.positive(value, method, argument)
  if type(value) ~= "number" then
    fail("%s: %s: a number is needed, not %s", method, argument, type(value))
  end
  if not (value > 0 and value < math.huge) then
    fail("%s: %s: more than 0 is needed, not %s", method, argument, tostring(value))
  end
end

local function names_of(known)
  local names = {}
  for name in pairs(known) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, ", ")
end

-- What the library calls the events of rooms.
local OTHER_NAMES = {
  message = "publish", action = "publish", join = "subscribe", leave = "unsubscribe",
}

--- Raises unless the event is one of those.
---@param events table<string, boolean>
function check.event(events, event, method)
  if type(event) == "string" and events[event] then return end
  local given = type(event) == "string" and string.format("%q", event) or type(event)
  local other = events[OTHER_NAMES[event]] and string.format(" (here %q)", OTHER_NAMES[event]) or ""
  fail("%s: unknown event %s%s; there are %s", method, given, other, names_of(events))
end

--- The options of a call, copied: a table, or nil for none. Raises about those that are not known,
--- or have another type.
---@param options any
---@param known table<string, string> types by name
---@param method string
---@return table
function check.options(options, known, method)
  local copy = {}
  if options == nil then return copy end
  if type(options) ~= "table" then
    fail("%s: options: a table is needed, not %s", method, type(options))
  end
  for name, value in next, options do
    local kind = type(name) == "string" and known[name]
    if not kind then
      fail("%s: unknown option %s; there are %s", method, tostring(name), names_of(known))
    end
    if type(value) ~= kind then
      fail("%s: %s: a %s is needed, not %s", method, name, kind, type(value))
    end
    copy[name] = value
  end
  return copy
end

--- A copy of a list of strings that the script has set, without calling anything of it.
---@param list any
---@param what string such as "bot.rooms"
---@return string[]
function check.strings(list, what)
  if type(list) ~= "table" then
    error(string.format("%s: a list of strings is needed, not %s", what, type(list)), 0)
  end
  local copy = {}
  for index = 1, rawlen(list) do
    local item = rawget(list, index)
    if type(item) ~= "string" then
      error(string.format("%s[%d]: a string is needed, not %s", what, index, type(item)), 0)
    end
    copy[index] = item
  end
  return copy
end

--- Raises unless it is a name that can be shown.
---@param name any
---@param what string such as "bot.name"
function check.name(name, what)
  if type(name) == "string" and name ~= "" and not string.find(name, "%c") then return end
  error(string.format("%s: a name without control characters is needed", what), 0)
end

return check
