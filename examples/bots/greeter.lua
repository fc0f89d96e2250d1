-- Greets users who join: each of them once in a while, and never so many that it floods the room.

local AGAIN_AFTER = 6 * 60 * 60 -- seconds until the same user is greeted again
local AT_ONCE = 5               -- greetings in a row, when many join together
local RECOVERS_IN = 10          -- seconds until one more is allowed after those
local REMEMBERED = 10000        -- users; more joins than this in AGAIN_AFTER start a new list

local greeted, count = {}, 0    -- when each user was greeted, by bot:now()
local allowance, since = AT_ONCE, nil

local function may_greet(now)
  allowance = math.min(AT_ONCE, allowance + (now - (since or now)) / RECOVERS_IN)
  since = now
  return allowance >= 1
end

local function remember(user, now)
  if count >= REMEMBERED then greeted, count = {}, 0 end
  if not greeted[user] then count = count + 1 end
  greeted[user] = now
end

bot:on("subscribe", function(message)
  local user, now = message.user, bot:now()
  if not user or message.bot then return end
  local last = greeted[user]
  if last and now - last < AGAIN_AFTER then return end
  if not may_greet(now) then return end
  allowance = allowance - 1
  remember(user, now)
  message:reply(("Welcome to %s, %s!"):format(message.room, user))
end)

-- A new name is no new user.
bot:on("rename", function(message)
  local last = message.user and greeted[message.user]
  if last and message.to then remember(message.to, last) end
end)
