-- Rolls dice: "!roll" is one die, "!roll 2d6+1" two dice with six sides, plus one.

local MAX_DICE, MAX_SIDES = 20, 1000
local USAGE = ("Try !roll 2d6+1: at most %d dice with 2 to %d sides."):format(MAX_DICE, MAX_SIDES)

-- "2d6+1" → 2, 6, 1; nil when it is no roll.
local function parse(text)
  local count, sides, sign, extra = text:match "^(%d*)d(%d+)([+-]?)(%d*)$"
  if not count or (sign == "") ~= (extra == "") then return nil end
  count, sides = tonumber(count ~= "" and count or "1"), tonumber(sides)
  extra = tonumber(extra ~= "" and sign .. extra or "0")
  if count < 1 or count > MAX_DICE or sides < 2 or sides > MAX_SIDES then return nil end
  if math.abs(extra) > 1000000 then return nil end
  return count, sides, extra
end

local function roll(count, sides, extra)
  local terms, total = {}, extra
  for index = 1, count do
    local face = math.random(sides)
    terms[index] = tostring(face)
    total = total + face
  end
  local sum = table.concat(terms, " + ")
  if extra ~= 0 then sum = ("%s %s %d"):format(sum, extra < 0 and "-" or "+", math.abs(extra)) end
  return sum, total, count > 1 or extra ~= 0
end

bot:command("roll", function(message, args)
  local what = (args[1] or "1d6"):lower()
  local count, sides, extra = parse(what)
  local user = message.user or "someone"
  if not count then return message:reply(user .. ": " .. USAGE) end
  local sum, total, is_sum = roll(count, sides, extra)
  message:reply(("%s rolls %s: %s"):format(user, what, is_sum and sum .. " = " .. total or sum))
end)
