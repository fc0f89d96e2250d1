--- Commands: "!roll 2d6" in a message calls a function with its arguments; "!help" tells which
--- there are.
local EXCLAMATION = 33
local MAX_BYTES = 65536 -- of a message; what is longer is no command

local ABOUT = { usage = "string", help = "string", aliases = "table" }

local function line(entry)
  local usage = entry.usage ~= "" and " " .. entry.usage or ""
  local help = entry.help ~= "" and ": " .. entry.help or ""
  return string.format("!%s%s%s", entry.name, usage, help)
end

local function with_aliases(entry)
  if #entry.aliases == 0 then return line(entry) end
  return string.format("%s (also !%s)", line(entry), table.concat(entry.aliases, ", !"))
end

-- Each command once, by name.
local function sorted(list)
  local entries = {}
  for name, entry in pairs(list) do
    if name == entry.name and not entry.is_generated then entries[#entries + 1] = entry end
  end
  table.sort(entries, function(a, b) return a.name < b.name end)
  return entries
end

-- What "!help" answers: the commands, or one of them; nil when that is another bot's.
local function help(list, wanted)
  if wanted then
    local name = string.lower((string.gsub(wanted, "^!", "")))
    local entry = list[name]
    return entry and not entry.is_generated and with_aliases(entry) or nil
  end
  local lines = sorted(list)
  for index, entry in ipairs(lines) do lines[index] = line(entry) end
  return table.concat(lines, "; ")
end

-- The name and the text of a command; nil: the message has none.
local function split(text)
  local name, at = string.match(text, "^!(%S+)%s*()")
  if name then return string.lower(name), string.match(text, "^.*%S", at) or "" end
end

---@param guest moonpool.guest
return function(guest)
  local check = guest.tools.module "check"
  local words = guest.tools.module "words"
  local list = {} -- by name and alias
  local self = {}

  -- The name in lower case; or nil, what is wrong with it.
  local function check_name(name)
    if type(name) ~= "string" then return nil, "an alias must be a string, not " .. type(name) end
    if name == "" or string.find(name, "[%s!]") then
      return nil, string.format("bad name %q: one word without ! is needed", name)
    end
    local key = string.lower(name)
    if list[key] and not list[key].is_generated then
      return nil, string.format("there is a !%s already", key)
    end
    return key
  end

  -- The names that a command is called by, its own first.
  local function check_names(name, aliases)
    local own, problem = check_name(name)
    if not own then return nil, problem end
    local names, seen = { own }, { [own] = true }
    for _, alias in next, aliases do
      alias, problem = check_name(alias)
      if not alias then return nil, problem end
      if not seen[alias] then names[#names + 1] = alias end
      seen[alias] = true
    end
    return names
  end

  local function add_help()
    list.help = list.help or {
      name = "help", is_generated = true, fn = function(message, args)
        local text = help(list, args[1])
        if text then message:reply(text) end
      end,
    }
  end

  --- Adds a command. Errors are about its caller.
  ---@param name string
  ---@param about table|function
  ---@param fn function?
  function self.add(name, about, fn)
    if fn == nil then about, fn = nil, about end
    check.type("string", name, "bot:command", "name")
    check.type("function", fn, "bot:command", "function")
    about = check.options(about, ABOUT, "bot:command")
    local names, problem = check_names(name, about.aliases or {})
    if not names then error("bot:command: " .. problem, 2) end
    local entry = { fn = fn, usage = about.usage or "", help = about.help or "", aliases = names }
    for _, each in ipairs(names) do list[each] = entry end
    entry.name = table.remove(names, 1)
    add_help()
  end

  --- Calls the command of a message, if it has one.
  ---@param message moonpool.bot.message
  function self.run(message)
    local text = message.text
    if string.byte(text) ~= EXCLAMATION or #text > MAX_BYTES then return end
    if message.bot or message.type ~= "message" then return end
    local name, rest = split(text)
    local entry = name and list[name]
    if entry then guest.call("command", entry.fn, message, words(rest)) end
  end

  --- As the host shows them.
  ---@return { name: string, usage: string, help: string }[]
  function self.describe()
    local all = sorted(list)
    for index, entry in ipairs(all) do
      all[index] = { name = entry.name, usage = entry.usage, help = entry.help }
    end
    return all
  end

  return self
end
