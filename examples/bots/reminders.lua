-- Reminders: "!remind 10m tea is ready", "!remind 18:30 go home" (UTC), "!reminders" lists yours,
-- "!forget 3" drops number 3. They outlive the bot: what was due while it was away is told when it
-- is back.

local MOST_OF_A_USER, MOST = 20, 200
local MOST_TEXT = 200                -- bytes
local LONGEST = 366 * 24 * 3600      -- seconds ahead
local SECONDS = { s = 1, m = 60, h = 3600, d = 86400, w = 7 * 86400 }
local DAY = 86400
local USAGE = "Try !remind 10m tea is ready, or !remind 18:30 go home."

local timers = {} -- by number, as text: keys of a table that is stored are texts

-- "1h30m" → 5400; nil for what is none.
local function parse_duration(word)
  local seconds, rest = 0, word:lower()
  if rest == "" then return nil end
  while rest ~= "" do
    local number, unit, after = rest:match "^(%d+)([smhdw])(.*)$"
    if not number or #number > 9 then return nil end
    seconds, rest = seconds + tonumber(number) * SECONDS[unit], after
  end
  return seconds > 0 and seconds or nil
end

-- "18:30" → seconds until then, by UTC.
local function parse_clock(word, now)
  local hour, minute = word:match "^(%d%d?):(%d%d)$"
  hour, minute = tonumber(hour), tonumber(minute)
  if not hour or hour > 23 or minute > 59 then return nil end
  local left = (hour * 3600 + minute * 60 - now % DAY) % DAY
  return left > 0 and left or DAY
end

local function list()
  if not bot.store.list then bot.store.list = {} end
  return bot.store.list
end

local function numbers_of(user)
  local numbers = {}
  for key, entry in pairs(list()) do
    if not user or entry.user == user then numbers[#numbers + 1] = tonumber(key) end
  end
  table.sort(numbers)
  return numbers
end

local function drop(key)
  list()[key] = nil
  if timers[key] then timers[key].close() end
  timers[key] = nil
end

local function tell(key)
  local entry = list()[key]
  if not entry then return end
  local id, message = bot:say(entry.room, ("%s: %s"):format(entry.user, entry.text), {
    key = ("reminder/%s/%d"):format(key, entry.due) })
  if not id then bot.log("cannot remind", entry.user, message) end
  drop(key)
end

local function set_timer(key, entry)
  timers[key] = bot:at(entry.due, function() tell(key) end)
end

local function shown(seconds)
  local parts = {}
  for _, unit in ipairs { { 86400, "d" }, { 3600, "h" }, { 60, "m" }, { 1, "s" } } do
    local count = math.floor(seconds / unit[1])
    if count > 0 and #parts < 2 then parts[#parts + 1] = ("%d%s"):format(count, unit[2]) end
    seconds = seconds - count * unit[1]
  end
  return #parts > 0 and table.concat(parts) or "0s"
end

local function refusal(message, seconds, text)
  if not seconds or text == "" then return USAGE end
  if seconds > LONGEST then return "that is more than a year ahead." end
  if #text > MOST_TEXT then return ("that is longer than %d bytes."):format(MOST_TEXT) end
  if #numbers_of(message.user) >= MOST_OF_A_USER then
    return ("you have %d reminders already; !forget some."):format(MOST_OF_A_USER)
  end
  if #numbers_of() >= MOST then return "I cannot remember any more." end
end

bot:command("remind", { usage = "WHEN TEXT", help = "tells you TEXT: in 10m, 1h30m; at 18:30" },
  function(message, args)
    local user, now = message.user, bot.time()
    if not user then return end
    local word = args[1] or ""
    local seconds = parse_duration(word) or parse_clock(word, now)
    local text = args.text:match "^%S+%s+(.*)$" or ""
    local refused = refusal(message, seconds, text)
    if refused then return message:reply(("%s: %s"):format(user, refused)) end
    local number = (bot.store.last or 0) + 1
    local key = tostring(number)
    bot.store.last = number
    local entry = { user = user, room = message.room, text = text, due = math.floor(now + seconds) }
    list()[key] = entry
    set_timer(key, entry)
    message:reply(("%s: in %s, as number %d."):format(user, shown(seconds), number))
  end)

bot:command("reminders", { help = "lists yours" }, function(message)
  local parts = {}
  for _, number in ipairs(numbers_of(message.user)) do
    local entry = list()[tostring(number)]
    parts[#parts + 1] = ("%d in %s: %s"):format(number, shown(entry.due - bot.time()), entry.text)
  end
  message:reply(("%s: %s"):format(message.user or "someone",
    #parts > 0 and table.concat(parts, "; ") or "you have none."))
end)

bot:command("forget", { usage = "NUMBER", help = "drops a reminder of yours" },
  function(message, args)
    local key = (args[1] or ""):match "^#?(%d+)$"
    local entry = key and list()[key]
    if not entry or entry.user ~= message.user then
      return message:reply(("%s: you have no such reminder."):format(message.user or "someone"))
    end
    drop(key)
    message:reply(("%s: forgotten."):format(message.user))
  end)

bot:on("start", function()
  for _, number in ipairs(numbers_of()) do
    local key = tostring(number)
    set_timer(key, list()[key])
  end
end)
