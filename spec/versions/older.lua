-- luacheck: ignore 122
-- For busted's --helper under LuaJIT: what the specs use of newer Lua.
local versions = require "moonpool.versions"

math.type = math.type or function(value)
  return type(value) == "number" and (versions.is_integer(value) and "integer" or "float") or nil
end
math.tointeger = math.tointeger or function(value)
  local number = tonumber(value)
  return versions.is_integer(number) and number or nil
end
math.maxinteger = math.maxinteger or 2 ^ 53
math.mininteger = math.mininteger or -2 ^ 53
table.unpack = versions.unpack
table.pack = versions.pack

-- As Lua 5.2: true or nil, "exit" or "signal", the number. LuaJIT tells what wait(2) does.
if not utf8 then
  local execute = os.execute
  function os.execute(command)
    local status = execute(command)
    local signal, code = status % 128, math.floor(status / 256)
    return (signal == 0 and code == 0) or nil, signal > 0 and "signal" or "exit",
      signal > 0 and signal or code
  end
end
