--- Says the events of IRC logs in a room, in order: at full speed, or as their times say.
local moonpool = require "moonpool"
local irc_pace = require "moonpool.irc_pace"

local replay = {}

-- Messages that are under way at full speed: a few batches of the room's.
local WINDOW = 512

local LONGEST_NAP = 0.1 -- seconds

---@class moonpool.replay
---@field published integer events that are stored
---@field seconds number how long it took, once it has ended
---@field package reader moonpool.irc_reader
local replay_methods = {}
local replay_mt = { __name = "moonpool.replay", __index = replay_methods }

-- A source of events that are due at once.
local function at_full_speed(self)
  return function() return self.reader:next() end
end

-- Sleeps until then, in naps, so that a stop is noticed.
local function sleep_until(self, moment)
  local left = moment - moonpool.now()
  while left > 0 and not self.ended do
    moonpool.sleep(math.min(left, LONGEST_NAP))
    left = moment - moonpool.now()
  end
end

-- A source that sleeps until the next event is due; for one task.
local function at_speed(self, speed)
  local pace = irc_pace.new(self.reader)
  return function()
    local event, due = pace:next()
    if not event then return nil, due end
    sleep_until(self, self.began + due / speed)
    return event
  end
end

-- The event as what is said.
local function message_of(event)
  return { type = event.type, user = event.user, text = event.text, to = event.to }
end

-- One of the tasks that take turns: takes the next event and says it, without a pause between the
-- two, so that events are stored in order whichever task has them.
local function say_in_turn(self, next_event)
  while not self.ended do
    local event, problem = next_event()
    if not event or self.ended then
      self.ended, self.problem = true, self.problem or problem
      return
    end
    local id, message, code = self.room:say(message_of(event))
    if id then
      self.published = self.published + 1
    else
      if code == "EPARTIAL" then self.published = self.published + 1 end -- it is stored
      self.ended = true
      self.problem = self.problem or "cannot say it: " .. message
    end
  end
end

local function run_tasks(self, next_event, count)
  local tasks = {}
  for index = 1, count do tasks[index] = moonpool.spawn(say_in_turn, self, next_event) end
  for _, task in ipairs(tasks) do
    local _, trace = task:await()
    self.problem = self.problem or trace
  end
end

--- Says everything; returns when the last event is stored.
---@param speed number? times as fast as the logs' own times; nil: as fast as it goes
---@return boolean? ok
---@return string? message what could not be read or said; what is before it has been said
function replay_methods:run(speed)
  self.began = moonpool.now()
  if speed then
    run_tasks(self, at_speed(self, speed), 1)
  else
    run_tasks(self, at_full_speed(self), WINDOW)
  end
  self.seconds = moonpool.now() - self.began
  if self.problem then return nil, self.problem end
  return true
end

--- Says nothing more; run returns when what is under way is stored.
function replay_methods:stop() self.ended = true end

--- A replay that has not begun.
---@param room moonpool.room
---@param reader moonpool.irc_reader
---@return moonpool.replay
function replay.new(room, reader)
  return setmetatable({ room = room, reader = reader, published = 0 }, replay_mt)
end

return replay
