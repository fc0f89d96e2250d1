--- The supervisor of a host with several workers: the first runs the scripts, all of them carry
--- rooms to browsers by the same listening sockets. Each has a moonpool.host.supervisor of its own,
--- which watches it and starts it again. The others are started once the first is ready, so that
--- what is wrong is told once.
---
--- Workers can ask each other: "call REF JSON" of one goes to all others that are ready, as "call
--- ID JSON"; their "answer ID JSON" come back to it together, as "answers REF [JSON,…]".
local moonpool = require "moonpool"
local supervisor = require "moonpool.host.supervisor"

local crew = {}

local ANSWER_SECONDS = 5 -- for those that are asked: then the others' answers do

---@class moonpool.host.crew the same methods as a supervisor's
---@field package lanes moonpool.host.supervisor[]
---@field package tasks table[] of those that run
---@field package questions table<integer, table>
---@field package last_question integer
---@field package is_stopping boolean
---@field package status integer?
local methods = {}
local mt = { __name = "moonpool.host.crew", __index = methods }

-- ---- questions ---------------------------------------------------------------------------------

local function finish(self, id, question)
  self.questions[id] = nil
  question.timer:close()
  question.lane:tell(("answers %s [%s]"):format(question.ref, table.concat(question.answers, ",")),
    question.worker)
end

local function on_call(self, lane, worker, text)
  local ref, request = text:match "^(%d+) (.*)$"
  if not ref then return end
  self.last_question = self.last_question + 1
  local id = self.last_question
  local question = { lane = lane, worker = worker, ref = ref, waiting = {}, answers = {} }
  self.questions[id] = question
  question.timer = moonpool.timer(ANSWER_SECONDS, function() finish(self, id, question) end)
  for _, other in ipairs(self.lanes) do
    if other ~= lane and other:is_ready() then
      question.waiting[other] = true
      other:tell(("call %d %s"):format(id, request))
    end
  end
  if not next(question.waiting) then finish(self, id, question) end
end

local function no_longer_wait(self, id, question, lane)
  question.waiting[lane] = nil
  if not next(question.waiting) then finish(self, id, question) end
end

local function on_answer(self, lane, text)
  local id, answer = text:match "^(%d+) (.*)$"
  local question = self.questions[tonumber(id)]
  if not question then return end -- it has waited for too long
  question.answers[#question.answers + 1] = answer
  no_longer_wait(self, tonumber(id), question, lane)
end

-- A worker has ended: it answers nothing any more.
local function on_end(self, lane)
  local waiting = {}
  for id, question in pairs(self.questions) do
    if question.waiting[lane] then waiting[id] = question end
  end
  for id, question in pairs(waiting) do no_longer_wait(self, id, question, lane) end
end

-- ---- life --------------------------------------------------------------------------------------

local function run_lane(self, lane)
  local status = lane:run()
  if (self.status or 0) == 0 then self.status = status end
  self:stop()
end

local function start_others(self)
  if #self.tasks > 1 or self.is_stopping then return end
  for number = 2, #self.lanes do
    self.tasks[number] = moonpool.spawn(run_lane, self, self.lanes[number])
  end
end

--- Runs the workers until the end: when one of them has ended for good, all end. Awaits.
---@return integer status as of a supervisor's run, the worst
function methods:run()
  self.tasks[1] = moonpool.spawn(run_lane, self, self.lanes[1])
  local index = 1
  while self.tasks[index] do
    self.tasks[index]:await()
    index = index + 1
  end
  return self.status or 0
end

--- Has all workers end in order, and no other one started.
function methods:stop()
  self.is_stopping = true
  for _, lane in ipairs(self.lanes) do lane:stop() end
end

--- Ends all workers at once.
function methods:kill()
  self.is_stopping = true
  for _, lane in ipairs(self.lanes) do lane:kill() end
end

--- Has all workers reload their scripts.
function methods:reload()
  for _, lane in ipairs(self.lanes) do lane:reload() end
end

local function copy(from)
  local to = {}
  for name, value in pairs(from) do to[name] = value end
  return to
end

local function new_lane(self, options, number)
  local own, lane = copy(options), nil
  own.settings = copy(options.settings or {})
  own.settings.number = number
  own.is_helper = number > 1
  if own.is_helper then own.control_fd = nil end
  own.on_ready = number == 1 and function() start_others(self) end or nil
  own.on_call = function(worker, text) on_call(self, lane, worker, text) end
  own.on_answer = function(text) on_answer(self, lane, text) end
  own.on_end = function() on_end(self, lane) end
  lane = supervisor.new(own)
  return lane
end

---@param options moonpool.host.supervisor.options of each; settings.number is set
---@param count integer of workers
---@return moonpool.host.crew
function crew.new(options, count)
  local self = setmetatable({
    lanes = {}, tasks = {}, questions = {}, last_question = 0, is_stopping = false,
  }, mt)
  for number = 1, count do self.lanes[number] = new_lane(self, options, number) end
  return self
end

return crew
