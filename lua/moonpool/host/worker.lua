--- The worker's side of what moonpool.host.supervisor describes.
local moonpool = require "moonpool"
local core = require "moonpool.core"
local system = core.system

local worker = {}

local BEAT_SECONDS = 1
local MAX_LINE_BYTES = 1 << 20 -- of the settings

---@class moonpool.host.worker
---@field settings table what the supervisor has told it: `redis`, `control_fd` …
---@field set_aside table<string, moonpool.host.set_aside.entry> by name: scripts that are not to
--- run before `retry_in` seconds have passed
---@field package stream table
---@field package beat table
---@field package handlers { stop: fun(), reload: fun() }
---@field package is_closed boolean
local worker_methods = {}
local worker_mt = { __name = "moonpool.host.worker", __index = worker_methods }

--- Was this process started as a worker?
---@return boolean
function worker.is_one()
  return (os.getenv "MOONPOOL_WORKER" or "") ~= ""
end

local function tell(self, line)
  return self.stream:write(line .. "\n")
end

local function obey(self)
  for line in function() return self.stream:read_line() end do
    if line == "reload" then moonpool.spawn(self.handlers.reload) end
    if line == "stop" then moonpool.spawn(self.handlers.stop) end
  end
  if not self.is_closed then moonpool.spawn(self.handlers.stop) end -- the supervisor is gone
end

local function read_settings(self)
  local line, message = self.stream:read_line(MAX_LINE_BYTES)
  local settings = line and moonpool.json.decode(line)
  if type(settings) ~= "table" then
    return nil, "the supervisor does not say what to do: " .. tostring(message or line)
  end
  self.settings, self.set_aside = settings, {}
  for _, entry in ipairs(settings.set_aside or {}) do self.set_aside[entry.name] = entry end
  return true
end

--- Begins to be a worker: gives signs of life, hands the supervisor's end to the isolates' alarm,
--- and obeys. Awaits its settings.
---@param handlers { stop: fun(), reload: fun() } each called in a task: `stop` when the process is
--- to end, perhaps more than once, also because the supervisor is gone; `reload` when scripts are
--- to be read again, then `reloaded` is to be called
---@return moonpool.host.worker?
---@return string? message
function worker.open(handlers)
  local fd = tonumber(os.getenv "MOONPOOL_WORKER")
  local stream, message = system.open_stream(fd and math.tointeger(fd) or -1)
  if not stream then
    return nil, "MOONPOOL_WORKER is for workers that a supervisor starts: " .. message
  end
  local self = setmetatable({ stream = stream, handlers = handlers, is_closed = false }, worker_mt)
  self.beat = moonpool.timer(BEAT_SECONDS, function() tell(self, "beat") end)
  tell(self, "beat")
  if core.isolate then core.isolate.set_alarm(stream:fd()) end
  local is_told
  is_told, message = read_settings(self)
  if not is_told then
    self:close()
    return nil, message
  end
  moonpool.spawn(obey, self)
  return self
end

--- Tells the supervisor that everything runs: from then on a worker that fails is started again.
function worker_methods:ready() tell(self, "ready") end

--- Tells that a reload is over.
function worker_methods:reloaded() tell(self, "reloaded") end

--- A line for the service manager.
---@param text string
function worker_methods:status(text) tell(self, "status " .. text:gsub("%c", " ")) end

--- The last thing that a worker does. Doing it again does nothing.
function worker_methods:close()
  if self.is_closed then return end
  self.is_closed = true
  if core.isolate then core.isolate.set_alarm(nil) end
  self.beat:close()
  self.stream:close()
end

return worker
