--- Reloads a host's scripts when their files change: those that have changed; all of them, when the
--- configuration has, or scripts came or went.
local watch = require "moonpool.host.watch"

local function set_of(list)
  local set = {}
  for _, item in ipairs(list) do set[item] = true end
  return set
end

-- The names of the scripts whose files have changed; nil: more has.
local function names_of(own, changes, config_file)
  local changed, names = set_of(changes.changed), {}
  if #changes.added + #changes.removed > 0 or changed[config_file] then return nil end
  for _, actor in ipairs(own:actors()) do
    local path = actor.script.path
    if changed[path] ~= nil then
      names[#names + 1] = actor.id
      changed[path] = false
    end
  end
  for _, is_left in pairs(changed) do
    if is_left then return nil end -- of none that runs: it could not be loaded before
  end
  return names
end

--- Watches the files of a host that runs.
---@param own moonpool.host
---@param settings moonpool.host.config what it was made of
---@param read fun(): moonpool.host.config?, string[]? reads it again
---@param log moonpool.host.log
---@return moonpool.host.watch? watcher to be closed before the host ends
---@return string? message what cannot be watched
return function(own, settings, read, log)
  local watcher

  local function reload_all()
    local now, messages = read()
    for _, message in ipairs(messages or {}) do
      log:write("error", "not reloaded: " .. message)
    end
    if not now then return end
    own:reload(now)
    local ok, message = watcher:set(now.watched)
    if not ok then log:write("warning", message) end
  end

  local message
  watcher, message = watch.new(settings.watched, function(changes)
    local names = names_of(own, changes, settings.file)
    if not names then return reload_all() end
    for _, name in ipairs(names) do own:reload_one(name) end
  end)
  return watcher, message
end
