-- Remembers who spoke last and when: "!seen ann" tells about a user, "!seen" about the room.

local REMEMBERED = 300 -- users; beyond this those seen longest ago are forgotten
local QUOTED = 80      -- characters of what they said
local LONGEST = 40     -- characters of a name or a room's

-- What users did last, in the bot's store, which outlives it: "user:ann" by lower-case name,
-- "room:pool" who spoke last there. Each is a text in JSON: tables of a store are compared whenever
-- it is saved, and these are many.
local store, json = bot.store, bot.json
local count -- of them

local function get(key)
  local text = store[key]
  return text and json.decode(text)
end

local function forget_oldest_half()
  local entries = {}
  for key, text in pairs(store) do
    entries[#entries + 1] = { key = key, at = json.decode(text).at }
  end
  table.sort(entries, function(a, b)
    if a.at ~= b.at then return a.at < b.at end
    return a.key < b.key
  end)
  for index = 1, #entries // 2 do store[entries[index].key] = nil end
  count = #entries - #entries // 2
end

local function count_users()
  count = 0
  for _ in pairs(store) do count = count + 1 end
end

-- At most so many characters of a text.
local function cut(text, most)
  local past = utf8.offset(text, most + 1)
  if past and past <= #text then return text:sub(1, past - 1) .. "…" end
  return text
end

local function put(key, entry)
  if not count then count_users() end
  if not store[key] then count = count + 1 end
  store[key] = json.encode(entry)
  if count > REMEMBERED then forget_oldest_half() end
end

local function user_key(user) return "user:" .. cut(user:lower(), LONGEST) end

local function remember(user, room, what)
  local entry = { user = cut(user, LONGEST), room = room, what = what, at = bot.time() }
  put(user_key(user), entry)
  return entry
end

local function quote(text) return "“" .. cut(text, QUOTED) .. "”" end

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
  return ("%s %s%s, %s."):format(entry.user, entry.what, place, ago(bot.time() - entry.at))
end

bot:command("seen", function(message, args)
  local room = message.room
  local entry = get("room:" .. cut(room, LONGEST))
  if args[1] then entry = get(user_key(args[1])) end
  if entry then return message:reply(tell(entry, room)) end
  message:reply(args[1] and ("I have not seen %s."):format(args[1]) or "Nobody has spoken yet.")
end)

bot:on("publish", function(message)
  if not message.user or message.text:find "^!seen" then return end
  local verb = message.type == "action" and "did" or "said"
  local entry = remember(message.user, message.room, verb .. " " .. quote(message.text))
  put("room:" .. cut(message.room, LONGEST), entry)
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
