--- What a host is to run, and how: the configuration file, and what the command line says over it.
--- docs/config.md is the manual.
local config_chunk = require "moonpool.host.config_chunk"
local config_gateway = require "moonpool.host.config_gateway"
local config_scripts = require "moonpool.host.config_scripts"
local nearest = require "moonpool.nearest"
local new_problems = require("moonpool.host.problems").new
local schema = require "moonpool.host.config_schema"

local config = {}

--- The file that is taken when nothing else is said.
config.DEFAULT_PATH = "moonpool.conf.lua"

---@class moonpool.host.config all of it checked, all defaults filled in
---@field file string? the configuration file
---@field redis string? URL; nil: $REDIS_URL or the private one
---@field name string the host's
---@field control string|false|nil path of the control socket; nil: the default one; false: none
---@field catch_up number seconds
---@field seed integer?
---@field limits { memory: integer, budget: number, slice: number, grace: number,
--- queue: integer, policy_timeout: number, stop: number }
---@field restart { max_failures: integer, within: number, backoff_min: number,
--- backoff_max: number, max_crashes: integer, crashes_within: number }
---@field log { format: "text"|"json", level: string, repeats: integer, within: number }
---@field gateway table? as moonpool.gateway.open takes it, without hooks
---@field bots moonpool.host.config.script[]
---@field policies moonpool.host.config.script[]
---@field auth moonpool.host.config.script[] one at most: gateway.authenticate
---@field watched string[] the file, and the folders and files of scripts as they were given

---@class moonpool.host.config.flags
---@field files string[]? bots besides those of the file
---@field policies string[]? likewise
---@field redis string?
---@field name string?
---@field control string|false|nil
---@field log string? format
---@field memory integer?
---@field budget number?
---@field seed integer?
---@field listen string[]? addresses of the gateway
---@field secret_file string? likewise
---@field tls_cert string?
---@field tls_key string?
---@field workers integer? processes that carry rooms to browsers

-- ---- the file ----------------------------------------------------------------------------------

local SCRIPTS = { bots = "bot", policies = "policy" }

local function known_settings()
  local all = {}
  for _, list in ipairs { schema.top, schema.sections, SCRIPTS, { gateway = true } } do
    for name in pairs(list) do all[name] = true end
  end
  return schema.keys(all)
end

local function unknown(place, name, known, problems)
  local meant = nearest(tostring(name), known)
  problems:add(place, meant and ("unknown; did you mean %s?"):format(meant)
    or ("unknown; there are %s"):format(table.concat(known, ", ")))
end

local function read_section(section, value, known, problems)
  if not schema.check({ what = "a table", type = "table", fits = function() return true end },
    value, section, problems) then return {} end
  local settings = {}
  for _, name in ipairs(schema.keys(value)) do
    local item, place = value[name], ("%s.%s"):format(section, tostring(name))
    if not known[name] then
      unknown(place, name, schema.keys(known), problems)
    elseif schema.check(known[name].kind, item, place, problems) then
      settings[name] = item
    end
  end
  return settings
end

local function folder_of(path) return path:match "^(.*)/[^/]*$" or "" end

local function in_folder(folder, path)
  if path:sub(1, 1) == "/" or folder == "" then return path end
  return folder .. "/" .. path
end

local function read_top(settings, name, value, problems)
  if name == "control" and value == false then
    settings.control = false
  elseif schema.check(schema.top[name].kind, value, name, problems) then
    settings[name] = name == "control" and in_folder(settings.folder, value) or value
  end
end

