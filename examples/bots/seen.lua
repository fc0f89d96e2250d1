-- Remembers who spoke last and when: "!seen ann" tells about a user, "!seen" about the room.

local REMEMBERED = 10000 -- users; beyond this those seen longest ago are forgotten
local QUOTED = 80        -- characters of what they said

local seen, count = {}, 0 -- what a user did last, by lower-case name
local last_in = {}        -- who spoke last, by room

local function forget_oldest_half()
  local times = {}
  for _, entry in pairs(seen) do times[#times + 1] = entry.at end
  table.sort(times)
  local limit = times[#times // 2]
  for key, entry in pairs(seen) do
    if entry.at <= limit then seen[key], count = nil, count - 1 end
  end
end

local function remember(user, room, what)
  local key = user:lower()
  if not seen[key] then count = count + 1 end
  local entry = { user = user, room = room, what = what, at = bot:now() }
  seen[key] = entry
  if count > REMEMBERED then forget_oldest_half() end
  return entry
end

local function quote(text)
  local past = utf8.offset(text, QUOTED + 1)
  if past and past <= #text then text = text:sub(1, past - 1) .. "…" end
  return "“" .. text .. "”"
end

local UNITS = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } }

local function ago(seconds)
  for _, unit in ipairs(UNITS) do
    local number = seconds // unit[1]
    if number >= 1 then
      return ("%d %s%s ago"):format(number, unit[2], number >= 2 and "s" or "")
    end
  end
  return "just now"
end

local function tell(entry, room)
  local place = entry.room == room and "" or " in " .. entry.room
  return ("%s %s%s, %s."):format(entry.user, entry.what, place, ago(bot:now() - entry.at))
end

bot:command("seen", function(message, args)
  local room = message.room
  local entry = last_in[room]
  if args[1] then entry = seen[args[1]:lower()] end
  if entry then return message:reply(tell(entry, room)) end
  message:reply(args[1] and ("I have not seen %s."):format(args[1]) or "Nobody has spoken yet.")
end)

bot:on("publish", function(message)
  if not message.user or message.text:find "^!seen" then return end
  local verb = message.type == "action" and "did" or "said"
  local entry = remember(message.user, message.room, verb .. " " .. quote(message.text))
  last_in[message.room] = entry
end)

bot:on("subscribe", function(message)
  if message.user then remember(message.user, message.room, "joined") end
end)

bot:on("unsubscribe", function(message)
  if message.user then remember(message.user, message.room, "left") end
end)

bot:on("rename", function(message)
  if not message.user or not message.to then return end
  remember(message.user, message.room, "became " .. message.to)
  remember(message.to, message.room, "was " .. message.user .. " before")
end)
