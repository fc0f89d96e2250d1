--- Where a host listens for commands: a Unix socket for each Redis, which only its user can open. A
--- lock, held while anybody looks or changes something there, sees to it that a dead host's socket
--- is removed and a living one's is not.
local runtime_folder = require "moonpool.runtime_folder"
local system = require("moonpool.core").system

local control_place = {}

local LOCK_NAME = "hosts.lock"

-- FNV-1a, 64 bits.
local function hash(text)
  local value = 0xcbf29ce484222325
  for index = 1, #text do value = (value ~ text:byte(index)) * 0x100000001b3 end
  return ("%016x"):format(value)
end

--- One form for what is the same Redis, without the password.
---@param url string as moonpool.connect takes it
---@return string
function control_place.public_url(url)
  local scheme, rest = url:match "^(%a[%w+]*)://(.*)$"
  if not scheme then return url end
  scheme = scheme:lower()
  local authority, path = rest:match "^([^/]*)(.*)$"
  local user, hosts = authority:match "^(.*)@(.*)$"
  user, hosts = (user or ""):match "^[^:]*", (hosts or authority):lower()
  if scheme == "redis" or scheme == "rediss" then
    hosts = hosts:gsub(":6379$", "")
    if path == "/" or path == "/0" then path = "" end
  end
  return ("%s://%s%s%s"):format(scheme, user ~= "" and user .. "@" or "", hosts, path)
end

--- The path at which a host for this Redis listens unless it is told another one.
---@param url string of the Redis
---@param name? string of the host, when it is not "main"
---@param getenv? fun(name: string): string? default os.getenv
---@return string? path
---@return string? message
---@return string? code "ESYS"
function control_place.path(url, name, getenv)
  local what = control_place.public_url(url)
  if name and name ~= "main" then what = what .. "\n" .. name end
  return runtime_folder.socket(("host-%s.sock"):format(hash(what)), getenv)
end

local function lock_folder_of(path)
  local folder = path:match "^(.*)/[^/]*$" or "."
  local lock, message, code = system.open_lock(folder .. "/" .. LOCK_NAME)
  if not lock then return nil, message, code end
  local got
  got, message, code = lock:lock "ex" -- whoever has it does not wait for anything
  if got then return lock end
  lock:close()
  return nil, message, code
end

-- True when nobody listens there (any more), else false and who does.
local function is_free(path)
  local fd, message, code, name = system.connect_descriptor(path)
  if fd then
    local pid = system.peer_pid(fd)
    system.close_descriptor(fd)
    return false, pid and "process " .. pid or "a process"
  end
  if name == "EAGAIN" then return false, "a process that is busy" end
  if name == "ENOENT" then return true end
  if name ~= "ECONNREFUSED" then return nil, message, code end
  local found = system.stat(path)
  if found and found.type ~= "socket" then
    return nil, ("%s is a %s, no socket"):format(path, found.type), "ESYS"
  end
  local removed
  removed, message, code = system.unlink(path)
  if removed == nil then return nil, message, code end
  return true
end

--- Takes the place of the host: listens there. Connections wait in its backlog until the
--- descriptor is given to system.listen.
---@param path string
---@return integer|false|nil fd false: somebody else is the host
---@return string? message who that is; or why it failed
---@return string? code "ESYS"
function control_place.claim(path)
  local lock, message, code = lock_folder_of(path)
  if not lock then return nil, message, code end
  local fd
  fd, message, code = is_free(path)
  if fd then fd, message, code = system.bind(path) end
  lock:close()
  return fd, message, code
end

--- Gives the place back: no new connection comes.
---@param path string
---@param fd integer from claim
function control_place.release(path, fd)
  local lock = lock_folder_of(path)
  system.unlink(path)
  system.close_descriptor(fd)
  if lock then lock:close() end
end

return control_place
