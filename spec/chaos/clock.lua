-- Wall clocks of Redis servers, set while they run: clock.c, compiled here and preloaded.
--
--   local clock = require("spec.chaos.clock").new()
--   redis_server.start { env = clock.env }
--   clock:set(-5)       seconds that it differs from the machine's; from now on
local scratch = require "spec.support.scratch"

local clock = {}

local here = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$") or "."

local clock_methods = {}
local clock_mt = { __name = "clock", __index = clock_methods }

local library

local function compile()
  if library then return library end
  local path = scratch.folder() .. "/clock.so"
  local output, status = scratch.shell(("cc -shared -fPIC -O2 -o %s %s/clock.c 2>&1"):format(
    scratch.quote(path), scratch.quote(here)))
  assert(status == 0, "clock.c: " .. output)
  library = path
  return library
end

-- In place: who has mapped it must see the change.
function clock_methods:set(seconds)
  local file = assert(io.open(self.path, "r+b"))
  assert(file:write(string.pack("=i8", math.floor(seconds * 1000000))))
  assert(file:close())
end

function clock.new()
  local self = setmetatable({ path = scratch.folder() .. "/offset" }, clock_mt)
  scratch.write(self.path, string.pack("=i8", 0))
  self.env = { LD_PRELOAD = compile(), CHAOS_CLOCK = self.path }
  return self
end

return clock
