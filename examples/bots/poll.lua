-- Polls, one at a time in a room: "!poll Tea? yes | no" opens one, "!vote 2" votes (voting again
-- changes the vote), "!poll" shows how it stands, "!close" ends it: whoever opened it may.

local MOST_OPTIONS, MOST_TEXT, MOST_VOTERS = 10, 200, 1000

local function trim(text) return (text:match "^%s*(.-)%s*$") end

-- "Tea? yes | no" → "Tea?", { "yes", "no" }. Without a question mark it is the first part.
local function parse(text)
  local question, rest = text:match "^(.-%?)%s+(.*)$"
  if not question then question, rest = text:match "^(.-)|(.*)$" end
  if not question then return nil end
  local options = {}
  for option in (rest .. "|"):gmatch "(.-)|" do
    option = trim(option)
    if option ~= "" then options[#options + 1] = option end
  end
  return trim(question), options
end

local function counts(poll)
  local list = {}
  for index in ipairs(poll.options) do list[index] = 0 end
  for _, index in pairs(poll.votes) do list[index] = list[index] + 1 end
  return list
end

local function standing(poll)
  local parts = {}
  for index, count in ipairs(counts(poll)) do
    parts[index] = ("%d) %s: %d"):format(index, poll.options[index], count)
  end
  return table.concat(parts, ", ")
end

local function open(message, text)
  local store = message:store()
  if store.poll then return "there is a poll already; !close ends it." end
  local question, options = parse(text)
  if not question or question == "" or #options < 2 then return "try !poll Tea? yes | no" end
  if #options > MOST_OPTIONS then return ("at most %d answers."):format(MOST_OPTIONS) end
  if #text > MOST_TEXT then return ("at most %d bytes."):format(MOST_TEXT) end
  store.poll = { question = question, options = options, votes = {}, by = message.user }
  message:reply(("%s %s (!vote NUMBER)"):format(question, standing(store.poll)))
end

bot:command("poll", { usage = "[QUESTION? ANSWER | ANSWER …]", help = "opens a poll, or shows it" },
  function(message, args)
    local refused
    if args.text ~= "" then
      refused = open(message, args.text)
    else
      local poll = message:store().poll
      if poll then return message:reply(("%s %s"):format(poll.question, standing(poll))) end
      refused = "there is no poll; try !poll Tea? yes | no"
    end
    if refused then message:reply(("%s: %s"):format(message.user or "someone", refused)) end
  end)

local function voters(poll)
  local count = 0
  for _ in pairs(poll.votes) do count = count + 1 end
  return count
end

bot:command("vote", { usage = "NUMBER", help = "votes in the room's poll" }, function(message, args)
  local user, poll = message.user, message:store().poll
  if not user then return end
  if not poll then return message:reply(user .. ": there is no poll.") end
  local index = math.tointeger(tonumber(args[1]))
  if not index or not poll.options[index] then
    return message:reply(("%s: a number from 1 to %d, please."):format(user, #poll.options))
  end
  local key = user:lower():sub(1, 64)
  if not poll.votes[key] and voters(poll) >= MOST_VOTERS then
    return message:reply(user .. ": too many have voted.")
  end
  poll.votes[key] = index
end)

bot:command("close", { help = "ends the poll that you have opened" }, function(message)
  local store = message:store()
  local poll = store.poll
  if not poll then return message:reply "There is no poll." end
  if poll.by and poll.by ~= message.user then
    return message:reply(("%s: %s has opened it."):format(message.user or "someone", poll.by))
  end
  store.poll = nil
  message:reply(("%s The result: %s"):format(poll.question, standing(poll)))
end)
