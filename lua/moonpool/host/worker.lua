--- The worker's side of what moonpool.host.supervisor describes.
local moonpool = require "moonpool"
local core = require "moonpool.core"
local system = core.system

local worker = {}

local BEAT_SECONDS = 1
local MAX_LINE_BYTES = 16 << 20 -- of the settings, of answers

---@class moonpool.host.worker
---@field settings table what the supervisor has told it: `redis`, `control_fd` …
---@field set_aside table<string, moonpool.host.set_aside.entry> by name: scripts that are not to
--- run before `retry_in` seconds have passed
---@field package stream table
---@field package beat table
---@field package handlers { stop: fun(), reload: fun(), call: nil|fun(request: table): any }
---@field package questions table<integer, { latch: table, answers: table? }>
---@field package is_closed boolean
local worker_methods = {}
local worker_mt = { __name = "moonpool.host.worker", __index = worker_methods }

--- Was this process started as a worker?
---@return boolean
function worker.is_one()
  return (os.getenv "MOONPOOL_WORKER" or "") ~= ""
end

local function tell(self, line)
  return self.stream:write(line .. "\n")
end

-- Another worker asks.
local function answer(self, id, text)
  local request = moonpool.json.decode(text)
  local reply = self.handlers.call and self.handlers.call(request) or nil
  tell(self, ("answer %s %s"):format(id, moonpool.json.encode(reply) or "null"))
end

local function take_answers(self, ref, text)
  local question = self.questions[tonumber(ref)]
  if not question then return end
  question.answers = moonpool.json.decode(text) or {}
  question.latch:open()
end

local ORDERS = {
  reload = function(self) moonpool.spawn(self.handlers.reload) end,
  stop = function(self) moonpool.spawn(self.handlers.stop) end,
  call = function(self, id, text) moonpool.spawn(answer, self, id, text) end,
  answers = take_answers,
}

local function obey(self)
  for line in function() return self.stream:read_line(MAX_LINE_BYTES) end do
    local word, ref, text = line:match "^(%l+) ?(%d*) ?(.*)$"
    if ORDERS[word] then ORDERS[word](self, ref, text) end
  end
  for _, question in pairs(self.questions) do question.latch:open() end
  if not self.is_closed then moonpool.spawn(self.handlers.stop) end -- the supervisor is gone
end

local function read_settings(self)
  local line, message = self.stream:read_line(MAX_LINE_BYTES)
  local settings = line and moonpool.json.decode(line)
  if type(settings) ~= "table" then
    return nil, "the supervisor does not say what to do: " .. tostring(message or line)
  end
  self.settings, self.set_aside = settings, {}
  for _, entry in ipairs(settings.set_aside or {}) do self.set_aside[entry.name] = entry end
  return true
end

--- Begins to be a worker: gives signs of life, hands the supervisor's end to the isolates' alarm,
--- and obeys. Awaits its settings.
---@param handlers { stop: fun(), reload: fun() } each called in a task: `stop` when the process is
--- to end, perhaps more than once, also because the supervisor is gone; `reload` when scripts are
--- to be read again, then `reloaded` is to be called; `call` answers what another worker asks
---@return moonpool.host.worker?
---@return string? message
function worker.open(handlers)
  local fd = tonumber(os.getenv "MOONPOOL_WORKER")
  local stream, message = system.open_stream(fd and math.tointeger(fd) or -1)
  if not stream then
    return nil, "MOONPOOL_WORKER is for workers that a supervisor starts: " .. message
  end
  local self = setmetatable({
    stream = stream, handlers = handlers, is_closed = false, questions = {}, last_question = 0,
  }, worker_mt)
  self.beat = moonpool.timer(BEAT_SECONDS, function() tell(self, "beat") end)
  tell(self, "beat")
  if core.isolate then core.isolate.set_alarm(stream:fd()) end
  local is_told
  is_told, message = read_settings(self)
  if not is_told then
    self:close()
    return nil, message
  end
  moonpool.spawn(obey, self)
  return self
end

--- Tells the supervisor that everything runs: from then on a worker that fails is started again.
function worker_methods:ready() tell(self, "ready") end

--- Tells that a reload is over.
function worker_methods:reloaded() tell(self, "reloaded") end

--- A line for the service manager.
---@param text string
function worker_methods:status(text) tell(self, "status " .. text:gsub("%c", " ")) end

--- Asks all other workers. Awaits their answers, for some seconds: of those that are ready by then.
---@param request table what JSON can hold
---@return table[] answers
function worker_methods:ask_others(request)
  if self.is_closed then return {} end
  self.last_question = self.last_question + 1
  local ref, question = self.last_question, { latch = system.latch() }
  self.questions[ref] = question
  tell(self, ("call %d %s"):format(ref, assert(moonpool.json.encode(request))))
  question.latch:wait()
  self.questions[ref] = nil
  local answers = {}
  for _, one in ipairs(question.answers or {}) do
    if type(one) == "table" then answers[#answers + 1] = one end
  end
  return answers
end

--- The last thing that a worker does. Doing it again does nothing.
function worker_methods:close()
  if self.is_closed then return end
  self.is_closed = true
  if core.isolate then core.isolate.set_alarm(nil) end
  self.beat:close()
  self.stream:close()
  for _, question in pairs(self.questions) do question.latch:open() end
end

return worker
