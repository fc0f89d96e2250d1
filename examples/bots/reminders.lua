-- Reminds users: "!remind me in 1h30m to turn the roast", "!remind bob at 18:30 that the pool
-- closes", or just "!remind 10m tea"; "!reminders" lists yours, "!forget 12" takes one back.
-- Reminders are in the bot's store: those that fell due while the bot was away are told when it is
-- back, with how late they are.
--
-- Options: utc_offset (0), hours by which the clock on the wall is ahead of UTC, for "at";
-- a_user (10), reminders that one user may have.
local text = require "lib.text"

local ALL = 150                  -- reminders: the store has 64 KiB
local TEXT_BYTES = 200
local LONGEST = 366 * 86400      -- seconds ahead
local LATE = 60                  -- seconds from which a reminder says that it is late
local RETRY = 60                 -- seconds until it is tried again when it could not be said
local OFFSET = (bot.options.utc_offset or 0) * 3600
local A_USER = bot.options.a_user or 10
local USAGE = "Try !remind me in 1h30m to turn the roast, or !remind me at 18:30 to go home."

local timers = {} -- by key

local function key_of(number) return ("r%06d"):format(number) end

-- All of them, in the order in which they were made: key, reminder.
local function each()
  local next_pair, store, key = pairs(bot.store)
  return function()
    local value
    repeat
      key, value = next_pair(store, key)
    until key == nil or key:find "^r%d"
    return key, value
  end
end

local function drop(key)
  if timers[key] then timers[key]:close() end
  timers[key], bot.store[key] = nil, nil
end

local schedule

local function tell(key)
  local reminder = bot.store[key]
  if not reminder then return end
  local late = bot.time() - reminder.at
  local by = reminder.by ~= reminder.user and (" (from %s)"):format(reminder.by) or ""
  local words = ("%s: %s%s%s"):format(reminder.user, reminder.text, by,
    late >= LATE and (" (%s late)"):format(text.duration(late)) or "")
  -- The same key again after a crash: it is said once.
  local id, _, code = bot:say(reminder.room, words, { key = key .. "/" .. reminder.at })
  if id or code == "EREJECTED" then return drop(key) end
  schedule(key, bot.time() + RETRY)
end

function schedule(key, at)
  timers[key] = bot:at(at, function() tell(key) end)
end

bot:on("start", function()
  for key, reminder in each() do schedule(key, reminder.at) end
end)

-- ---- what users ask for ------------------------------------------------------------------------

-- "18:30 to go": when that is next, and the rest.
local function read_clock(words)
  local hour, minute, rest = words:match "^%s*(%d%d?):(%d%d)%f[%D](.*)$"
  hour, minute = tonumber(hour), tonumber(minute)
  if not hour or hour > 23 or minute > 59 then return nil end
  local there = bot.time() + OFFSET
  local at = there - there % 86400 + hour * 3600 + minute * 60
  if at <= there then at = at + 86400 end
  return at - OFFSET, rest
end

local function read_time(how, words)
  if how == "at" then return read_clock(words) end
  local seconds, rest = text.read_duration(words)
  if how == "in" and seconds and seconds > 0 and seconds <= LONGEST then
    return bot.time() + seconds, rest
  end
end

-- "me in 10m to go", "in 10m go", "10m go", "18:30 go" → whom, time, "go"
local function read(words)
  local whom, rest = words:match "^(%S+)%s+(%S.*)$"
  if not whom then return nil end
  local first = whom:lower()
  if first:find "^%d" or first == "in" or first == "at" then whom, rest = "me", words end
  local how, after = rest:match "^(%a+)%s+(.+)$"
  if not how then how, after = rest:find "^%d+:" and "at" or "in", rest end
  local at
  at, rest = read_time(how:lower(), after)
  if not at then return nil end
  rest = text.line(rest, 1000):gsub("^[tT]o ", ""):gsub("^[tT]hat ", "")
  rest = text.line(rest, TEXT_BYTES)
  if rest ~= "" then return whom, at, rest end
end

local function is_by(reminder, user) return reminder.by:lower() == user:lower() end

local function count(user)
  local all, own = 0, 0
  for _, reminder in each() do
    all, own = all + 1, own + (is_by(reminder, user) and 1 or 0)
  end
  return all, own
end

local function add(reminder)
  local number = (bot.store.last or 0) % 999999 + 1
  local key = key_of(number)
  if not pcall(function() bot.store[key] = reminder end) then return nil end -- the store is full
  bot.store.last = number
  schedule(key, reminder.at)
  return number
end

bot:command("remind", {
  usage = "me|NAME in 1h30m|at 18:30 [to] TEXT", help = "reminds somebody",
}, function(message, args)
  local user = message.user
  if not user or not text.key(user) then return end
  local whom, at, words = read(args.text)
  if not whom or not text.key(whom) then return message:reply(user .. ": " .. USAGE) end
  local all, own = count(user)
  if own >= A_USER then
    return message:reply(("%s: you have %d reminders already."):format(user, own))
  end
  if whom:lower() == "me" then whom = user end
  local number = all < ALL and add { room = message.room, user = whom, by = user, text = words,
    at = at }
  if not number then return message:reply(user .. ": I cannot remember more than I do already.") end
  message:reply(("%s: in %s. (%d)"):format(user, text.duration(math.ceil(at - bot.time())), number))
end)

bot:command("reminders", { help = "lists your own" }, function(message)
  if not message.user then return end
  local list = {}
  for key, reminder in each() do
    if is_by(reminder, message.user) then
      list[#list + 1] = ("%d in %s: %s"):format(tonumber(key:sub(2)),
        text.duration(math.max(0, reminder.at - bot.time())), text.line(reminder.text, 40))
    end
  end
  message:reply(("%s: %s"):format(message.user, #list > 0 and table.concat(list, "; ") or "none."))
end)

bot:command("forget", { usage = "NUMBER", help = "takes a reminder of yours back" },
  function(message, args)
    if not message.user then return end
    local number = (args[1] or ""):match "^%d+$" and #args[1] <= 6 and tonumber(args[1])
    local reminder = number and bot.store[key_of(number)]
    if not reminder or not is_by(reminder, message.user) then
      return message:reply(message.user .. ": you have no such reminder.")
    end
    drop(key_of(number))
    message:reply(("%s: forgotten: %s"):format(message.user, reminder.text))
  end)
