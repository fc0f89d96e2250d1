--- How many messages a second come from each room, over the last few seconds.
local rates = {}

local SECONDS = 5 -- what is averaged over
local SHOWN = 3 -- rooms that are named
local MAX_ROOMS = 10000 -- that are counted by name; the messages of more count for all

---@class moonpool.cli.rates
---@field total integer messages since the beginning
---@field rooms integer rooms that a message has come from
---@field package seen table<string, boolean>
---@field package slots table[] the last seconds, each { second =, total =, by_room = }
---@field package began integer the second of the beginning
local rates_methods = {}
local rates_mt = { __name = "moonpool.cli.rates", __index = rates_methods }

local function slot_of(self, second)
  local index = second % SECONDS + 1
  local slot = self.slots[index]
  if not slot or slot.second ~= second then
    slot = { second = second, total = 0, by_room = {} }
    self.slots[index] = slot
  end
  return slot
end

--- Counts a message.
---@param room string
---@param now number seconds on a clock that only goes forward
function rates_methods:count(room, now)
  local slot = slot_of(self, math.floor(now))
  self.total, slot.total = self.total + 1, slot.total + 1
  if not self.seen[room] then
    if self.rooms >= MAX_ROOMS then return end
    self.seen[room], self.rooms = true, self.rooms + 1
  end
  slot.by_room[room] = (slot.by_room[room] or 0) + 1
end

-- The counts of the last whole seconds, and how many those are.
local function sum(self, now)
  local last = math.floor(now) - 1
  local total, by_room = 0, {}
  for _, slot in pairs(self.slots) do
    if slot.second <= last and slot.second > last - SECONDS + 1 then
      total = total + slot.total
      for room, count in pairs(slot.by_room) do by_room[room] = (by_room[room] or 0) + count end
    end
  end
  return total, by_room, math.max(1, math.min(SECONDS - 1, last - self.began + 1))
end

--- Messages a second: of all, and of the rooms with most, the busiest first.
---@param now number
---@return number rate
---@return { room: string, rate: number }[]
function rates_methods:now(now)
  local total, by_room, seconds = sum(self, now)
  local list = {}
  for room, count in pairs(by_room) do list[#list + 1] = { room = room, rate = count / seconds } end
  table.sort(list, function(a, b)
    if a.rate ~= b.rate then return a.rate > b.rate end
    return a.room < b.room
  end)
  return total / seconds, table.move(list, 1, math.min(SHOWN, #list), 1, {})
end

---@param now number seconds on a clock that only goes forward
---@return moonpool.cli.rates
function rates.new(now)
  return setmetatable({ total = 0, rooms = 0, seen = {}, slots = {}, began = math.floor(now) },
    rates_mt)
end

return rates
