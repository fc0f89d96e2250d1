--- The folder for the sockets of a user's programs: $XDG_RUNTIME_DIR/moonpool, or in /tmp.
local system = require("moonpool.core").system

local runtime_folder = {}

local MAX_SOCKET_PATH = 107 -- bytes of sockaddr_un.sun_path on Linux, its NUL left out

local function refuse(message)
  return nil, message, "ESYS"
end

local function is_absolute(path)
  return path ~= nil and path:sub(1, 1) == "/"
end

--- A folder that is ours and nobody else's: made if it is missing.
---@param path string
---@return string? path
---@return string? message
---@return string? code "ESYS"
function runtime_folder.secure(path)
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

--- Finds the folder and makes it if it is missing.
---@param getenv? fun(name: string): string? default os.getenv
---@return string? path
---@return string? message names the folder that cannot be used, and why
---@return string? code "ESYS"
function runtime_folder.find(getenv)
  getenv = getenv or os.getenv
  local base = getenv "XDG_RUNTIME_DIR"
  if is_usable_base(base) then
    local folder = runtime_folder.secure(base .. "/moonpool")
    if folder then return folder end
  end
  return runtime_folder.secure(("/tmp/moonpool-%d"):format(system.getuid()))
end

--- The path of a socket in the folder.
---@param name string
---@param getenv? fun(name: string): string? default os.getenv
---@return string? path
---@return string? message
---@return string? code "ESYS"
function runtime_folder.socket(name, getenv)
  local folder, message, code = runtime_folder.find(getenv)
  if not folder then return nil, message, code end
  local path = folder .. "/" .. name
  if #path <= MAX_SOCKET_PATH then return path end
  return refuse(("the socket's path is too long (%d bytes, the system allows %d): %s; "
    .. "set XDG_RUNTIME_DIR to a shorter folder"):format(#path, MAX_SOCKET_PATH, path))
end

return runtime_folder
