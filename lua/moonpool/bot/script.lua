--- Bot scripts on disk: finding them, loading them.
local system = require("moonpool.core").system
local moonpool_bot = require "moonpool.bot"
local room_name = require "moonpool.room_name"

local script = {}

local function is_folder(path)
  local status = system.stat(system.realpath(path) or path)
  return status ~= nil and status.type == "directory"
end

local function scripts_in(folder)
  local names, message = system.files_in(folder, ".lua")
  if not names then return nil, message end
  if #names == 0 then return nil, folder .. ": no *.lua in this folder" end
  for index, name in ipairs(names) do names[index] = folder .. "/" .. name end
  return names
end

--- The scripts that paths stand for: files as they are, folders as the *.lua in them, by name.
---@param paths string[]
---@return string[]? files
---@return string? message names the folder that has none
function script.find(paths)
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

-- The script's own globals, over the standard library: what it sets stays its own.
local function environment(bot)
  local env = setmetatable({ bot = bot }, { __index = _G })
  env._G = env
  return env
end

local function check_rooms(rooms)
  if type(rooms) ~= "table" then return nil, "bot.rooms: a list of room names is needed" end
  for index, room in ipairs(rooms) do
    local name, message = room_name(room)
    if not name then return nil, ("bot.rooms[%d]: %s"):format(index, message) end
  end
  return true
end

local function check_bot(bot)
  if type(bot.name) ~= "string" or bot.name == "" or bot.name:find "%c" then
    return nil, "bot.name: a name without control characters is needed"
  end
  return check_rooms(bot.rooms)
end

local function base_name(path) return (path:match "([^/]*)$":gsub("%.lua$", "")) end

local function describe(problem)
  return type(problem) == "string" and problem or ("error object: %s"):format(tostring(problem))
end

--- Loads a script and runs it, so that its bot has all its functions. Nothing is connected yet.
---@param path string
---@param report fun(bot: moonpool.bot, traceback: string)
---@return moonpool.bot? bot
---@return string? message names the file, and the line where there is one
function script.load(path, report)
  local file, missing = io.open(path, "rb")
  if not file then return nil, missing end
  file:close()
  local bot = moonpool_bot.new(base_name(path), report)
  local chunk, message = loadfile(path, "t", environment(bot))
  if not chunk then
    local is_named = message:find(path, 1, true)
    return nil, is_named and message or ("%s: %s"):format(path, message)
  end
  local ok, problem = xpcall(chunk, describe)
  if not ok then return nil, problem end
  local fine, bad = check_bot(bot)
  if not fine then return nil, ("%s: %s"):format(path, bad) end
  return bot
end

local function name_twice(bot, path, paths_by_name)
  local other = paths_by_name[bot.name]
  paths_by_name[bot.name] = other or path
  return other and ("%s: there is another bot named %q, from %s; set bot.name"):format(
    path, bot.name, other)
end

--- Loads all scripts that paths stand for.
---@param paths string[] files and folders
---@param report fun(bot: moonpool.bot, traceback: string)
---@return moonpool.bot[]? bots nil when any of them cannot be loaded
---@return string[]? messages one for each that cannot
function script.load_all(paths, report)
  local files, missing = script.find(paths)
  if not files then return nil, { missing } end
  local bots, messages, paths_by_name = {}, {}, {}
  for _, path in ipairs(files) do
    local bot, message = script.load(path, report)
    message = message or name_twice(bot, path, paths_by_name)
    if message then messages[#messages + 1] = message else bots[#bots + 1] = bot end
  end
  if #messages > 0 then return nil, messages end
  return bots
end

return script
