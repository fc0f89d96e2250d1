--- What runs in an isolate beside the script: gives it its `bot` or `policy`, and takes the host's
--- events to its functions. The host loads it with `ask`, which awaits an answer of the host's, and
--- `tools` (bindings/isolate_tools.c). It is small, since every script pays for it.
local ask, tools = ...

---@class moonpool.guest
---@field ask fun(...: any): any
---@field name string the script's
---@field options table from the configuration
---@field handlers table<string, function> by event of the host's
local guest = { ask = ask, tools = tools, handlers = {}, name = "script" }
local handlers = guest.handlers

-- The part of a traceback that is the script's.
local function trim(trace)
  local at = trace:find("\n[^\n]*in field 'try'")
  return at and trace:sub(1, at - 1) or trace
end

--- Calls a script's function; its failure is told to the host, with its traceback.
---@param event string
---@param fn function
---@return boolean ok
---@return any ...
function guest.call(event, fn, ...)
  local ok, problem, more = tools.try(fn, ...)
  if not ok then ask("fail", trim(problem), event) end
  return ok, problem, more
end

--- The script's own globals, over what is safe of Lua's library.
local function new_environment(kind, object)
  local env = tools.module "environment"(guest)
  env[kind] = object
  return env
end

--- Runs the script, so that it has all its functions: what it is and reacts to.
---@param text string
---@param chunkname string
---@param kind "bot"|"policy"
---@param name string
---@param options table
---@param grants table<string, boolean> what it may use besides
---@return table description
function handlers.load(text, chunkname, kind, name, options, grants)
  guest.name, guest.options, guest.grants = name, options, grants
  local object, describe = tools.module(kind)(guest)
  local chunk, message = tools.load(text, chunkname, new_environment(kind, object))
  if not chunk then error(message, 0) end
  chunk()
  return describe(object)
end

--- What has changed in stores since it was asked for last.
function handlers.commit()
  return guest.stores and guest.stores.changes() or {}
end

return function(event, ...)
  local handler = handlers[event]
  if not handler then error(("no handler for %s"):format(event)) end
  return handler(...)
end
