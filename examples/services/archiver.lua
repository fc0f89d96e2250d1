-- Archives rooms by the day: what is said in "lobby" is said again in "archive-lobby-2026-01-31",
-- with its time, in blocks of some lines. An archive is a room like any other: `moonpool history
-- archive-lobby-2026-01-31 --last 100`. "!archive" tells the names of the last few.

local BLOCK_LINES, BLOCK_BYTES = 20, 4000
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

-- Lines that are not in an archive yet are in the room's store: they outlive the bot, too.
local function block_of(store, day)
  if not store.block or store.block.day ~= day then
    store.block = { day = day, lines = {}, bytes = 0 }
  end
  return store.block
end

local function note_day(store, day)
  if not store.days then store.days = {} end
  local days = store.days
  if days[#days] == day then return end
  days[#days + 1] = day
  if #days > MOST_DAYS then table.remove(days, 1) end
end

local function flush(room, store)
  local block = store.block
  if not block or #block.lines == 0 then return end
  local name = ("archive-%s-%s"):format(room, block.day)
  local number = (store.blocks or 0) + 1
  local id = bot:say(name, table.concat(block.lines, "\n"), {
    key = ("block/%s/%d"):format(block.day, number) })
  if not id then return end -- it stays in the block, and is tried again
  store.blocks = number
  store.block = nil
  note_day(store, block.day)
end

local function is_archive(room) return room:find("archive-", 1, true) == 1 end

local pending = {} -- rooms with a block, for the timer

local function add(message, line)
  local at = message.at or bot.time()
  local store, day = message:store(), day_of(at)
  if store.block and store.block.day ~= day then flush(message.room, store) end
  local block = block_of(store, day)
  line = ("%s %s"):format(clock_of(at), line)
  block.lines[#block.lines + 1] = line
  block.bytes = block.bytes + #line
  pending[message.room] = true
  if #block.lines >= BLOCK_LINES or block.bytes >= BLOCK_BYTES then flush(message.room, store) end
end

bot:on("publish", function(message)
  if is_archive(message.room) then return end
  local user = message.user or "?"
  local text = message.text:gsub("%c", " "):sub(1, BLOCK_BYTES)
  add(message, (message.type == "action" and "* %s %s" or "<%s> %s"):format(user, text))
end)

local function flush_all()
  local rooms = {}
  for room in pairs(pending) do rooms[#rooms + 1] = room end
  table.sort(rooms)
  for _, room in ipairs(rooms) do
    pending[room] = nil
    flush(room, bot:room_store(room))
  end
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
