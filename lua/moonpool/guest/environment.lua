--- The globals of a script: what is safe of Lua's library (the isolate has nothing else), and what
--- this adds: load, print, require.
local NAMES = {
  "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget",
  "rawlen", "rawset", "select", "setmetatable", "tonumber", "tostring", "type", "xpcall",
  "_VERSION", "coroutine", "math", "string", "table", "utf8",
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
  return function(chunk, name, _, environment)
    if type(chunk) == "function" then chunk = join(chunk) end
    return tools.load(chunk, name or "=(load)", environment or env)
  end
end

local function new_print(guest)
  return function(...)
    local words = table.pack(...)
    for index = 1, words.n do words[index] = tostring(words[index]) end
    guest.ask("log", "info", table.concat(words, "\t"))
  end
end

-- Modules of moonpool's that are of use to scripts, and files in the script's folder.
local function new_require(guest, env)
  local loaded = {}
  return function(name)
    if type(name) ~= "string" then error("require: a name is needed", 2) end
    if loaded[name] ~= nil then return loaded[name] end
    local text, chunkname = guest.ask("source", name)
    if not text then error(("require: %s"):format(chunkname), 2) end
    local chunk, message = guest.tools.load(text, chunkname, env)
    if not chunk then error(message, 0) end
    local result = chunk(name)
    if result == nil then result = true end
    loaded[name] = result
    return result
  end
end

return function(guest)
  local env = {}
  for _, name in ipairs(NAMES) do env[name] = _G[name] end
  env._G = env
  env.load = new_load(guest.tools, env)
  env.print = new_print(guest)
  env.require = new_require(guest, env)
  return env
end
