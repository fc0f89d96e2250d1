--- Loads scripts once for trial, without Redis: what cannot be loaded is known before anything
--- connects. They ask for things in vain; what they find is what a script finds that never ran.
local instances = require "moonpool.host.instance"
local room_name = require "moonpool.room_name"
local source = require "moonpool.host.source"

local trial = {}

local function nothing() end
local function no_host() return nil, "the script is only being tried", "ECLOSED" end

local ASKS = {
  load_store = function() return {} end,
  take = function() return true, 0 end,
  pattern = function() return true end,
  source = function(instance, _, name) return source.module(instance.actor.path, name) end,
  log = nothing, fail = nothing, timer = nothing, cancel = nothing, unpattern = nothing,
  sleep = nothing, say = no_host, history = no_host, who = no_host, count = no_host,
  delete = no_host, redis = no_host,
}

local function check_rooms(script, rooms)
  for index, room in ipairs(rooms or {}) do
    local name, message = room_name(room)
    if not name then return nil, ("%s.rooms[%d]: %s"):format(script.kind, index, message) end
  end
  return true
end

--- A message about a script, with its file's name.
---@param script moonpool.host.script
---@param message string
---@return string
function trial.named(script, message)
  return message:find(script.path, 1, true) and message or ("%s: %s"):format(script.path, message)
end

--- Loads a script for trial.
---@param script moonpool.host.script without its text
---@return table? description what it is, and reacts to
---@return string? message names the file, and the line where there is one
function trial.load(script)
  local own, message = source.open(script)
  if not own then return nil, message end
  local instance
  instance, message = instances.load(own, ASKS, script)
  if not instance then return nil, trial.named(script, message) end
  local description = instance.description
  instance:close()
  local ok
  ok, message = check_rooms(script, script.rooms or description.rooms)
  if not ok then return nil, trial.named(script, message) end
  return description
end

local function name_twice(script, name, by_name)
  local other = by_name[name]
  by_name[name] = other or script
  return other and ("%s: there is another %s named %q, from %s; set %s.name"):format(
    script.path, script.kind, name, other.path, script.kind)
end

--- Loads all scripts for trial.
---@param settings moonpool.host.config
---@return string[]? messages one for each that cannot be loaded; nil: all can
---@return table[]? list `{ script =, description = }`, policies first
function trial.load_all(settings)
  local list, messages = {}, {}
  for _, scripts in ipairs { settings.policies, settings.auth, settings.bots } do
    local by_name = {}
    for _, script in ipairs(scripts) do
      local description, message = trial.load(script)
      message = message or name_twice(script, description.name, by_name)
      if message then messages[#messages + 1] = message end
      list[#list + 1] = { script = script, description = description }
    end
  end
  if #messages > 0 then return messages end
  return nil, list
end

return trial
