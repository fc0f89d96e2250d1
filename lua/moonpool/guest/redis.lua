--- The field `redis` of a script that is granted it: every Redis command is a method.

---@param guest moonpool.guest
---@param kind string such as "bot"
---@param fields table of the object, to which it adds
return function(guest, kind, fields)
  if not guest.grants.redis then return end

  local function ask_redis(...)
    for index = 1, select("#", ...) do
      local type_of = type((select(index, ...)))
      if type_of ~= "string" and type_of ~= "number" then
        error(string.format("%s.redis: argument %d: a string or number is needed, not %s",
          kind, index - 1, type_of), 2)
      end
    end
    return guest.ask("redis", ...)
  end

  fields.redis = setmetatable({}, {
    __index = function(_, name)
      if name == "call" then return function(_, ...) return ask_redis(...) end end
      return function(_, ...) return ask_redis(name, ...) end
    end,
    __metatable = false,
  })
end
