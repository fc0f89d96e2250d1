--- One loaded version of a script: its isolate, and the calls into it, which the host answers while
--- they wait.
local core = require "moonpool.core"
local guest_code = require "moonpool.host.guest_code"

local instance = {}

local isolate, sleep, latch = core.isolate, core.sleep, core.system.latch

local PAUSE_SECONDS = 0.002 -- of a call that computes: longer than a slice, so that others get more
local AT_ONCE = 64 -- asks of a call in a row, after which others have their turn

---@class moonpool.host.script what is to be loaded
---@field kind "bot"|"policy"
---@field name string unless the script sets another
---@field path string
---@field text string
---@field options table
---@field grants table<string, boolean>
---@field memory integer bytes
---@field budget number seconds of CPU
---@field seed integer?
---@field rooms string[]? instead of those that the script sets
---@field priority number? likewise, a policy's
---@field prepare fun(isolate: userdata)? before anything runs in it

---@class moonpool.host.instance
---@field actor any whose version it is
---@field is_active boolean? its timers run
---@field pending table<integer, table>? timers that were set before
---@field description table what the script is, and what it reacts to
---@field is_killed boolean nothing runs in it any more
---@field where string? where it was stopped
---@field timers table<integer, { close: fun() }>
---@field modules table<string, boolean> files that the script has required
---@field package isolate userdata
---@field package pause table? a latch: a call is paused, and others wait until it has gone on
---@field package asks table<string, function> (instance, context, ...) → what the guest is answered
local methods = {}
local mt = { __name = "moonpool.host.instance", __index = methods }

-- ---- calls -------------------------------------------------------------------------------------

local function answer_module(_, _, name) return guest_code.of(name) end

-- What is answered without waiting for anything. A loop that asks for nothing else, or for what
-- fails at once, is endless: it uses up the call's budget, which begins anew when that has waited.
local INSTANT = {
  log = true, fail = true, timer = true, cancel = true, unpattern = true, source = true,
  module = true,
}

local function after_ask(self, context, call, op, result)
  local has_waited = op == "sleep" or not INSTANT[op] and result ~= nil
  if has_waited then self.isolate:rested(call) end
  context.asked = (context.asked or 0) + 1
  if context.asked % AT_ONCE == 0 then pcall(sleep, 0) end -- which a strange coroutine cannot
end

local function end_pause(self, ...)
  local pause = self.pause
  self.pause = nil
  pause:open()
  return ...
end

-- Goes on with a call that was paused, again and again, after whatever else is to be done.
local function through(self, is_paused, outcome, ...)
  if outcome ~= "pause" then
    if is_paused then return end_pause(self, outcome, ...) end
    return outcome, ...
  end
  if not is_paused then self.pause = latch() end
  pcall(sleep, PAUSE_SECONDS)
  if not self.isolate then return end_pause(self, "closed") end
  return through(self, true, self.isolate:resume())
end

-- Runs a slice of the isolate's, once no other call is paused in it.
local function run(self, method, ...)
  while self.pause do self.pause:wait() end
  if not self.isolate then return "closed" end
  return through(self, false, self.isolate[method](self.isolate, ...))
end

-- Answers what a call asks for until it ends.
local function conclude(self, context, outcome, call, op, ...)
  if outcome == "ask" then
    local answer = op == "module" and answer_module or self.asks[op]
    if not answer then error(("the guest asks for %s"):format(tostring(op))) end
    local results = table.pack(pcall(answer, self, context, ...))
    if self.isolate then after_ask(self, context, call, op, results[2]) end
    if not self.isolate then return "closed" end
    if not results[1] then results = table.pack(true, nil, tostring(results[2]), "EARG") end
    return conclude(self, context, run(self, "answer", call, table.unpack(results, 2, results.n)))
  end
  if outcome == "killed" then
    self.is_killed, self.where = true, op
  end
  return outcome, call, op, ...
end

--- Calls the guest; awaits what it awaits.
---@param context table of the call, for what it asks
---@param event string
---@param ... any
---@return "done"|"error"|"killed"|"closed" outcome
---@return any ... "done": what it returned; "error": text
function methods:call(context, event, ...)
  return conclude(self, context, run(self, "start", event, ...))
end

--- What the isolate uses: `{ memory =, memory_peak =, cpu =, slices = }`.
---@return table
function methods:stats()
  if self.isolate then return self.isolate:stats() end
  return { memory = 0, memory_peak = 0, cpu = 0, slices = 0 }
end

--- Ends it: its timers, its memory. Calls that wait are never answered.
function methods:close()
  if not self.isolate then return end
  for _, timer in pairs(self.timers) do timer:close() end
  self.timers = {}
  self.isolate:close()
  self.isolate = nil
end

-- ---- loading -----------------------------------------------------------------------------------

local function explain(self, outcome, problem)
  if outcome == "killed" then
    return ("%s: over its budget of CPU; stopped"):format(self.where or "in a function of Lua's")
  end
  return tostring(problem)
end

local function boot(self, script)
  local outcome, problem = conclude(self, {}, run(self, "boot", guest_code.boot(), "=guest"))
  if outcome ~= "done" then return nil, explain(self, outcome, problem) end
  local description
  outcome, description, problem = self:call({}, "load", script.text, "@" .. script.path,
    script.kind, script.name, script.options, script.grants)
  if outcome ~= "done" then return nil, explain(self, outcome, description) end
  if not description then return nil, problem end
  self.description = description
  return self
end

--- Loads a script: runs it, so that it has all its functions.
---@param script moonpool.host.script
---@param asks table<string, function> what it may ask for
---@param actor? any whose version it is, for the answers
---@param slice? number seconds after which a call is paused, so that others have their turn
---@return moonpool.host.instance? instance
---@return string? message with the file and line
function instance.load(script, asks, actor, slice)
  local own, message = isolate.new {
    name = script.name, memory = script.memory, budget = script.budget, slice = slice,
    seed = script.seed,
  }
  if not own then return nil, message end
  local self = setmetatable({
    isolate = own, asks = asks, actor = actor, timers = {}, modules = {}, is_killed = false,
  }, mt)
  if script.prepare then script.prepare(own) end
  local ok, problem = boot(self, script)
  if not ok then
    self:close()
    return nil, problem
  end
  own:collect() -- what loading has left: a tenth of what an idle one holds
  return self
end

return instance
