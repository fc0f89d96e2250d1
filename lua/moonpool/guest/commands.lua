--- Commands: "!roll 2d6" in a message calls a function with its arguments; "!help" tells which
--- there are.
local EXCLAMATION = 33
local MAX_WORDS = 1000

--- The words of a text. "Two words" in double quotes are one; a backslash keeps a quote.
---@param text string
---@return table args the words, and `text`, all of it
local function parse(text)
  local args = { text = text }
  local at = 1
  while #args < MAX_WORDS do
    at = text:find("%S", at)
    if not at then break end
    local word, after = text:match('^"([^"]*)"()', at)
    if not word then word, after = text:match("^(%S+)()", at) end
    args[#args + 1] = word
    at = after
  end
  return args
end

local function line(entry)
  local usage = entry.usage ~= "" and " " .. entry.usage or ""
  local help = entry.help ~= "" and ": " .. entry.help or ""
  return ("!%s%s%s"):format(entry.name, usage, help)
end

-- What "!help" answers: the commands, or one of them. Nothing when another bot's is asked for.
local function help(list, wanted)
  local entry = wanted and list[wanted:gsub("^!", ""):lower()]
  if entry then return line(entry) end
  if wanted then return nil end
  local names = {}
  for name, other in pairs(list) do
    if not other.is_hidden then names[#names + 1] = name end
  end
  table.sort(names)
  local lines = {}
  for index, name in ipairs(names) do lines[index] = line(list[name]) end
  return table.concat(lines, "; ")
end

---@param guest moonpool.guest
return function(guest)
  local check = guest.tools.module "check"
  local list = {}
  local self = { list = list }

  function self.add(name, about, fn)
    if type(about) == "function" and fn == nil then about, fn = {}, about end
    check.type("string", name, "bot:command", "name")
    check.type("function", fn, "bot:command", "function")
    check.type("table", about, "bot:command", "about")
    if name == "" or name:find "[%s!]" then
      error(("bot:command: bad name %q: one word without ! is needed"):format(name), 3)
    end
    local key = name:lower()
    if list[key] and not list[key].is_generated then
      error(("bot:command: there is a !%s already"):format(key), 3)
    end
    list[key] = {
      name = key, fn = fn, usage = tostring(about.usage or ""), help = tostring(about.help or ""),
    }
    if not list.help then
      list.help = {
        name = "help", usage = "", help = "", is_generated = true, is_hidden = true,
        fn = function(message, args)
          local text = help(list, args[1])
          if text then message:reply(text) end
        end,
      }
    end
  end

  --- Calls the command of a message, if it has one.
  function self.run(message)
    local text = message.text
    if text:byte() ~= EXCLAMATION or message.bot or message.type ~= "message" then return end
    local name, rest = text:match "^!(%S+)%s*(.-)%s*$"
    local entry = name and list[name:lower()]
    if entry then guest.call("command", entry.fn, message, parse(rest)) end
  end

  --- As the host shows them.
  function self.describe()
    local all = {}
    for _, entry in pairs(list) do
      if not entry.is_generated then
        all[#all + 1] = { name = entry.name, usage = entry.usage, help = entry.help }
      end
    end
    table.sort(all, function(a, b) return a.name < b.name end)
    return all
  end

  return self
end
