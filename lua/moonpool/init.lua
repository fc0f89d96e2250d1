--- moonpool: Redis pub/sub rooms, scripted in Lua.
--
-- A failure that a program can meet comes back as `nil, message, CODE`; misuse raises. Times are
-- seconds. What awaits may be called from a task or handler of moonpool's, or from the main state
-- while the loop does not run (then it runs the loop until its answer is there).

local core = require "moonpool.core"
local on = require "moonpool.state"
local optimistic = require "moonpool.optimistic"
local room = require "moonpool.room"
local rooms = require "moonpool.rooms"
local versions = require "moonpool.versions"

core.methods.client.on = on
core.methods.client.rooms = rooms.open
for name, method in pairs(room) do core.methods.room[name] = method end
for name, method in pairs(rooms.methods) do core.methods.rooms[name] = method end
core.methods.client.optimistic = optimistic
core.methods.view.optimistic = optimistic

-- Clients with policies need more of moonpool than others.
---@param options? string|moonpool.connect_options
---@return moonpool.client?, string? message, string? code
local function connect(options)
  if type(options) == "table" and options.policies ~= nil then
    versions.check_isolates "policies"
    return require("moonpool.policed").connect(options)
  end
  return core.connect(options)
end

---@class moonpool
---@field version string
---@field features { resp3: boolean, hiredis: string, libuv: string, tls: string|false }
---@field null lightuserdata stands for nil inside lists and in JSON
---@field json moonpool.json
---@field pool moonpool.pool
local moonpool = {
  version = core.version,
  features = core.features,
  null = core.null,
  json = core.json,

  run = core.run,
  stop = core.stop,
  spawn = core.spawn,
  sleep = core.sleep,
  timer = core.timer,
  now = core.now,
  time = core.time,
  on_error = core.on_error,
  connect = connect,
  rooms = rooms.connect,
  is_error = core.is_error,
  pool = core.pool,
}

return moonpool
