--- Scripts on disk: finding and reading them, and what they require.
local system = require("moonpool.core").system

local source = {}

-- Modules of moonpool's that need nothing but Lua.
local MODULES = { ["moonpool.text"] = true, ["moonpool.glob"] = true }

local function is_folder(path)
  local status = system.stat(system.realpath(path) or path)
  return status ~= nil and status.type == "directory"
end

local function scripts_in(folder)
  local names, message = system.files_in(folder, ".lua")
  if not names then return nil, message end
  if #names == 0 then return nil, folder .. ": no *.lua in this folder" end
  for index, name in ipairs(names) do names[index] = folder:gsub("/$", "") .. "/" .. name end
  return names
end

--- The scripts that paths stand for: files as they are, folders as the *.lua in them, by name.
---@param paths string[]
---@return string[]? files
---@return string? message names the folder that has none
function source.find(paths)
  local files = {}
  for _, path in ipairs(paths) do
    if is_folder(path) then
      local found, message = scripts_in(path)
      if not found then return nil, message end
      table.move(found, 1, #found, #files + 1, files)
    else
      files[#files + 1] = path
    end
  end
  return files
end

--- A script's name: its file's without .lua.
---@param path string
---@return string
function source.name_of(path) return (path:match "([^/]*)$":gsub("%.lua$", "")) end

--- The text of a file.
---@param path string
---@return string? text
---@return string? message
function source.read(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text
  text, message = file:read "a"
  file:close()
  if not text then return nil, ("%s: %s"):format(path, message) end
  return (text:gsub("^#[^\n]*", "", 1))
end

--- What a script requires: a module of moonpool's that scripts may use, or a file beside it.
---@param script string its path
---@param name string "words" is words.lua in its folder, "lib.words" lib/words.lua
---@return string? text
---@return string chunkname, or what is missing
function source.module(script, name)
  if not name:find "^[%w_%-]+[%w_%-%.]*$" or name:find("..", 1, true) then
    return nil, ("bad module name %q"):format(name)
  end
  local path
  if MODULES[name] then
    path = assert(package.searchpath(name, package.path))
  else
    path = (script:match "^(.*/)[^/]*$" or "") .. name:gsub("%.", "/") .. ".lua"
  end
  local text, message = source.read(path)
  if not text then return nil, ("module '%s' not found: %s"):format(name, message) end
  return text, "@" .. path
end

return source
