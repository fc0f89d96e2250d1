-- Quotes of a room: "!quote add TEXT", "!quote 3", "!quote WORD" searches, "!quote" takes any,
-- "!quote drop 3" for whoever added it. "!grab ann" keeps what ann said last.

local MOST, MOST_TEXT, REMEMBERED = 200, 250, 200

local last_said = {} -- by room and user, of those who spoke lately
local spoken = {}    -- the keys of that, oldest first

local function quotes_of(message)
  local store = message:store()
  if not store.quotes then store.quotes = {} end
  return store.quotes, store
end

-- Numbers that are in use, in order.
local function numbers(quotes)
  local list = {}
  for key in pairs(quotes) do list[#list + 1] = tonumber(key) end
  table.sort(list)
  return list
end

local function show(quotes, number)
  return ("#%d: %s"):format(number, quotes[tostring(number)].text)
end

local function add(message, text)
  local quotes, store = quotes_of(message)
  if text == "" then return "What is to be quoted? !quote add TEXT" end
  if #text > MOST_TEXT then return ("That is longer than %d bytes."):format(MOST_TEXT) end
  if #numbers(quotes) >= MOST then return ("There are %d already; drop one."):format(MOST) end
  local number = (store.last or 0) + 1
  store.last = number
  quotes[tostring(number)] = { text = text, by = message.user }
  return ("Kept as #%d."):format(number)
end

local function drop(message, word)
  local quotes = quotes_of(message)
  local key = (word or ""):match "^#?(%d+)$"
  local quote = key and quotes[key]
  if not quote then return "There is no such quote." end
  if quote.by ~= message.user then return ("%s has added it."):format(quote.by or "someone") end
  quotes[key] = nil
  return "Dropped."
end

local function search(message, word)
  local quotes, found = quotes_of(message), {}
  local wanted = word:lower()
  for _, number in ipairs(numbers(quotes)) do
    local text = quotes[tostring(number)].text:lower()
    if text:find(wanted, 1, true) then found[#found + 1] = number end
  end
  if #found == 0 then return "There is no such quote." end
  return show(quotes, found[math.random(#found)])
end

local function any(message)
  local quotes = quotes_of(message)
  local list = numbers(quotes)
  if #list == 0 then return "There are no quotes yet: !quote add TEXT" end
  return show(quotes, list[math.random(#list)])
end

bot:command("quote", { usage = "[add TEXT | drop N | N | WORD]", help = "keeps and tells quotes" },
  function(message, args)
    local word, key = args[1], (args[1] or ""):match "^#?(%d+)$"
    if not word then return message:reply(any(message)) end
    if word == "add" then return message:reply(add(message, args.text:match "^add%s*(.*)$")) end
    if word == "drop" then return message:reply(drop(message, args[2])) end
    local quotes = quotes_of(message)
    if key and quotes[key] then return message:reply(show(quotes, tonumber(key))) end
    message:reply(key and "There is no such quote." or search(message, args.text))
  end)

bot:command("grab", { usage = "NAME", help = "keeps what NAME said last" }, function(message, args)
  local name = (args[1] or ""):lower()
  local said = last_said[message.room .. "\0" .. name]
  if not said then return message:reply "I have not heard that." end
  message:reply(add(message, ("<%s> %s"):format(said.user, said.text)))
end)

bot:on("publish", function(message)
  if not message.user or message.bot or message.text:find "^!" then return end
  local key = message.room .. "\0" .. message.user:lower()
  if not last_said[key] then spoken[#spoken + 1] = key end
  last_said[key] = { user = message.user, text = message.text:sub(1, MOST_TEXT) }
  if #spoken > REMEMBERED then last_said[table.remove(spoken, 1)] = nil end
end)
