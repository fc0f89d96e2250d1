--- Runs the text of a configuration file: a Lua chunk whose globals are the settings. It has no
--- library, and a bounded number of steps; that guards against mistakes, not against its author.
local config_chunk = {}

local STEPS = 10000000 -- of Lua's virtual machine; about a tenth of a second
local MOST_BYTES = 1 << 20

-- What is not set is told at once: a misspelt name, or a function of Lua's library.
local function new_environment(globals)
  return setmetatable({}, {
    __index = function(_, name)
      local value = globals[name]
      if value ~= nil then return value end
      error(("there is no global '%s': a configuration has only those that it sets itself"):format(
        tostring(name)), 2)
    end,
    __newindex = globals,
  })
end

local function stop()
  error(("after %d steps it has not ended"):format(STEPS), 2)
end

-- A message without the place that Lua puts before it, and the line there.
local function split(message)
  local line, text = message:match "^%(config%):(%d+): (.*)$"
  if not line then return message end
  return text, math.tointeger(tonumber(line))
end

local function run(chunk)
  local co = coroutine.create(chunk)
  debug.sethook(co, stop, "", STEPS)
  local ok, problem = coroutine.resume(co)
  if ok and coroutine.status(co) ~= "dead" then return nil, "it must not yield" end
  if ok then return true end
  return nil, type(problem) == "string" and problem or "it raised a " .. type(problem)
end

--- The globals that the text sets.
---@param text string
---@return table<string, any>? globals
---@return string? message without the file's name
---@return integer? line
function config_chunk.run(text)
  local globals = {}
  local chunk, message = load(text, "=(config)", "t", new_environment(globals))
  if not chunk then return nil, split(message) end
  local ok
  ok, message = run(chunk)
  if not ok then return nil, split(message) end
  return globals
end

--- The text of a file.
---@param path string
---@return string? text
---@return string? message names the file
function config_chunk.read(path)
  local file, missing = io.open(path, "rb")
  if not file then return nil, missing end
  local text, message = file:read(MOST_BYTES + 1)
  file:close()
  if not text and message then return nil, ("%s: %s"):format(path, message) end
  if text and #text > MOST_BYTES then
    return nil, ("%s: longer than %d bytes"):format(path, MOST_BYTES)
  end
  return text or ""
end

return config_chunk
