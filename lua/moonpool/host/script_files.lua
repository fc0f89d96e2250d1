--- Which script files a path stands for, and the files of the policies that come with moonpool.
local system = require("moonpool.core").system

local script_files = {}

local LIBRARY = "moonpool.policies."

--- Whether a folder is at that path.
---@param path string
---@return boolean
function script_files.is_folder(path)
  local status = system.stat(system.realpath(path) or path)
  return status ~= nil and status.type == "directory"
end

--- The scripts that a path stands for: a file itself, or the *.lua in a folder, by name.
---@param path string
---@return string[]? files
---@return string? message names the path
function script_files.find(path)
  if not script_files.is_folder(path) then
    local file, message = io.open(path, "rb")
    if not file then return nil, message end
    file:close()
    return { path }
  end
  local names, message = system.files_in(path, ".lua")
  if not names then return nil, message end
  local folder = path:gsub("(.)/+$", "%1")
  if #names == 0 then return nil, folder .. ": no *.lua in this folder" end
  if folder ~= "/" then folder = folder .. "/" end
  for index, name in ipairs(names) do names[index] = folder .. name end
  return names
end

--- The name of a script unless another is given: its file's, without .lua.
---@param path string
---@return string
function script_files.base_name(path) return (path:match "([^/]*)$":gsub("%.lua$", "")) end

--- The file of a policy of the library.
---@param name string such as "rate_limit"
---@return string? path nil when there is none of that name
function script_files.library_path(name)
  if not name:find "^[%w_]+$" then return nil end
  return (package.searchpath(LIBRARY .. name, package.path))
end

--- The names of the library's policies, sorted.
---@return string[]
function script_files.library_names()
  local names, seen = {}, {}
  for template in package.path:gmatch "[^;]+" do
    local folder = template:match "^(.*)%?%.lua$"
    local files = folder and system.files_in(folder .. LIBRARY:gsub("%.", "/"), ".lua")
    for _, file in ipairs(files or {}) do
      local name = file:gsub("%.lua$", "")
      if not seen[name] then names[#names + 1] = name end
      seen[name] = true
    end
  end
  table.sort(names)
  return names
end

return script_files
