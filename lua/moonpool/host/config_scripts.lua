--- The bots and policies of a configuration: from what is written there, or on the command line, to
--- one entry for each script file.
local nearest = require "moonpool.nearest"
local schema = require "moonpool.host.config_schema"
local script_files = require "moonpool.host.script_files"
local system = require("moonpool.core").system

local config_scripts = {}

local MOST_DEPTH = 16

---@class moonpool.host.config.script
---@field kind "bot"|"policy"|"auth"
---@field path string
---@field name string
---@field rooms string[]? instead of those that the script names
---@field options table
---@field memory integer bytes; 0: no limit
---@field budget number seconds of CPU; 0: no limit
---@field priority number? of a policy, instead of its own
---@field grants table<string, boolean> `redis`: it has bot.redis
---@field seed integer?
---@field is_library boolean it came with moonpool
---@field package identity string the file, whatever path it is named by
---@field package is_explicit boolean not just one of a folder's

-- ---- options -----------------------------------------------------------------------------------

local PLAIN = { string = true, number = true, boolean = true, table = true }

-- A copy of an option's value, which is plain data.
local function copy_option(value, place, problems, depth)
  if not PLAIN[type(value)] then
    problems:add(place, ("an option is a text, number, boolean or table, not a %s"):format(
      type(value)))
    return nil
  end
  if type(value) ~= "table" then return value end
  if depth > MOST_DEPTH then
    problems:add(place, ("more than %d tables in each other"):format(MOST_DEPTH))
    return nil
  end
  local copy = {}
  for _, key in ipairs(schema.keys(value)) do
    local item = value[key]
    local where = type(key) == "string" and place .. "." .. key
      or ("%s[%s]"):format(place, tostring(key))
    if type(key) == "table" or type(key) == "function" then
      problems:add(place, ("a %s cannot be a key"):format(type(key)))
    else
      copy[key] = copy_option(item, where, problems, depth + 1)
    end
  end
  return copy
end

-- ---- what is written ---------------------------------------------------------------------------

local function unknown_field(name, place, known, problems)
  local meant = nearest(tostring(name), known)
  problems:add(("%s.%s"):format(place, tostring(name)), meant and
    ("unknown; did you mean %s?"):format(meant)
    or ("unknown; there are %s"):format(table.concat(known, ", ")))
end

-- What is said of a script besides its path: settings, and its options. A policy's other fields are
-- options, too.
local function read_fields(written, kind, place, problems)
  local fields, options, known = {}, {}, schema[kind]
  local function where_of(key) return ("%s.%s"):format(place, tostring(key)) end
  for _, key in ipairs(schema.keys(written)) do
    local value, where = written[key], where_of(key)
    if known[key] then
      if key == "rooms" then
        fields.rooms = schema.check_rooms(value, where, problems)
      elseif schema.check(known[key], value, where, problems) then
        fields[key] = value
      end
    elseif type(key) == "string" and kind ~= "bot" then
      options[key] = copy_option(value, where, problems, 1)
    elseif key ~= 1 then
      unknown_field(key, place, schema.keys(known), problems)
    end
  end
  for key, value in pairs(copy_option(fields.options or {}, where_of("options"), problems, 1)) do
    options[key] = value
  end
  fields.options = options
  return fields
end

local function in_folder(folder, path)
  if path:sub(1, 1) == "/" or folder == "" or folder == "." then return path end
  return folder .. "/" .. path
end

-- A word that is no path names a policy of the library.
local function is_library_name(kind, word)
  return kind == "policy" and not word:find("/", 1, true) and not word:find "%.lua$"
end

local function find_in_library(name, place, problems)
  local path = script_files.library_path(name)
  if path then return { path } end
  local known = script_files.library_names()
  local meant = nearest(name, known)
  problems:add(place, ("there is no policy '%s' in the library%s; it has %s"):format(name,
    meant and (", did you mean %s?"):format(meant) or "", table.concat(known, ", ")))
end

local function find_files(kind, word, folder, place, problems)
  if is_library_name(kind, word) then return find_in_library(word, place, problems), true end
  local files, message = script_files.find(in_folder(folder, word))
  if not files then problems:add(place, message) end
  return files, false
end

local function new_script(kind, path, fields)
  return {
    kind = kind, path = path, name = fields.name or script_files.base_name(path),
    rooms = fields.rooms, options = fields.options, memory = math.tointeger(fields.memory),
    budget = fields.budget, priority = fields.priority, grants = { redis = fields.redis or nil },
    identity = system.realpath(path) or path,
  }
end

-- One item of the list: a path, or { path, name = … }.
local function read_item(item, kind, folder, place, problems)
  local written = type(item) == "table" and item or { item }
  local word = written[1]
  if type(word) ~= "string" or word == "" then
    problems:add(place, ("a path, or a table that begins with one, is needed, not %s"):format(
      type(item) == "table" and "a table without" or type(word)))
    return {}
  end
  local fields = read_fields(written, kind, place, problems)
  local files, is_library = find_files(kind, word, folder, place, problems)
  local is_folder = not is_library and script_files.is_folder(in_folder(folder, word))
  if is_folder and fields.name then
    problems:add(place .. ".name", "a folder's scripts cannot have one name")
    fields.name = nil
  end
  local scripts = {}
  for index, path in ipairs(files or {}) do
    local script = new_script(kind, path, fields)
    script.is_explicit, script.is_library = not is_folder, is_library
    scripts[index] = script
  end
  return scripts
end

--- The scripts of a list, each path in it relative to the folder.
---@param list any
---@param kind "bot"|"policy"|"auth"
---@param folder string
---@param place string? such as "bots"; nil: of the command line
---@param problems moonpool.host.problems
---@return moonpool.host.config.script[]
function config_scripts.read(list, kind, folder, place, problems)
  if type(list) ~= "table" then
    problems:add(place, ("a list of paths is needed, not %s"):format(type(list)))
    return {}
  end
  local scripts, count = {}, 0
  for index, item in ipairs(list) do
    count = index
    local where = place and ("%s[%d]"):format(place, index)
    local found = read_item(item, kind, folder, where, problems)
    table.move(found, 1, #found, #scripts + 1, scripts)
  end
  for _, key in ipairs(schema.keys(list)) do
    if math.type(key) ~= "integer" or key < 1 or key > count then
      problems:add(("%s.%s"):format(place, tostring(key)),
        "a list is needed; what is said of one script goes into braces with its path")
    end
  end
  return scripts
end

-- ---- all of them -------------------------------------------------------------------------------

--- Leaves out the files of folders that are named by themselves, too.
---@param scripts moonpool.host.config.script[]
---@return moonpool.host.config.script[]
function config_scripts.without_doubles(scripts)
  local seen, list = {}, {}
  for _, script in ipairs(scripts) do
    if script.is_explicit then seen[script.identity] = true end
  end
  for _, script in ipairs(scripts) do
    local identity = script.identity
    if script.is_explicit or not seen[identity] then list[#list + 1] = script end
    seen[identity] = true
  end
  return list
end

--- Notes scripts that have the same name.
---@param scripts { name: string, path: string }[]
---@param problems moonpool.host.problems
function config_scripts.check_names(scripts, problems)
  local by_name = {}
  for _, script in ipairs(scripts) do
    local other = by_name[script.name]
    if other then
      local which = other.path == script.path and "it twice" or other.path .. " besides"
      problems:add(script.path, ("two scripts are named '%s', %s; name one of them with "
        .. "{ \"%s\", name = \"…\" }"):format(script.name, which, script.path))
    end
    by_name[script.name] = other or script
  end
end

return config_scripts
