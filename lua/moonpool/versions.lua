--- What the library uses of Lua 5.3 and newer, also where LuaJIT has it by another name or not at
--- all. The programs (`moonpool run` and the rest) are for Lua 5.4 and newer, and do without.

local type_of, jit = math.type, rawget(_G, "jit")

local versions = {}

versions.unpack = table.unpack or _G.unpack

versions.pack = table.pack or function(...) return { n = select("#", ...), ... } end

--- Is it a whole number that is exact? Of 5.3 and newer an integer, not a float; of LuaJIT, whose
--- numbers are all floats, a whole one up to 2^53.
---@param value any
---@return boolean
function versions.is_integer(value)
  if type_of then return type_of(value) == "integer" end
  return type(value) == "number" and value % 1 == 0 and value >= -2 ^ 53 and value <= 2 ^ 53
end

--- Raises unless moonpool.core has isolates, which only Lua 5.4 and newer have room for.
---@param what string  what needs them, as "policies"
function versions.check_isolates(what)
  if require("moonpool.core").isolate then return end
  error(("moonpool: %s need Lua 5.4 or later, this is %s"):format(what,
    type(jit) == "table" and jit.version or _VERSION), 3)
end

return versions
