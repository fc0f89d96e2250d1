-- Part of the moderation set (moderation.conf.lua): tells the rules, and who leads here.
-- What is enforced is the policies'; `moonpool explain` tells what they would say.
-- Options: rules (a list of texts), moderators (names).

local rules = bot.options.rules or {
  "Be kind.", "No advertising.", "Do not shout, do not flood.",
}
local moderators = bot.options.moderators or {}
local QUIET_SECONDS = 10 -- between two answers in a room

local told = {} -- when it last did, by room

local function may_answer(message)
  local now = bot.now()
  if told[message.room] and now - told[message.room] < QUIET_SECONDS then return false end
  told[message.room] = now
  return true
end

bot:command("rules", { help = "tells the rules of the room" }, function(message)
  if not may_answer(message) then return end
  for index, rule in ipairs(rules) do message:reply(("%d. %s"):format(index, rule)) end
end)

bot:command("moderators", { help = "tells whom to ask for help" }, function(message)
  local names = table.move(moderators, 1, #moderators, 1, {})
  table.sort(names)
  message:reply(#names > 0 and "Ask " .. table.concat(names, ", ") .. "."
    or "Nobody leads here.")
end)
