--- Scripts on disk: reading them, and what they require.
local source = {}

-- Modules of moonpool's that need nothing but Lua.
local MODULES = {
  ["moonpool.text"] = true, ["moonpool.glob"] = true, ["moonpool.nearest"] = true,
}

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

--- A copy of a script with its text as it is on disk now.
---@param script moonpool.host.script
---@return moonpool.host.script? own
---@return string? message
function source.open(script)
  local text, message = source.read(script.path)
  if not text then return nil, message end
  local own = {}
  for key, value in pairs(script) do own[key] = value end
  own.text = text
  return own
end

--- What a script requires: a module of moonpool's that scripts may use, or a file beside it.
---@param script string its path
---@param name string "words" is words.lua in its folder, "lib.words" lib/words.lua
---@return string? text
---@return string chunkname # or what is missing
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
