--- Publishes the events of IRC logs into a room, in order: at full speed, or as their times say.
local moonpool = require "moonpool"
local irc_pace = require "moonpool.irc_pace"
local room_message = require "moonpool.room_message"

local replay = {}

-- Publishes that are under way at full speed. On a local Redis 64 to 512 were measured to be about
-- as fast, 16 and 1024 slower; a distant one needs many.
local WINDOW = 256

local LONGEST_NAP = 0.1 -- seconds

---@class moonpool.replay
---@field published integer events that Redis has acknowledged
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

-- One of the tasks that take turns: takes the next event and publishes it, without a pause between
-- the two, so that events are sent in order whichever task has them.
local function publish_in_turn(self, next_event)
  while not self.ended do
    local event, problem = next_event()
    if not event or self.ended then
      self.ended, self.problem = true, self.problem or problem
      return
    end
    local receivers, message = self.client:publish(self.channel, room_message.encode(event))
    if receivers then
      self.published = self.published + 1
    else
      self.ended = true
      self.problem = self.problem or ("cannot publish to %s: %s"):format(self.channel, message)
    end
  end
end

local function run_tasks(self, next_event, count)
  local tasks = {}
  for index = 1, count do tasks[index] = moonpool.spawn(publish_in_turn, self, next_event) end
  for _, task in ipairs(tasks) do
    local _, trace = task:await()
    self.problem = self.problem or trace
  end
end

--- Publishes everything; returns when the last event has been acknowledged.
---@param speed number? times as fast as the logs' own times; nil: as fast as it goes
---@return boolean? ok
---@return string? message what could not be read or published; what is before it has been published
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

--- Sends nothing more; run returns when what is under way has been acknowledged.
function replay_methods:stop() self.ended = true end

--- A replay that has not begun.
---@param client table from moonpool.connect
---@param channel string
---@param reader moonpool.irc_reader
---@return moonpool.replay
function replay.new(client, channel, reader)
  return setmetatable({
    client = client, channel = channel, reader = reader, published = 0,
  }, replay_mt)
end

return replay
