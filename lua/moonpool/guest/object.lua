--- The object of a script's, `bot` or `policy`: its fields are read as those of a table, and only
--- what is meant to be set can be set, so that a misspelt name, or a store that is overwritten, is
--- told instead of being without effect.

local function names_of(settable)
  local names = {}
  for name in pairs(settable) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, ", ")
end

---@param guest moonpool.guest
---@param kind "bot"|"policy"
---@param fields table what it has, methods too
---@param settable table<string, "always"|"loading">
---@return table
return function(guest, kind, fields, settable)
  local function set(_, name, value)
    local when = settable[name]
    if not when then
      error(string.format("%s.%s cannot be set; what can be is %s", kind, tostring(name),
        names_of(settable)), 2)
    end
    if when == "loading" and guest.is_loaded then
      error(string.format("%s.%s is read once, when the script has been loaded; set it there",
        kind, name), 2)
    end
    fields[name] = value
  end
  return setmetatable({}, { __index = fields, __newindex = set, __metatable = false })
end
