--- Where the private Redis lives. Its data, its log and the locks are in the user's state folder,
--- which is what makes it one server; only the socket is in the runtime folder. Programs that see
--- different runtime folders (a login's and cron's) still meet: the socket's path is written down
--- beside the locks.
local runtime_folder = require "moonpool.runtime_folder"
local system = require("moonpool.core").system

local places = {}

local function refuse(message)
  return nil, message, "ESYS"
end

local function is_absolute(path)
  return path ~= nil and path:sub(1, 1) == "/"
end

local function state_folder(getenv)
  local base = getenv "XDG_STATE_HOME"
  if not is_absolute(base) then
    local home = getenv "HOME"
    if not is_absolute(home) then
      return refuse "no folder for the private Redis: neither XDG_STATE_HOME nor HOME is set"
    end
    base = home .. "/.local/state"
  end
  local made, message, code = system.mkdir(base .. "/moonpool/redis", 448)
  if not made then return nil, message, code end
  return runtime_folder.secure(assert(system.realpath(base .. "/moonpool/redis")))
end

---@class moonpool.private_redis.places
---@field state string the folder of everything but the socket
---@field socket string where a server that is started now listens
---@field socket_note string the file that says where the running one listens
---@field start_lock string
---@field use_lock string
---@field server_lock string
---@field log string
---@field pid string

--- Finds the folders and makes what is missing.
---@param getenv? fun(name: string): string? default os.getenv
---@return moonpool.private_redis.places?
---@return string? message names the folder that cannot be used, and why
---@return string? code "ESYS"
function places.find(getenv)
  getenv = getenv or os.getenv
  local state, message, code = state_folder(getenv)
  if not state then return nil, message, code end
  local socket
  socket, message, code = runtime_folder.socket("redis.sock", getenv)
  if not socket then return nil, message, code end
  return {
    state = state, socket = socket, socket_note = state .. "/redis.socket",
    start_lock = state .. "/start.lock", use_lock = state .. "/use.lock",
    server_lock = state .. "/server.lock", log = state .. "/redis.log", pid = state .. "/redis.pid",
  }
end

return places
