--- Reloads a host's scripts when their files change, or files that they have required: those that
--- have changed; all of them, when the configuration has, or scripts came or went.
local watch = require "moonpool.host.watch"

local function set_of(list)
  local set = {}
  for _, item in ipairs(list) do set[item] = true end
  return set
end

-- What a script has required, as far as that is its own.
local function modules_of(actor)
  if actor.script.is_library or not actor.instance then return {} end
  return actor.instance.modules
end

-- The files and folders that the settings name, and what scripts have required.
local function paths_of(own, settings)
  local paths, seen = {}, {}
  local function add(path)
    if not seen[path] then paths[#paths + 1] = path end
    seen[path] = true
  end
  for _, path in ipairs(settings.watched) do add(path) end
  for _, actor in ipairs(own:actors()) do
    for path in pairs(modules_of(actor)) do add(path) end
  end
  return paths
end

-- The scripts whose files, or modules, have changed; nil: more has.
local function scripts_of(own, changes, config_file)
  local changed, ids, known = set_of(changes.changed), {}, {}
  if #changes.added + #changes.removed > 0 or changed[config_file] then return nil end
  for _, actor in ipairs(own:actors()) do
    local is_concerned = changed[actor.script.path]
    known[actor.script.path] = true
    for path in pairs(modules_of(actor)) do
      known[path] = true
      is_concerned = is_concerned or changed[path]
    end
    if is_concerned then ids[#ids + 1] = actor.id end
  end
  for path in pairs(changed) do
    if not known[path] then return nil end -- of none that runs: it could not be loaded before
  end
  return ids
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
    settings = now
    own:reload(now)
  end

  local message
  watcher, message = watch.new(paths_of(own, settings), function(changes)
    local ids = scripts_of(own, changes, settings.file)
    if not ids then reload_all() end
    for _, id in ipairs(ids or {}) do own:reload_one(id) end
    local ok, problem = watcher:set(paths_of(own, settings))
    if not ok then log:write("warning", problem) end
  end)
  return watcher, message
end
