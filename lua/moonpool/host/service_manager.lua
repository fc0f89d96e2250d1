--- What a service manager such as systemd is told, when it has asked for that by $NOTIFY_SOCKET:
--- sd_notify(3). Without it everything here does nothing.
local moonpool = require "moonpool"
local system = require("moonpool.core").system

local service_manager = {}

---@class moonpool.host.service_manager
---@field watchdog_seconds number? how often it wants to be told that we live, at least
---@field package socket string?
---@field package log fun(message: string)
---@field package has_failed boolean it was told once that the manager cannot be reached
local manager_methods = {}
local manager_mt = { __name = "moonpool.host.service_manager", __index = manager_methods }

-- Half of what the manager endures, as sd_watchdog_enabled(3) advises.
local function watchdog_seconds(getenv)
  local pid = getenv "WATCHDOG_PID"
  if pid and tonumber(pid) ~= system.getpid() then return nil end
  local microseconds = tonumber(getenv "WATCHDOG_USEC" or "")
  return microseconds and microseconds > 0 and microseconds / 2e6 or nil
end

---@param log fun(message: string)
---@param getenv? fun(name: string): string? default os.getenv
---@return moonpool.host.service_manager
function service_manager.new(log, getenv)
  getenv = getenv or os.getenv
  local socket = getenv "NOTIFY_SOCKET"
  if socket == "" then socket = nil end
  return setmetatable({
    socket = socket, log = log, has_failed = false,
    watchdog_seconds = socket and watchdog_seconds(getenv),
  }, manager_mt)
end

local function tell(self, text)
  if not self.socket then return end
  local is_fine, done, message = pcall(system.notify, self.socket, text)
  if is_fine and done or self.has_failed then return end
  self.has_failed = true
  self.log("cannot notify the service manager: " .. tostring(is_fine and message or done))
end

--- Everything runs; also after a reload.
function manager_methods:ready() tell(self, "READY=1") end

--- A reload begins, and ends with `ready`.
function manager_methods:reloading()
  tell(self, ("RELOADING=1\nMONOTONIC_USEC=%d"):format(math.floor(moonpool.now() * 1e6)))
end

--- The end begins.
function manager_methods:stopping() tell(self, "STOPPING=1") end

--- A line that `systemctl status` shows.
---@param text string
function manager_methods:status(text) tell(self, "STATUS=" .. text:gsub("%c", " ")) end

--- We live.
function manager_methods:alive() tell(self, "WATCHDOG=1") end

return service_manager
