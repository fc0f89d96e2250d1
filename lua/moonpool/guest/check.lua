--- Checks of what scripts hand over.
local check = {}

--- Raises about the script's call unless the argument has the type.
---@param kind string
---@param value any
---@param method string such as "bot:on"
---@param argument string
function check.type(kind, value, method, argument)
  if type(value) == kind then return end
  error(("%s: %s: a %s is needed, not %s"):format(method, argument, kind, type(value)), 3)
end

--- Likewise a number above zero.
function check.positive(value, method, argument)
  if type(value) ~= "number" then
    error(("%s: %s: a number is needed, not %s"):format(method, argument, type(value)), 3)
  end
  if not (value > 0 and value < math.huge) then
    error(("%s: %s: more than 0 is needed"):format(method, argument), 3)
  end
end

--- Raises unless the event is one of those.
---@param events table<string, boolean>
function check.event(events, event, method)
  if events[event] then return end
  local names = {}
  for name in pairs(events) do names[#names + 1] = name end
  table.sort(names)
  error(("%s: unknown event %q; there are %s"):format(method, tostring(event),
    table.concat(names, ", ")), 3)
end

--- A copy of a list of strings that the script has set, without calling anything of it.
---@param list any
---@param what string such as "bot.rooms"
---@return string[]
function check.strings(list, what)
  if type(list) ~= "table" then
    error(("%s: a list of strings is needed, not %s"):format(what, type(list)), 0)
  end
  local copy = {}
  for index = 1, rawlen(list) do
    local item = rawget(list, index)
    if type(item) ~= "string" then
      error(("%s[%d]: a string is needed, not %s"):format(what, index, type(item)), 0)
    end
    copy[index] = item
  end
  return copy
end

return check
