--- When the events of IRC logs are due, from the times in their lines. Lines have minutes only, so
--- the events of one minute are spread evenly over it.
local irc_pace = {}

local MINUTES_A_DAY = 24 * 60
local HALF_DAY = 12 * 60

---@class moonpool.irc_pace
---@field minute integer? of the day, of the event that came last
local pace_methods = {}
local pace_mt = { __name = "moonpool.irc_pace", __index = pace_methods }

-- Minutes from one time to the next. Some logs count hours from 1 to 12, so a step back is a turn
-- of either clock; a step back of less than half a turn is no turn but a line out of order.
local function minutes_between(from, to)
  if to >= from then return to - from end
  local turned = (to - from) % HALF_DAY
  if turned < HALF_DAY / 2 then return turned end
  turned = (to - from) % MINUTES_A_DAY
  return turned < HALF_DAY and turned or 0
end

-- Reads on to the end of the minute. A line without a time belongs to the minute before; a new
-- file starts a minute of its own, as nothing says how much later it is.
local function read_minute(self)
  local group = { self.ahead }
  local minute, file = self.ahead.minute, self.ahead_file
  while true do
    local event, message = self.reader:next()
    self.ahead, self.ahead_file, self.problem = event, self.reader.file_index, message
    if not event or self.ahead_file ~= file then break end
    if event.minute and minute and event.minute ~= minute then break end
    minute = minute or event.minute
    group[#group + 1] = event
  end
  return group, minute
end

-- Moves the clock to the minute that comes: at least by one, as it is not the last one's.
local function advance(self, minute, is_new_file)
  local known = self.minute and minute and not is_new_file
  local passed = known and minutes_between(self.minute, minute) or 1
  if minute and passed > 0 then self.minute = minute end
  self.at = self.at + 60 * math.max(1, passed)
end

local function fill(self)
  if not self.started then
    self.started = true
    local event, message = self.reader:next()
    self.ahead, self.ahead_file, self.problem = event, self.reader.file_index, message
  end
  if not self.ahead then return false end
  local file = self.ahead_file
  local group, minute = read_minute(self)
  if self.file then advance(self, minute, file ~= self.file) else self.minute = minute end
  self.group, self.index, self.file = group, 0, file
  return true
end

--- The next event and when it is due.
---@return moonpool.irc.event? event nil at the end
---@return number|string|nil due seconds since the first event; without an event what went wrong
function pace_methods:next()
  if self.index == #self.group and not fill(self) then return nil, self.problem end
  self.index = self.index + 1
  return self.group[self.index], self.at + 60 * (self.index - 1) / #self.group
end

--- @param reader moonpool.irc_reader
--- @return moonpool.irc_pace
function irc_pace.new(reader)
  return setmetatable({ reader = reader, group = {}, index = 0, at = 0 }, pace_mt)
end

return irc_pace
