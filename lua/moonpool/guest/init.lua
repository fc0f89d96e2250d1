--- What runs in an isolate beside the script: gives it its `bot` or `policy`, and takes the host's
--- events to its functions. The host loads it with `ask`, which awaits an answer of the host's, and
--- `tools` (bindings/isolate_tools.c). It is small, since every script pays for it.
--
-- It shares a state with the script, which may break what is its own and nothing else: the script
-- has other globals, and Lua's libraries, while the guest has copies of them, as its own globals.
-- So nothing here calls a string's methods ("x"):rep(3), which are the script's to change, nor
-- what the script hands over, except where it expects that.
local ask, tools = ...

local OWN = { "string", "table", "math" } -- what the guest uses
local MAX_TRACE, TRACE_HEAD = 16384, 4096 -- bytes of what is told of a failure
local MAX_QUEUED, MAX_LINE = 100, 8192    -- lines for the log, bytes of one

---@class moonpool.guest
---@field ask fun(...: any): any
---@field name string the script's
---@field options table from the configuration
---@field grants table<string, boolean> what it may use besides
---@field handlers table<string, function> by event of the host's
---@field libraries table<string, table> Lua's, for the script
---@field running integer functions of the script's that have been called and have not returned
---@field is_loaded boolean the script's chunk has ended
---@field stores? table of bots and policies
local guest = {
  ask = ask, tools = tools, handlers = {}, libraries = { coroutine = coroutine, utf8 = utf8 },
  name = "script", running = 0, is_loaded = false,
}
local handlers = guest.handlers

for _, name in ipairs(OWN) do
  local library, copy = _G[name], {}
  for key, value in pairs(library) do copy[key] = value end
  guest.libraries[name], _G[name] = library, copy
end

-- ---- failures ----------------------------------------------------------------------------------

-- The lines of a traceback that are the script's: the guest has no names of files, and its call of
-- the script's function is the end. "" when there are none.
local function own_lines(trace, from)
  local lines, is_own = {}, false
  while from <= #trace do
    local to = string.find(trace, "\n", from, true) or #trace + 1
    local line = string.sub(trace, from, to - 1)
    local is_c = string.sub(line, 1, 6) == "\t[C]: "
    if is_c and string.find(line, "'try'", 1, true) then break end
    if is_c or string.sub(line, 1, 4) ~= "\t?: " then
      lines[#lines + 1] = line
      is_own = is_own or string.find(line, ":%d+: ") ~= nil
    end
    from = to + 1
  end
  return is_own and table.concat(lines, "\n") or ""
end

local function shorten(trace)
  if #trace <= MAX_TRACE then return trace end
  return string.sub(trace, 1, TRACE_HEAD) .. "\n…\n" ..
    string.sub(trace, TRACE_HEAD - MAX_TRACE)
end

local TITLE = "\nstack traceback:\n"

local function clean(trace)
  trace = shorten(trace)
  local at = string.find(trace, TITLE, 1, true)
  if not at then return trace end
  local lines = own_lines(trace, at + #TITLE)
  return string.sub(trace, 1, at - 1) .. (lines ~= "" and TITLE .. lines or "")
end

-- ---- the log -----------------------------------------------------------------------------------

-- Lines that came where nothing can be awaited (in a function that string.gsub calls, say).
local queue, dropped = {}, 0

local function flush()
  local lines, count = queue, dropped
  queue, dropped = {}, 0
  for _, line in ipairs(lines) do ask("log", line.level, line.text) end
  if count > 0 then ask("log", "warning", string.format("%d more lines were dropped", count)) end
end

--- Writes to the host's log.
---@param level string
---@param separator string between the words
---@param ... any
function guest.log(level, separator, ...)
  local words = table.pack(...)
  for index = 1, words.n do words[index] = tostring(words[index]) end
  local text = table.concat(words, separator)
  if #text > MAX_LINE then text = string.sub(text, 1, MAX_LINE) .. "…" end
  if pcall(ask, "log", level, text) then return end
  if #queue < MAX_QUEUED then
    queue[#queue + 1] = { level = level, text = text }
  else
    dropped = dropped + 1
  end
end

-- ---- calls -------------------------------------------------------------------------------------

local function called(ok, ...)
  guest.running = guest.running - 1
  if #queue > 0 then flush() end
  return ok, ...
end

--- Calls a script's function; its failure is told to the host, with its traceback.
---@param event string
---@param fn function
---@return boolean ok
---@return any ... what it returned
function guest.call(event, fn, ...)
  guest.running = guest.running + 1
  local ok, first, second = called(tools.try(fn, ...))
  if not ok then ask("fail", clean(first), event) end
  return ok, first, second
end

-- The script's own globals, over what is safe of Lua's library.
local function new_environment(kind, object)
  local env = tools.module "environment"(guest)
  env[kind] = object
  return env
end

local function load(text, chunkname, kind)
  local object, describe = tools.module(kind)(guest)
  local chunk, message = tools.load(text, chunkname, new_environment(kind, object))
  if not chunk then error(message, 0) end
  chunk()
  guest.is_loaded = true
  return describe()
end

--- Runs the script, so that it has all its functions: what it is and reacts to.
---@param text string
---@param chunkname string
---@param kind "bot"|"policy"
---@param name string
---@param options table
---@param grants table<string, boolean> what it may use besides
---@return table? description
---@return string? message what it failed of, with its traceback
function handlers.load(text, chunkname, kind, name, options, grants)
  guest.name, guest.options, guest.grants = name, options or {}, grants or {}
  guest.running = 1
  if guest.grants.is_ordered then tools.module "ordered"(guest) end
  local ok, description = called(tools.try(load, text, chunkname, kind))
  if not ok then return nil, clean(description) end
  return description
end

--- What has changed in stores since it was asked for last.
function handlers.commit() return guest.stores and guest.stores.changes() or {} end

--- What the next version of the script is given.
function handlers.state() return nil end

return function(event, ...)
  local handler = handlers[event]
  if not handler then error(string.format("no handler for %s", event)) end
  return handler(...)
end
