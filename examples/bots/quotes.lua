-- Quotes of the room: "!addquote <ann> the hatch is open", "!grab ann" for what ann said last,
-- "!quote" for any, "!quote 12", "!quote hatch" for one with that word, "!delquote 12" by who added
-- it and by moderators. When the room's store is full the oldest makes place.
--
-- Options: moderators = { "ann" }.
local text = require "lib.text"

local QUOTES, QUOTE_BYTES = 300, 400
local LOOKED_BACK = 100 -- messages of the room for !grab

local moderators = {}
for _, name in ipairs(bot.options.moderators or {}) do moderators[name:lower()] = true end

local function key_of(number) return ("q%06d"):format(number) end

local function numbers(store)
  local list = {}
  for key in pairs(store) do
    local number = key:match "^q(%d+)$"
    list[#list + 1] = number and tonumber(number) or nil
  end
  return list
end

local function add(store, words, by)
  local number = (store.last or 0) + 1
  local quote = { text = text.line(words, QUOTE_BYTES), by = text.line(by, 64) }
  local oldest = numbers(store)
  local at = 1
  if #oldest >= QUOTES then store[key_of(oldest[1])], at = nil, 2 end
  while not pcall(function() store[key_of(number)] = quote end) do -- the store is full
    if not oldest[at] then error "a quote is larger than a store" end
    store[key_of(oldest[at])], at = nil, at + 1
  end
  store.last = number
  return number
end

bot:command("addquote", { usage = "TEXT", help = "keeps a quote" }, function(message, args)
  if not message.user or args.text == "" then return end
  message:reply(("Quote %d is kept."):format(add(message:store(), args.text, message.user)))
end)

bot:command("grab", { usage = "NAME", help = "keeps what somebody said last" },
  function(message, args)
    local name = (args[1] or ""):lower()
    if not message.user or name == "" then return end
    if name == message.user:lower() then
      return message:reply(message.user .. ": somebody else has to find that worth keeping.")
    end
    local past = bot:history(message.room, { last = LOOKED_BACK }) or {}
    for index = #past, 1, -1 do
      local said = past[index]
      if said.user and said.user:lower() == name and said.id ~= message.id then
        local form = said.type == "action" and "* %s %s" or "<%s> %s"
        local number = add(message:store(), form:format(said.user, said.text), message.user)
        return message:reply(("Quote %d is kept."):format(number))
      end
    end
    message:reply(("I do not remember anything of %s."):format(text.line(args[1], 64)))
  end)

local function find(store, words)
  local found = {}
  for _, number in ipairs(numbers(store)) do
    if store[key_of(number)].text:lower():find(words:lower(), 1, true) then
      found[#found + 1] = number
    end
  end
  return found
end

bot:command("quote", { usage = "[NUMBER|WORDS]", help = "tells a quote" }, function(message, args)
  local store = message:store()
  local number = args.text:match "^%d+$" and #args.text <= 6 and tonumber(args.text)
  if not number then
    local found = find(store, args.text)
    number = #found > 0 and found[math.random(#found)]
  end
  local quote = number and store[key_of(number)]
  message:reply(quote and ("%d: %s"):format(number, quote.text) or "There is no such quote.")
end)

bot:command("delquote", { usage = "NUMBER", help = "deletes a quote of yours" },
  function(message, args)
    local store, user = message:store(), message.user
    local number = args.text:match "^%d+$" and #args.text <= 6 and tonumber(args.text)
    local quote = number and store[key_of(number)]
    if not user or not quote then return message:reply "There is no such quote." end
    if quote.by:lower() ~= user:lower() and not moderators[user:lower()] then
      return message:reply(("%s: %s has added it."):format(user, quote.by))
    end
    store[key_of(number)] = nil
    message:reply(("Quote %d is deleted."):format(number))
  end)
