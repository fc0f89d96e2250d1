--- Times as people write them: "10m", "1h30m", "2d".
local duration = {}

local UNITS = { { "w", 604800 }, { "d", 86400 }, { "h", 3600 }, { "m", 60 }, { "s", 1 } }
local SECONDS = {}
for _, unit in ipairs(UNITS) do SECONDS[unit[1]] = unit[2] end

local MOST = 3660 * 86400

--- Seconds, or nil when the text is no time.
---@param text string
---@return integer?
function duration.parse(text)
  local total, at = 0, 1
  while at <= #text do
    local number, unit, after = text:match("^(%d%d?%d?%d?%d?%d?)([wdhms])()", at)
    if not number then return nil end
    total, at = total + math.tointeger(tonumber(number)) * SECONDS[unit], after
  end
  return total > 0 and total <= MOST and total or nil
end

-- Rounded up to the unit below the largest that it has.
local function round(seconds)
  for index, unit in ipairs(UNITS) do
    local below = UNITS[index + 1]
    if below and seconds >= unit[2] then return (seconds + below[2] - 1) // below[2] * below[2] end
  end
  return seconds
end

--- The two largest units, rounded up: "1h30m", "12s".
---@param seconds number
---@return string
function duration.format(seconds)
  local left, text = round(math.max(math.ceil(seconds), 1)), ""
  for _, unit in ipairs(UNITS) do
    local count = left // unit[2]
    if count > 0 then text = text .. count .. unit[1] end
    left = left % unit[2]
  end
  return text
end

return duration