-- The paths that a list names, to be watched.
local function paths_of(list, kind, folder)
  local paths = {}
  for _, item in ipairs(type(list) == "table" and list or {}) do
    local word = type(item) == "table" and item[1] or item
    if type(word) == "string" and (kind == "bot" or word:find "/" or word:find "%.lua$") then
      paths[#paths + 1] = in_folder(folder, word)
    end
  end
  return paths
end

local function append(list, more) table.move(more, 1, #more, #list + 1, list) end

-- Notes what is wrong; what is right is in the settings.
local function read_globals(settings, globals, problems)
  for _, name in ipairs(schema.keys(globals)) do
    local value, kind = globals[name], SCRIPTS[name]
    if kind then
      settings[name] = config_scripts.read(value, kind, settings.folder, name, problems)
      append(settings.watched, paths_of(value, kind, settings.folder))
    elseif name == "gateway" then
      settings.gateway = config_gateway.read(value, settings.folder, problems)
      local script = settings.gateway.authenticate
      append(settings.watched, { script and script.path })
    elseif schema.sections[name] then
      settings[name] = read_section(name, value, schema.sections[name], problems)
    elseif schema.top[name] then
      read_top(settings, name, value, problems)
    else
      unknown(name, name, known_settings(), problems)
    end
  end
end

local function read_file(path, problems)
  local settings = { file = path, folder = folder_of(path), watched = { path } }
  local text, missing = config_chunk.read(path)
  if not text then
    problems.list[#problems.list + 1] = missing
    return settings
  end
  problems:set_text(text)
  local globals, message, line = config_chunk.run(text)
  if globals then
    read_globals(settings, globals, problems)
  else
    problems:add(nil, message, line)
  end
  return settings
end

--- Reads a configuration file. Paths in it are relative to its folder.
---@param path string
---@return table? settings for config.merge: those that the file gives; nil when anything is wrong
---@return string[]? messages each with the file, and the line where it is known
function config.load(path)
  local problems = new_problems(path)
  local settings = read_file(path, problems)
  if #problems.list > 0 then return nil, problems.list end
  return settings
end

-- ---- the command line over it ------------------------------------------------------------------

local FLAG_OF_SECTION = {
  log = { format = "log" }, limits = { memory = "memory", budget = "budget" },
}
local FLAG_NAMES = { log = "--log", memory = "--memory", budget = "--budget" }

local function merge_top(all, settings, flags, problems)
  for _, name in ipairs(schema.keys(schema.top)) do
    local about, value = schema.top[name], flags[name]
    if value ~= nil and value ~= false then
      schema.check(about.kind, value, "--" .. name, problems)
    end
    if value == nil then value = settings[name] end
    if value == nil then value = about.default end
    all[name] = value
  end
  all.seed = math.tointeger(all.seed)
end

local function merge_section(section, known, given, flags, problems)
  local all = {}
  for _, name in ipairs(schema.keys(known)) do
    local about = known[name]
    local flag = (FLAG_OF_SECTION[section] or {})[name]
    local value = flag and flags[flag]
    if value ~= nil then schema.check(about.kind, value, FLAG_NAMES[flag], problems) end
    if value == nil then value = given[name] end
    if value == nil then value = about.default end
    all[name] = math.type(about.default) == "integer" and math.tointeger(value) or value
  end
  return all
end

-- What is said of all scripts holds for those of which nothing else is said.
local function complete(script, all)
  script.memory = script.memory or all.limits.memory
  script.budget = script.budget or all.limits.budget
  script.seed = all.seed
end

local function merge_scripts(all, settings, flags, problems)
  local together = {}
  for _, field in ipairs { "bots", "policies" } do
    local given = flags[field == "bots" and "files" or "policies"] or {}
    local list = {}
    append(list, settings[field] or {})
    append(list, config_scripts.read(given, SCRIPTS[field], "", nil, problems))
    append(all.watched, paths_of(given, SCRIPTS[field], ""))
    list = config_scripts.without_doubles(list)
    for _, script in ipairs(list) do complete(script, all) end
    all[field] = list
  end
  for _, script in ipairs(all.auth) do complete(script, all) end
  append(together, all.auth)
  append(together, all.bots)
  append(together, all.policies)
  config_scripts.check_names(together, problems)
end

local function check_backoff(restart, file, problems)
  if restart.backoff_max >= restart.backoff_min then return end
  problems:add(file, ("restart.backoff_max: at least backoff_min, %g, is needed, not %g"):format(
    restart.backoff_min, restart.backoff_max))
end

local function merge(settings, flags, problems)
  local all = { file = settings.file, watched = {} }
  append(all.watched, settings.watched or {})
  merge_top(all, settings, flags, problems)
  for _, section in ipairs(schema.keys(schema.sections)) do
    local known = schema.sections[section]
    all[section] = merge_section(section, known, settings[section] or {}, flags, problems)
  end
  check_backoff(all.restart, settings.file, problems)
  all.gateway = config_gateway.merge(settings.gateway, flags, problems)
  all.auth = { all.gateway and all.gateway.authenticate }
  merge_scripts(all, settings, flags, problems)
  return all
end

--- Everything that is to be known, with defaults for what neither says.
---@param settings table? from config.load
---@param flags moonpool.host.config.flags
---@return moonpool.host.config? config nil when anything is wrong
---@return string[]? messages
function config.merge(settings, flags)
  local problems = new_problems(nil)
  local all = merge(settings or {}, flags, problems)
  if #problems.list > 0 then return nil, problems.list end
  return all
end

-- Whether there is a default file to be taken.
local function default_path(flags)
  if #(flags.files or {}) > 0 then return nil end
  local file = io.open(config.DEFAULT_PATH, "rb")
  if file then file:close() end
  return file and config.DEFAULT_PATH
end

--- Reads the file that is named, or ./moonpool.conf.lua when no scripts are named and it is there,
--- and takes the flags over it. May be called again for a reload.
---@param path string? of --config
---@param flags moonpool.host.config.flags
---@return moonpool.host.config? config nil when anything is wrong
---@return string[]? messages all that is wrong with file and flags
function config.read(path, flags)
  path = path or default_path(flags)
  local of_file, of_flags = new_problems(path), new_problems(nil)
  local settings = path and read_file(path, of_file) or {}
  local all = merge(settings, flags, of_flags)
  append(of_file.list, of_flags.list)
  if #of_file.list > 0 then return nil, of_file.list end
  if #all.bots + #all.policies == 0 and not all.gateway then
    return nil, { path and path .. ": neither bots nor policies are named"
      or ("no FILE is given, and there is no ./%s"):format(config.DEFAULT_PATH) }
  end
  return all
end

return config
