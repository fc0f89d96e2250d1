-- Thanks and blame: "ann++" and "ann--" anywhere in a message; "!karma ann", and "!karma" for the
-- best and the worst of the room. Each room has its own, kept in its store.
local text = require "lib.text"

local NAMES = 1000     -- in a room; of more than these, those nearest to zero are forgotten
local NAME_BYTES = 32
local IN_A_MESSAGE = 5 -- names that one message may change
local SHOWN = 5

-- A name is followed by "++" or "--" and then by nothing that goes on with the word: "--force" and
-- "a--b" are none. Two characters at least: C++ is a language.
local LETTER = "[%w_\128-\255]"
local NAME = LETTER .. "[%w_%-%.\128-\255]*" .. LETTER
local PATTERN = "%f[^%s\0(,;](" .. NAME .. ")([+%-][+%-])%f[%s\0,.;:!?)]"
local STEPS = { ["++"] = 1, ["--"] = -1 }

local function forget_one(karma)
  local count, least, weakest = 0, math.huge, nil
  for name, points in pairs(karma) do
    count = count + 1
    if math.abs(points) < least then least, weakest = math.abs(points), name end
  end
  if count >= NAMES then karma[weakest] = nil end
end

local function change(karma, name, step)
  local points = (karma[name] or 0) + step
  if not karma[name] then forget_one(karma) end
  karma[name] = points
  return points
end

bot:on("publish", function(message)
  if message.bot or not message.user or message.text:find "^!" then return end
  local changed, answers = {}, {}
  for name, sign in message.text:gmatch(PATTERN) do
    local key, step = name:lower(), STEPS[sign]
    if step and #name <= NAME_BYTES and not changed[key] and #answers < IN_A_MESSAGE then
      changed[key] = true
      if key == message.user:lower() then
        answers[#answers + 1] = "nobody changes their own karma, " .. message.user
      else
        answers[#answers + 1] = ("%s has %d"):format(name, change(message:store(), key, step))
      end
    end
  end
  if #answers > 0 then message:reply(table.concat(answers, "; ")) end
end)

local function ranking(karma)
  local list = {}
  for name, points in pairs(karma) do list[#list + 1] = { name = name, points = points } end
  table.sort(list, function(a, b)
    if a.points ~= b.points then return a.points > b.points end
    return a.name < b.name
  end)
  return list
end

local function show(list, first, last, step)
  local words = {}
  for index = first, last, step do
    words[#words + 1] = ("%s %d"):format(list[index].name, list[index].points)
  end
  return table.concat(words, ", ")
end

bot:command("karma", {
  usage = "[NAME]", help = "tells somebody's karma, or the best and the worst",
}, function(message, args)
  local karma = message:store()
  if args[1] then
    local name = text.line(args[1], NAME_BYTES)
    return message:reply(("%s has %d"):format(name, karma[name:lower()] or 0))
  end
  local list = ranking(karma)
  if #list == 0 then return message:reply "Nobody has any karma yet." end
  local best = math.min(SHOWN, #list)
  local answer = "Best: " .. show(list, 1, best, 1)
  if #list > SHOWN then
    answer = answer .. "; worst: " .. show(list, #list, math.max(best + 1, #list - SHOWN + 1), -1)
  end
  message:reply(answer)
end)
