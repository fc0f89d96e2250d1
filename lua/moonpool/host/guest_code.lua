--- The code of the guest (lua/moonpool/guest), which runs inside isolates: compiled once for all of
--- them, without what only debuggers need.
local guest_code = {}

local BOOT = "init"

-- Modules of moonpool's that the guest uses as they are.
local SHARED = { hooks = "moonpool.hooks" }

local compiled = {}

local function compile(name)
  local module = SHARED[name] or "moonpool.guest." .. name
  local path = assert(package.searchpath(module, package.path))
  return string.dump(assert(loadfile(path, "t")), true)
end

--- The code of a module of the guest's.
---@param name string
---@return string? code nil: there is no such module
function guest_code.of(name)
  if not name:find "^[%l_]+$" then return nil end
  compiled[name] = compiled[name] or compile(name)
  return compiled[name]
end

--- The code that an isolate is booted with.
---@return string
function guest_code.boot() return guest_code.of(BOOT) end

return guest_code
