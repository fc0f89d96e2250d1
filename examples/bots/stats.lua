-- Counts messages and words by user. "!stats" prints the table on standard output and answers with
-- the busiest; the table is also printed when the host ends. Totals are in the bot's store, and so
-- are the counts of users who say most: a restart forgets those of others.

local ROWS = 20  -- users in the table
local BEST = 3   -- users in the answer to !stats
local RUSH = 200 -- messages a second that nobody reads: an answer among them would only add to them

local KEPT, NAME_BYTES = 500, 64 -- users in the store, which has 64 KiB, and their names

local counts = {} -- { messages =, words = } by user
local users, messages, actions, words = 0, 0, 0, 0
local kept = 0    -- users in the store

local function count_words(text)
  local _, number = text:gsub("%S+", "")
  return number
end

-- ---- the store: "total" and "user:ann", numbers in a text ---------------------------------------

local function whole(text) return math.tointeger(tonumber(text)) end

local function recall()
  for key, text in pairs(bot.store) do
    local user, first, second = key:match "^user:(.*)$", text:match "^(%d+) (%d+)"
    if user then
      counts[user] = { user = user, messages = whole(first), words = whole(second) }
      kept = kept + 1
    end
  end
  local all, acted, spoken, heard = (bot.store.total or ""):match "^(%d+) (%d+) (%d+) (%d+)$"
  if not all then return end
  messages, actions, words, users = whole(all), whole(acted), whole(spoken), whole(heard)
end

-- Forgets the half of the users that said least.
local function make_room()
  local list = {}
  for key, text in pairs(bot.store) do
    if key ~= "total" then list[#list + 1] = { key = key, messages = whole(text:match "^%d+") } end
  end
  table.sort(list, function(a, b)
    if a.messages ~= b.messages then return a.messages > b.messages end
    return a.key < b.key
  end)
  for index = KEPT // 2 + 1, #list do bot.store[list[index].key] = nil end
  kept = math.min(#list, KEPT // 2)
end

local function keep(count)
  bot.store.total = ("%d %d %d %d"):format(messages, actions, words, users)
  if #count.user > NAME_BYTES then return end
  local key = "user:" .. count.user
  if not bot.store[key] then
    if kept >= KEPT then make_room() end
    kept = kept + 1
  end
  bot.store[key] = ("%d %d"):format(count.messages, count.words)
end

recall()

-- ---- counting ----------------------------------------------------------------------------------

bot:on("publish", function(message)
  local user = message.user or "?"
  local count = counts[user]
  if not count then
    count = { user = user, messages = 0, words = 0 }
    counts[user], users = count, users + 1
  end
  local number = count_words(message.text)
  count.messages, count.words = count.messages + 1, count.words + number
  messages, words = messages + 1, words + number
  if message.type == "action" then actions = actions + 1 end
  keep(count)
end)

local a_second_ago = messages -- how many messages there were then, or up to a second later
bot:every(1, function() a_second_ago = messages end)

-- The users who said most, at most `limit` of them.
local function busiest(limit)
  local list = {}
  for _, count in pairs(counts) do list[#list + 1] = count end
  table.sort(list, function(a, b)
    if a.messages ~= b.messages then return a.messages > b.messages end
    return a.user < b.user
  end)
  return table.move(list, 1, math.min(limit, #list), 1, {})
end

local function row(name, message_count, word_count)
  local shown = name:gsub("%c", "?")
  local padding = (" "):rep(24 - (utf8.len(shown) or #shown))
  return ("%s%s %9s %9s"):format(shown, padding, message_count, word_count)
end

local function print_table()
  print(row("user", "messages", "words"))
  local top = busiest(ROWS)
  for _, count in ipairs(top) do print(row(count.user, count.messages, count.words)) end
  if users > #top then print(("… and %d more"):format(users - #top)) end
  print(row("total", messages, words))
  print(("%d messages, %d of them actions, by %d users"):format(messages, actions, users))
end

bot:command("stats", function(message)
  print_table()
  if messages - a_second_ago > RUSH then return end
  local best = {}
  for index, count in ipairs(busiest(BEST)) do
    best[index] = ("%s %d"):format(count.user, count.messages)
  end
  message:reply(("%d messages and %d words by %d users; most from %s"):format(
    messages, words, users, table.concat(best, ", ")))
end)

bot:on("stop", print_table)
