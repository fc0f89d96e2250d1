--- Who speaks in a room for the first time: kept in the policy's store of the room, for as many
--- users as fit; those who have not spoken for longest are forgotten first.
local newcomers = {}

local DAY = 86400
local MOST_USERS, MOST_BYTES, MOST_NAME = 1000, 40000, 128

-- An entry is text: when the user spoke first, and about when last.
local function decode(text)
  local first, last = tostring(text):match "^(%d+) (%d+)$"
  return tonumber(first) or 0, tonumber(last) or 0
end

-- Makes room for another user: forgets a tenth when there are too many.
local function make_room(store)
  local users, bytes = {}, 0
  for user, text in pairs(store) do
    local _, last = decode(text)
    users[#users + 1] = { user = user, last = last }
    bytes = bytes + #user + #text + 2
  end
  if #users < MOST_USERS and bytes < MOST_BYTES then return end
  table.sort(users, function(a, b)
    if a.last ~= b.last then return a.last < b.last end
    return a.user < b.user
  end)
  for index = 1, #users // 10 + 1 do store[users[index].user] = nil end
end

--- Since when a user speaks in the room, in whole seconds; notes that it is now.
---@param store table of the room
---@param user string
---@param now number
---@param is_kept boolean false: nothing is noted
---@return integer since
function newcomers.since(store, user, now, is_kept)
  local second = math.floor(now)
  if #user > MOST_NAME then return second end
  local text = store[user]
  if text == nil then
    if not is_kept then return second end
    make_room(store)
    store[user] = ("%d %d"):format(second, second)
    return second
  end
  local first, last = decode(text)
  if is_kept and second - last > DAY then store[user] = ("%d %d"):format(first, second) end
  return first
end

return newcomers
