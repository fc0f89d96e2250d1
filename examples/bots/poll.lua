-- Polls, one at a time in each room: `!poll "What shall we dive for?" pearls wreck "the pizza"`
-- opens one, "!vote 2" or "!vote wreck" votes and changes a vote, "!poll" tells how it stands,
-- "!close" ends it: who opened it may, and the moderators.
--
-- Options: moderators = { "ann" }.
local text = require "lib.text"

local CHOICES, CHOICE_BYTES, QUESTION_BYTES = 10, 60, 200
local VOTERS = 500 -- the room's store has 64 KiB
local USAGE = ('Try !poll "Tea or coffee?" tea coffee: 2 to %d choices.'):format(CHOICES)

local moderators = {}
for _, name in ipairs(bot.options.moderators or {}) do moderators[name:lower()] = true end

local function tally(poll)
  local counts, total = {}, 0
  for index = 1, #poll.choices do counts[index] = 0 end
  for _, index in pairs(poll.votes) do counts[index], total = counts[index] + 1, total + 1 end
  local words = {}
  for index, choice in ipairs(poll.choices) do
    words[index] = ("%d %s: %d"):format(index, choice, counts[index])
  end
  return ("%s %s (%d vote%s)"):format(poll.question, table.concat(words, ", "), total,
    total == 1 and "" or "s")
end

local function read(args)
  local choices, seen = {}, {}
  for index = 2, #args do
    local choice = text.line(args[index], CHOICE_BYTES)
    if choice == "" or seen[choice:lower()] then return nil end
    choices[#choices + 1], seen[choice:lower()] = choice, true
  end
  if #choices < 2 or #choices > CHOICES then return nil end
  return text.line(args[1], QUESTION_BYTES), choices
end

bot:command("poll", {
  usage = '["QUESTION" CHOICE CHOICE …]', help = "opens a poll, or tells how it stands",
}, function(message, args)
  local store = message:store()
  if #args == 0 then
    return message:reply(store.poll and tally(store.poll) or "There is no poll. " .. USAGE)
  end
  local by = message.user and text.key(message.user)
  if not by then return end
  if store.poll then
    return message:reply(("%s: there is a poll already: %s"):format(message.user,
      store.poll.question))
  end
  local question, choices = read(args)
  if not question then return message:reply(("%s: %s"):format(message.user, USAGE)) end
  store.poll = { question = question, choices = choices, votes = {}, voters = 0, by = by }
  message:reply(("%s !vote with the number: %s"):format(question,
    tally(store.poll):sub(#question + 2)))
end)

local function find_choice(poll, word)
  local number = word:match "^%d%d?$" and tonumber(word)
  if number and poll.choices[number] then return number end
  for index, choice in ipairs(poll.choices) do
    if choice:lower() == word:lower() then return index end
  end
end

bot:command("vote", { usage = "NUMBER|CHOICE", help = "votes, or changes your vote" },
  function(message, args)
    local user = message.user
    local key = user and text.key(user)
    if not key then return end
    local poll = message:store().poll
    if not poll then return message:reply(user .. ": there is no poll.") end
    local choice = find_choice(poll, args.text)
    if not choice then
      return message:reply(("%s: there is no such choice: %s"):format(user, tally(poll)))
    end
    local before = poll.votes[key]
    if not before and poll.voters >= VOTERS then
      return message:reply(user .. ": no more votes can be counted.")
    end
    if not before then poll.voters = poll.voters + 1 end
    poll.votes[key] = choice
    message:reply(("%s: %s %s."):format(user, before and "changed to" or "counted for",
      poll.choices[choice]))
  end)

bot:command("close", { help = "ends your poll" }, function(message)
  local store = message:store()
  local poll, user = store.poll, message.user
  if not user then return end
  if not poll then return message:reply(user .. ": there is no poll.") end
  if poll.by ~= user:lower() and not moderators[user:lower()] then
    return message:reply(("%s: the poll is %s's."):format(user, poll.by))
  end
  message:reply("Closed: " .. tally(poll))
  store.poll = nil
end)
