--- The tables of options that a room's methods take.

local room_options = {}

--- Raises about who called the method, unless `options` is nil or a table with no other names.
---@param options table|nil
---@param known table<string, true>
---@param method string
---@return table
function room_options.check(options, known, method)
  if options == nil then return {} end
  if type(options) ~= "table" then
    error(("room:%s: a table of options is needed, not %s"):format(method, type(options)), 3)
  end
  for name in pairs(options) do
    if not known[name] then
      error(("room:%s: unknown option '%s'"):format(method, tostring(name)), 3)
    end
  end
  return options
end

--- The names as a set.
---@param ... string
---@return table<string, true>
function room_options.set(...)
  local set = {}
  for _, name in ipairs { ... } do set[name] = true end
  return set
end

return room_options
