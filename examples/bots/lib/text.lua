--- What several bots do with what users write. Loaded with `require "lib.text"`.
local text = {}

--- One line: what is between words becomes one space, other control characters "?"; at most so many
--- bytes, cut between characters.
---@param words string
---@param bytes integer
---@return string
function text.line(words, bytes)
  words = words:gsub("%s+", " "):gsub("%c", "?"):match "^ ?(.-) ?$"
  if #words <= bytes then return words end
  local past = bytes - #"…" + 1
  while past > 1 and words:byte(past) & 0xC0 == 0x80 do past = past - 1 end
  return words:sub(1, past - 1) .. "…"
end

--- A name as a key: names that differ in case only are one. nil: too long for a name.
---@param name string
---@return string?
function text.key(name)
  if #name > 0 and #name <= 64 then return (name:lower()) end
end

local UNITS = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } }

--- "2 hours"; "no time" below a second.
---@param seconds number
---@return string
function text.duration(seconds)
  for _, unit in ipairs(UNITS) do
    local number = seconds // unit[1]
    if number >= 1 then return ("%d %s%s"):format(number, unit[2], number >= 2 and "s" or "") end
  end
  return "no time"
end

local SECONDS = { w = 604800, d = 86400, h = 3600, m = 60, s = 1 }
local WORDS = {
  week = "w", day = "d", hour = "h", hr = "h", minute = "m", min = "m", second = "s", sec = "s",
}

--- Seconds of what begins with "10m", "1h30m", "2 hours"; and what follows it. nil: it does not.
---@param words string
---@return integer? seconds
---@return string? rest
function text.read_duration(words)
  local total, at
  for _ = 1, 8 do
    local number, unit, past = words:match("^%s*(%d+)%s*(%a+)()", at)
    unit = unit and unit:lower():gsub("(..)s$", "%1")
    local seconds = SECONDS[WORDS[unit] or unit]
    if not seconds or #number > 9 then break end
    total, at = (total or 0) + tonumber(number) * seconds, past
  end
  if total then return total, words:sub(at) end
end

--- "2026-01-31" and "18:05" of a time in seconds since 1970, UTC.
-- Days to a date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
---@param time number
---@return string date
---@return string clock
function text.date(time)
  local seconds = math.floor(time)
  local days = seconds // 86400 + 719468
  local era = days // 146097
  local day = days - era * 146097
  local year = (day - day // 1460 + day // 36524 - day // 146096) // 365
  day = day - (365 * year + year // 4 - year // 100)
  local month = (5 * day + 2) // 153
  day = day - (153 * month + 2) // 5 + 1
  month = month < 10 and month + 3 or month - 9
  year = year + era * 400 + (month <= 2 and 1 or 0)
  return ("%04d-%02d-%02d"):format(year, month, day),
    ("%02d:%02d"):format(seconds % 86400 // 3600, seconds % 3600 // 60)
end

return text
