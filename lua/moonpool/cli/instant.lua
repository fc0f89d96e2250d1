--- Points in time as users write them: seconds since 1970, ISO 8601, or how long ago.
local instant = {}

local UNIT_SECONDS = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400, w = 604800 }
local LATEST = 253402300800 -- the year 10000; milliseconds since 1970 are beyond it

---@class moonpool.cli.instant
---@field at number? seconds since 1970
---@field ago number? seconds before the moment of asking

local function refuse(text, why)
  return nil, ("bad time '%s': %s"):format(text, why)
end

-- "1h30m" as seconds; nil when it is none, or a message when it nearly is.
local function read_ago(text)
  local total, at = 0, 1
  while at <= #text do
    local number, unit, past = text:match("^(%d+%.?%d*)(%a+)()", at)
    if not number then return nil end
    if not UNIT_SECONDS[unit] then
      return nil, ("there is no unit '%s'; ms, s, m, h, d and w are known"):format(unit)
    end
    total, at = total + tonumber(number) * UNIT_SECONDS[unit], past
  end
  return total
end

-- Seconds east of UTC of "Z", "+01:00", "+0100" or "+01".
local function read_zone(text)
  if text == "Z" or text == "z" then return 0 end
  local sign, hours, minutes = text:match "^([+-])(%d%d):?(%d*)$"
  if not sign or not (minutes == "" or #minutes == 2) then return nil end
  if tonumber(hours) > 23 or (tonumber(minutes) or 0) > 59 then return nil end
  return (sign == "-" and -1 or 1) * (hours * 3600 + (tonumber(minutes) or 0) * 60)
end

-- Days from 1970-01-01 to a date of the Gregorian calendar.
local function days_to(year, month, day)
  local shifted = month <= 2 and year - 1 or year
  local era = shifted // 400
  local year_of_era = shifted - era * 400
  local day_of_year = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5 + day - 1
  local day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
  return era * 146097 + day_of_era - 719468
end

local MONTH_DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function is_date(year, month, day)
  if month < 1 or month > 12 or day < 1 then return false end
  local is_leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return day <= (month == 2 and is_leap and 29 or MONTH_DAYS[month])
end

-- "T14:03:05.5Z", "" …: hour, minute, second, zone ("": this machine's).
local function read_clock(text)
  if text == "" then return 0, 0, 0, "" end
  local hour, minute, rest = text:match "^[Tt ](%d%d):(%d%d)(.*)$"
  if not hour then return nil end
  local second, zone = rest:match "^:(%d%d[.,]?%d*)(.*)$"
  if not second then second, zone = "0", rest end
  second = tonumber((second:gsub(",", "."))) or 60
  if tonumber(hour) > 23 or tonumber(minute) > 59 or second >= 60 then return nil end
  return math.tointeger(hour), math.tointeger(minute), second, zone
end

local function local_seconds(year, month, day, hour, minute, second)
  local whole = math.floor(second)
  local time = os.time { year = year, month = month, day = day, hour = hour, min = minute,
    sec = whole }
  return time + (second - whole)
end

local function read_iso(text)
  local year, month, day, rest = text:match "^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$"
  if not year then return nil end
  year, month, day = math.tointeger(year), math.tointeger(month), math.tointeger(day)
  if not is_date(year, month, day) then return nil, "there is no such day" end
  local hour, minute, second, zone = read_clock(rest)
  if not hour then
    return nil, "after the date a time such as T14:03, T14:03:05 or T14:03:05.250Z is needed"
  end
  if zone == "" then return local_seconds(year, month, day, hour, minute, second) end
  local east = read_zone(zone)
  if not east then return nil, ("'%s' is no zone; Z or +01:00 is"):format(zone) end
  return days_to(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - east
end

--- Reads a time: "1795365705.25" (seconds since 1970), "2026-11-23", "2026-11-23T14:03:05Z",
--- "2026-11-23 14:03" (this machine's zone), "10m", "1h30m" (ago), "now".
---@param text string
---@return moonpool.cli.instant?
---@return string? message
function instant.parse(text)
  if text == "now" then return { ago = 0 } end
  if text:find "^%d+%.?%d*$" then
    local seconds = tonumber(text)
    if seconds >= LATEST then
      return refuse(text, "it is past the year 9999 in seconds since 1970; are these milliseconds?")
    end
    return { at = seconds }
  end
  local seconds, why = read_iso(text)
  if seconds and seconds >= 0 then return { at = seconds } end
  if seconds then return refuse(text, "it is before 1970") end
  if why then return refuse(text, why) end
  seconds, why = read_ago(text)
  if seconds and text ~= "" then return { ago = seconds } end
  return refuse(text, why or "seconds since 1970, 2026-11-23T14:03:05Z, or 10m (ago) is needed")
end

--- The seconds since 1970 that it stands for. How long ago is counted by Redis's clock, which
--- messages have their times from; by ours where Redis does not tell.
---@param moment moonpool.cli.instant
---@param client table from moonpool.connect
---@return number
function instant.resolve(moment, client)
  if moment.at then return moment.at end
  local time = client:call "TIME"
  local now = time and tonumber(time[1]) + tonumber(time[2]) / 1e6 or require("moonpool").time()
  return math.max(0, now - moment.ago)
end

return instant
