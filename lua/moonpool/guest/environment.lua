--- The globals of a script: what is safe of Lua's library (the isolate has nothing else), and what
--- this adds: load, print, require.
local NAMES = {
  "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget",
  "rawlen", "rawset", "select", "setmetatable", "tonumber", "tostring", "type", "xpcall",
  "_VERSION",
}

-- All pieces of a chunk that load is given as a function.
local function join(reader)
  local pieces = {}
  for piece in reader do
    if type(piece) ~= "string" then error("load: the reader must return strings", 3) end
    if piece == "" then break end
    pieces[#pieces + 1] = piece
  end
  return table.concat(pieces)
end

local function new_load(tools, env)
  return function(chunk, name, mode, environment)
    if mode ~= nil and mode ~= "t" and mode ~= "bt" then
      return nil, "load: there are chunks of text only"
    end
    if type(chunk) == "function" then
      chunk, name = join(chunk), name or "=(load)"
    elseif type(chunk) ~= "string" then
      error("load: a string or function is needed, not " .. type(chunk), 2)
    end
    if environment ~= nil and type(environment) ~= "table" then
      error("load: a table of globals is needed, not " .. type(environment), 2)
    end
    return tools.load(chunk, name or chunk, environment or env)
  end
end

-- Modules of moonpool's that are of use to scripts, and files in the script's folder. Each runs
-- once, with the script's globals.
local function new_require(guest, env)
  local tools = guest.tools
  local own = {
    json = tools.json, null = tools.null, now = tools.now, time = tools.time,
    sleep = function(seconds) guest.ask("sleep", seconds) end,
  }
  local loaded, running = { moonpool = own }, {}

  local function run(name, text, chunkname)
    local chunk, message = guest.tools.load(text, chunkname, env)
    if not chunk then error(message, 0) end
    running[name] = true
    local ok, result = pcall(chunk, name)
    running[name] = nil
    if not ok then error(result, 0) end
    loaded[name] = result == nil or result
  end

  return function(name)
    if type(name) ~= "string" then
      error("require: a name is needed, not " .. type(name), 2)
    end
    if loaded[name] == nil then
      if running[name] then
        error(string.format("require: the module '%s' is being loaded: a loop", name), 2)
      end
      local text, chunkname = guest.ask("source", name)
      if not text then error("require: " .. chunkname, 2) end
      if loaded[name] == nil then run(name, text, chunkname) end
    end
    return loaded[name]
  end
end

---@param guest moonpool.guest
---@return table
return function(guest)
  local env = {}
  for _, name in ipairs(NAMES) do env[name] = _G[name] end
  for name, library in pairs(guest.libraries) do env[name] = library end
  env._G = env
  env.load = new_load(guest.tools, env)
  env.print = function(...) guest.log("info", "\t", ...) end
  env.require = new_require(guest, env)
  return env
end
