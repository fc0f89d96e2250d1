--- Where the private Redis lives. Its data, its log and the locks are in the user's state folder,
--- which is what makes it one server; only the socket is in the runtime folder. Programs that see
--- different runtime folders (a login's and cron's) still meet: the socket's path is written down
--- beside the locks.
local system = require("moonpool.core").system

local places = {}

local MAX_SOCKET_PATH = 107 -- bytes of sockaddr_un.sun_path on Linux, its NUL left out

local function refuse(message)
  return nil, message, "ESYS"
end

local function is_absolute(path)
  return path ~= nil and path:sub(1, 1) == "/"
end

-- A folder that is ours and nobody else's: made if it is missing.
local function secure_folder(path)
  local made, message, code = system.mkdir(path, 448) -- 0700
  if not made then return nil, message, code end
  local found
  found, message, code = system.stat(path)
  if not found then return nil, message or path .. " has vanished", code or "ESYS" end
  if found.type ~= "directory" then
    return refuse(("%s is a %s, no folder"):format(path, found.type))
  end
  local uid = system.getuid()
  if found.uid ~= uid then
    return refuse(("%s belongs to user %d, not to us (%d)"):format(path, found.uid, uid))
  end
  if found.mode & 63 ~= 0 then -- 0077
    return refuse(("%s is open to other users (mode %o); chmod 700 it"):format(path, found.mode))
  end
  return path
end

-- A login's runtime folder counts only when it is there and ours (not after `sudo -E`).
local function is_usable_base(path)
  if not is_absolute(path) then return false end
  local found = system.stat(path)
  return found ~= nil and found.type == "directory" and found.uid == system.getuid()
end

local function runtime_folder(getenv)
  local base = getenv "XDG_RUNTIME_DIR"
  if is_usable_base(base) then
    local folder = secure_folder(base .. "/moonpool")
    if folder then return folder end
  end
  return secure_folder(("/tmp/moonpool-%d"):format(system.getuid()))
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
  return secure_folder(assert(system.realpath(base .. "/moonpool/redis")))
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
  local runtime
  runtime, message, code = runtime_folder(getenv)
  if not runtime then return nil, message, code end
  local socket = runtime .. "/redis.sock"
  if #socket > MAX_SOCKET_PATH then
    return refuse(("the socket's path is too long (%d bytes, the system allows %d): %s; "
      .. "set XDG_RUNTIME_DIR to a shorter folder"):format(#socket, MAX_SOCKET_PATH, socket))
  end
  return {
    state = state, socket = socket, socket_note = state .. "/redis.socket",
    start_lock = state .. "/start.lock", use_lock = state .. "/use.lock",
    server_lock = state .. "/server.lock", log = state .. "/redis.log", pid = state .. "/redis.pid",
  }
end

return places
