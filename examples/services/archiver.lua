-- Archives rooms by the day: what is said in "lobby" is said again in "archive-lobby-2026-01-31",
-- with its time, in blocks of some lines. An archive is a room like any other: `moonpool history
-- archive-lobby-2026-01-31 --last 100`. "!archive" tells the names of the last few.
--
-- Policies judge blocks, too: those about messages have the option `bots = false`, as in
-- moderation.conf.lua. A block that is rejected is lost, and logged.

local BLOCK_LINES, BLOCK_BYTES = 20, 4000
local LINE_BYTES, NAME_BYTES = 2000, 64
local MOST_CLOSED = 2 -- blocks that wait: a room's store has 64 KiB
local FLUSH_SECONDS = 60
local NAMED = 7
local MOST_DAYS = 366 -- named in the store of a room

-- Seconds since 1970 as a day, by the proleptic Gregorian calendar (Howard Hinnant's algorithm).
local function day_of(time)
  local days = math.floor(time / 86400) + 719468
  local era = days // 146097
  local of_era = days - era * 146097
  local year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
  local of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
  local shifted = (5 * of_year + 2) // 153
  local day = of_year - (153 * shifted + 2) // 5 + 1
  local month = shifted < 10 and shifted + 3 or shifted - 9
  local year = year_of_era + era * 400 + (month <= 2 and 1 or 0)
  return ("%04d-%02d-%02d"):format(year, month, day)
end

local function clock_of(time)
  local seconds = math.floor(time) % 86400
  return ("%02d:%02d:%02d"):format(seconds // 3600, seconds // 60 % 60, seconds % 60)
end

-- One line of at most so many bytes, cut between characters.
local function one_line(text, bytes)
  text = text:gsub("%c", " ")
  if #text <= bytes then return text end
  while bytes > 0 and text:byte(bytes + 1) & 0xC0 == 0x80 do bytes = bytes - 1 end
  return text:sub(1, bytes) .. "…"
end

local function note_day(store, day)
  if not store.days then store.days = {} end
  local days = store.days
  if days[#days] == day then return end
  days[#days + 1] = day
  if #days > MOST_DAYS then table.remove(days, 1) end
end

-- Lines that are not in an archive yet are in the room's store, and the names of such rooms in
-- the bot's, so that they outlive it. Nothing is lost or doubled when it dies at any time, or hears
-- more while a block is being said: a block is closed first, with a number, and stays in `closed`
-- until it is in the archive; it has the same key when it is said again.
local function close_block(store)
  local block = store.block
  local closed = store.closed or {}
  if not block or #closed >= MOST_CLOSED then return end
  store.blocks = (store.blocks or 0) + 1
  closed[#closed + 1] = { day = block.day, number = store.blocks,
    text = table.concat(block.lines, "\n") }
  store.closed, store.block = closed, nil
end

local saying = {} -- rooms whose blocks are being said: a timer and a message may want to

-- Says what is closed, oldest first. What could not be said is tried again after a while.
local function say_closed(room)
  while true do
    local store = bot:room_store(room)
    local block = (store.closed or {})[1]
    if not block then return true end
    local id, reason, code = bot:say(("archive-%s-%s"):format(room, block.day), block.text, {
      key = ("block/%s/%d"):format(room, block.number) })
    if code == "EREJECTED" then
      bot.log(("a block of %s is rejected, and lost: %s"):format(room, reason))
    elseif not id then
      return false
    end
    store = bot:room_store(room)
    local closed = store.closed
    table.remove(closed, 1)
    store.closed = #closed > 0 and closed or nil
    if id then note_day(store, block.day) end
  end
end

local function flush(room)
  close_block(bot:room_store(room))
  if saying[room] then return end
  saying[room] = true
  local ok, is_done = pcall(say_closed, room)
  saying[room] = nil
  if not ok then error(is_done, 0) end
  if is_done and not bot:room_store(room).block then bot.store[room] = nil end
end

local function is_archive(room) return room:find("archive-", 1, true) == 1 end

local function add(message, line)
  local room, at = message.room, message.at or bot.time()
  local store, day = message:store(), day_of(at)
  if store.block and store.block.day ~= day then
    flush(room)
    store = message:store()
  end
  line = ("%s %s"):format(clock_of(at), line)
  local block = store.block or { day = day, lines = {}, bytes = 0 }
  if block.bytes >= 2 * BLOCK_BYTES then -- nothing can be said, for long
    bot.log("archiver: nothing can be kept of", room)
    return
  end
  block.lines[#block.lines + 1] = line
  block.bytes = block.bytes + #line
  store.block = block
  if not bot.store[room] then bot.store[room] = true end
  if #block.lines >= BLOCK_LINES or block.bytes >= BLOCK_BYTES then flush(room) end
end

bot:on("publish", function(message)
  if is_archive(message.room) then return end
  local user = message.user or "?"
  add(message, (message.type == "action" and "* %s %s" or "<%s> %s"):format(
    one_line(user, NAME_BYTES), one_line(message.text, LINE_BYTES)))
end)

local function flush_all()
  for room in pairs(bot.store) do flush(room) end
end

bot:every(FLUSH_SECONDS, flush_all)
bot:on("stop", flush_all)

bot:command("archive", { help = "tells where this room's archives are" }, function(message)
  local days, names = message:store().days or {}, {}
  for index = math.max(1, #days - NAMED + 1), #days do
    names[#names + 1] = ("archive-%s-%s"):format(message.room, days[index])
  end
  message:reply(#names > 0 and table.concat(names, ", ") or "Nothing is archived yet.")
end)
