-- Karma: "ann++" thanks ann, "ann--" does the contrary, "!karma ann" tells how much ann has,
-- "!karma" who has most. Nobody gives any to himself. It is kept for each room.

local MOST_NAMES = 1000 -- in a room; beyond it those with the least are forgotten
local TOP = 5

local function points_of(message)
  local store = message:store()
  if not store.points then store.points = {} end
  return store.points
end

-- Names with most first; of equals by name.
local function ranking(points)
  local names = {}
  for name in pairs(points) do names[#names + 1] = name end
  table.sort(names, function(a, b)
    if points[a] ~= points[b] then return points[a] > points[b] end
    return a < b
  end)
  return names
end

local function forget_some(points)
  local names = ranking(points)
  if #names <= MOST_NAMES then return end
  table.sort(names, function(a, b)
    local left, right = math.abs(points[a]), math.abs(points[b])
    if left ~= right then return left > right end
    return a < b
  end)
  for index = MOST_NAMES // 2, #names do points[names[index]] = nil end
end

local function change(message, points, name, by)
  local key = name:lower()
  if message.user and key == message.user:lower() then
    message:reply(("%s: nobody gives karma to himself."):format(message.user))
    return
  end
  local sum = (points[key] or 0) + by
  points[key] = sum ~= 0 and sum or nil
  forget_some(points)
  message:reply(("%s has %d."):format(key, sum))
end

bot:on("publish", function(message)
  if message.bot or message.text:find "^!" then return end
  local points
  for name, sign in message.text:gmatch "([%w_][%w_%-]-)([+-][+-])%f[^+-]" do
    local by = sign == "++" and 1 or sign == "--" and -1
    if by and #name <= 64 then
      points = points or points_of(message)
      change(message, points, name, by)
    end
  end
end)

bot:command("karma", { usage = "[NAME]", help = "how much NAME has, or who has most" },
  function(message, args)
    local points = points_of(message)
    if args[1] then
      local key = args[1]:lower()
      return message:reply(("%s has %d."):format(key, points[key] or 0))
    end
    local parts = {}
    for index, name in ipairs(ranking(points)) do
      if index <= TOP and points[name] > 0 then parts[#parts + 1] = name .. " " .. points[name] end
    end
    message:reply(#parts > 0 and table.concat(parts, ", ") or "Nobody has any karma yet.")
  end)
