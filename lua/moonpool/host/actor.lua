--- A script in a running host: its present version, who waits for it, its failures, and the ways
--- from one version to the next. What fails too often, or is stopped, is set aside and tried again
--- later; who has something for it waits meanwhile.
local moonpool = require "moonpool"
local instances = require "moonpool.host.instance"
local system = require("moonpool.core").system

local actor = {}

local QUIET_SECONDS = 2 -- for calls to end, before the next version takes over

---@alias moonpool.host.state "new"|"running"|"aside"|"stopped"

---@class moonpool.host.actor
---@field kind "bot"|"policy"
---@field id string under which it keeps what it keeps: the script's, whatever name that takes
---@field name string
---@field state moonpool.host.state
---@field instance moonpool.host.instance? nil: it has not been loaded
---@field is_careful boolean? a worker was killed for it
---@field description table
---@field priority number? a policy's
---@field rooms string[]? a policy's; nil: all
---@field events table<string, boolean> what it has functions for
---@field patterns table[]
---@field handled integer calls that have ended
---@field errors integer functions of the script's that failed
---@field restarts integer
---@field reloads integer
---@field last_error string?
---@field package script moonpool.host.script
---@field package services moonpool.host.services
---@field package gate table? a latch: events wait for it
---@field package calls integer that have not ended
---@field package asleep integer of those, in bot.sleep
---@field package quiet table? a latch, for who waits until no call is under way
---@field package waits_for_all boolean who waits so does it for calls that sleep, too
---@field package failures number[] when the last ones were
---@field package backoff number? seconds until it is tried again
---@field package retry_at number when that is, of moonpool.now
---@field package is_ending boolean its timers have ended
---@field touched boolean its stores may have changed
local methods = {}
local mt = { __name = "moonpool.host.actor", __index = methods }

---@class moonpool.host.restart when a script is set aside, and for how long
---@field max_failures integer
---@field within number seconds
---@field backoff_min number seconds
---@field backoff_max number seconds

---@class moonpool.host.services what an actor needs of its host
---@field asks table<string, function>
---@field log moonpool.host.log
---@field restart moonpool.host.restart
---@field slice number? seconds after which a call lets others have their turn
---@field on_version fun(actor: moonpool.host.actor) another version runs: it may want other rooms
---@field commit fun(actor: moonpool.host.actor) its stores

-- ---- the gate ----------------------------------------------------------------------------------

local function close_gate(self) self.gate = self.gate or system.latch() end

local function open_gate(self)
  local gate = self.gate
  self.gate = nil
  if gate then gate:open() end
end

local function is_quiet(self)
  return self.calls == (self.waits_for_all and 0 or self.asleep)
end

local function tell_quiet(self)
  if self.quiet and is_quiet(self) then self.quiet:open() end
end

-- Awaits, with the gate closed, that no call is under way; false: some still are.
local function await_quiet(self, seconds)
  if is_quiet(self) then return true end
  local quiet = system.latch()
  self.quiet = quiet
  local deadline = moonpool.timer(seconds, function() quiet:open() end)
  quiet:wait()
  deadline:close()
  self.quiet = nil
  return is_quiet(self)
end

--- Calls fn while no call is under way and none begins; events wait meanwhile. A call that sleeps
--- may do so for hours: it is only waited for when that is asked for.
---@param fn fun(is_quiet: boolean) `is_quiet` false: a call waits for too long
---@param waits_for_all boolean? for calls that sleep, too
function methods:hold(fn, waits_for_all)
  while self.gate do self.gate:wait() end
  if self.state == "stopped" then return end
  close_gate(self)
  self.waits_for_all = waits_for_all or false
  fn(await_quiet(self, QUIET_SECONDS))
  if self.state ~= "aside" then open_gate(self) end
end

-- ---- versions ----------------------------------------------------------------------------------

local function log_of(self, level, message, fields)
  fields = fields or {}
  fields.script = self.name
  self.services.log:write(level, message, fields)
end

local function load(self, script)
  return instances.load(script, self.services.asks, self, self.services.slice)
end

-- Timers that were set before wait for this.
local function begin_timers(self, instance)
  instance.is_active = true
  for id, wanted in pairs(instance.pending or {}) do
    self.services.asks.timer(instance, {}, id, wanted.seconds, wanted.is_repeated)
  end
  instance.pending = nil
end

-- Nothing is known of a script that has not been loaded.
local UNKNOWN = { events = {}, patterns = {}, rooms = {} }

local function take_over(self, script, instance)
  local about = instance.description
  self.script, self.instance, self.description = script, instance, about
  self.name, self.events, self.patterns = about.name, about.events, about.patterns
  self.priority, self.rooms = script.priority or about.priority, script.rooms or about.rooms
  self.state = "running"
end

local function begin(self, instance, event, ...)
  begin_timers(self, instance)
  if self.events[event] then self:deliver({}, event, ...) end
end

-- ---- failures ----------------------------------------------------------------------------------

local set_aside

-- Starts it again, after a while; until that succeeds, again and again.
local function try_again(self, seconds)
  self.retry_at = moonpool.now() + seconds
  moonpool.sleep(seconds)
  if self.state ~= "aside" then return end
  self.restarts = self.restarts + 1
  local instance, message = load(self, self.script)
  if self.state ~= "aside" then
    if instance then instance:close() end
    return
  end
  if not instance then
    self.last_error = message
    set_aside(self, message)
    return
  end
  take_over(self, self.script, instance)
  log_of(self, "info", "runs again")
  self.services.on_version(self)
  open_gate(self)
  begin(self, instance, "start")
end

function set_aside(self, why)
  local restart = self.services.restart
  self.state = "aside"
  self.backoff = math.min(math.max((self.backoff or 0) * 2, restart.backoff_min),
    restart.backoff_max)
  close_gate(self)
  if self.instance then self.instance:close() end
  log_of(self, "error", ("set aside, tried again in %g s: %s"):format(self.backoff, why))
  moonpool.spawn(try_again, self, self.backoff)
end

--- Instead of load: it is not to run before so many seconds have passed, since a worker had to be
--- killed for it. Whatever it is handed after that counts as handled before it is: so what got it
--- stuck cannot do so again and again.
---@param reason string
---@param seconds number
function methods:postpone(reason, seconds)
  self.state, self.last_error, self.is_careful = "aside", reason, true
  self.backoff = seconds
  self.events, self.patterns, self.rooms = UNKNOWN.events, UNKNOWN.patterns, UNKNOWN.rooms
  close_gate(self)
  log_of(self, "warning", ("set aside, tried again in %.3g s: %s"):format(seconds, reason))
  moonpool.spawn(try_again, self, seconds)
end

--- A function of the script's failed.
---@param trace string
---@param event string
---@param context table of the call
function methods:failed(trace, event, context)
  self.errors = self.errors + 1
  self.last_error = trace
  log_of(self, "error", trace, { event = event, room = context.room, id = context.id })
  local restart, failures = self.services.restart, self.failures
  failures[#failures + 1] = moonpool.now()
  if #failures <= restart.max_failures then return end
  local since = table.remove(failures, 1)
  if self.state == "running" and moonpool.now() - since <= restart.within then
    self.failures = {}
    set_aside(self, ("%d failures within %g s"):format(restart.max_failures + 1, restart.within))
  end
end

local function ended_badly(self, instance, outcome, problem, context)
  if outcome == "closed" or self.instance ~= instance or self.state ~= "running" then return end
  if outcome == "error" then
    self:failed(problem, "call", context)
    return
  end
  self.errors = self.errors + 1
  self.last_error = ("%s: over its budget of CPU, stopped"):format(
    instance.where or "in a function of Lua's library")
  set_aside(self, self.last_error)
end

-- ---- calls -------------------------------------------------------------------------------------

local function ended(self, instance, context, outcome, first, ...)
  self.calls = self.calls - 1
  self.handled = self.handled + 1
  tell_quiet(self)
  if outcome ~= "done" then
    ended_badly(self, instance, outcome, first, context)
    return nil
  end
  return first, ...
end

--- Awaits that time, for a call.
---@param seconds number
function methods:sleep(seconds)
  self.asleep = self.asleep + 1
  tell_quiet(self)
  moonpool.sleep(seconds)
  self.asleep = self.asleep - 1
end

--- Hands an event to the script and awaits that it is handled; waits for it when it is set aside or
--- another version is being loaded.
---@param context table what asks should know of the call: room, id, message
---@param event string
---@param ... any
---@return any ... what the guest returned; nothing when it failed
function methods:deliver(context, event, ...)
  while self.gate do self.gate:wait() end
  if self.state ~= "running" then return end
  self.calls = self.calls + 1
  local instance = self.instance
  local is_touched = ended(self, instance, context, instance:call(context, event, ...))
  if is_touched == true then self.touched = true end
end

--- A timer of that version's is due.
function methods:on_timer(instance, id)
  while self.gate do self.gate:wait() end
  if self.instance == instance and not self.is_ending then self:deliver({}, "timer", id) end
end

--- No timer is of any use any more.
function methods:end_timers() self.is_ending = true end

--- A policy's verdict. Awaits it.
---@param event "publish"|"subscribe"|"pattern"
---@param request moonpool.policy_request
---@param pattern_id? integer
---@return string? verdict "allow"; "reject", reason; "rewrite", text; nil, why it has none
---@return string? value
function methods:judge(event, request, pattern_id)
  while self.gate and self.state ~= "aside" do self.gate:wait() end
  if self.state ~= "running" then return nil, "it is set aside" end
  self.calls = self.calls + 1
  local context = { request = request, room = request.room }
  local instance = self.instance
  local verdict, value, is_touched = ended(self, instance, context,
    instance:call(context, "judge", event, request, pattern_id))
  if is_touched then self.touched = true end
  if verdict == "failed" or not verdict then return nil, self.last_error end
  return verdict, value
end

-- ---- its life ----------------------------------------------------------------------------------

--- Loads the script for the first time. What comes for a bot waits until it is started.
---@return boolean? ok
---@return string? message
function methods:load()
  local instance, message = load(self, self.script)
  if not instance then return nil, message end
  take_over(self, self.script, instance)
  if self.kind == "bot" then close_gate(self) end
  return true
end

--- From now on timers run and a bot is handed what waits for it, after the script's function for
--- "start" was called.
function methods:start()
  open_gate(self)
  begin(self, self.instance, "start")
end

-- Replaces the version while nothing runs in it.
local function replace(self, script)
  local instance, message = load(self, script)
  if not instance then return nil, message end
  local old, outcome, state = self.instance, "closed", nil
  if old then outcome, state = old:call({}, "state") end
  take_over(self, script, instance)
  if old then old:close() end
  self.reloads = self.reloads + 1
  self.failures, self.backoff = {}, nil
  return true, outcome == "done" and state or nil
end

-- Events wait while fn runs, without a call under way.
local function between_calls(self, fn)
  if self.state == "aside" then
    fn()
  else
    self:hold(function()
      self.services.commit(self)
      fn()
    end, true)
  end
end

--- Loads the script anew beside the present version, which stays when that fails. Events wait
--- meanwhile and are the winner's.
---@param script moonpool.host.script
---@return boolean? ok
---@return string? message
function methods:reload(script)
  local ok, result = nil, "it has ended"
  local was_aside = self.state == "aside"
  between_calls(self, function() ok, result = replace(self, script) end)
  if not ok then
    log_of(self, "error", "not reloaded: " .. tostring(result))
    return nil, result
  end
  if self.gate and was_aside then open_gate(self) end
  log_of(self, "info", "reloaded")
  self.services.on_version(self)
  begin(self, self.instance, "upgrade", result)
  return true
end

--- Calls the script's function for "stop" and ends it.
function methods:stop()
  if self.state == "running" and self.events.stop then self:deliver({}, "stop") end
  self.services.commit(self)
  self.state = "stopped"
  if self.instance then self.instance:close() end
  open_gate(self)
end

local NOTHING_USED = { cpu = 0, memory = 0, memory_peak = 0 }

local STATE_NAMES = { new = "starting", aside = "set aside" }

--- Figures, as `moonpool ps` shows them.
---@return table
function methods:stats()
  local used = self.instance and self.instance:stats() or NOTHING_USED
  local is_aside = self.state == "aside"
  return {
    name = self.name, kind = self.kind, state = STATE_NAMES[self.state] or self.state,
    events = self.handled, errors = self.errors, restarts = self.restarts,
    reloads = self.reloads, queue = self.calls, cpu = used.cpu, memory = used.memory,
    memory_peak = used.memory_peak, last_error = self.last_error,
    reason = is_aside and self.last_error or nil,
    retry_in = is_aside and math.max(0, self.retry_at - moonpool.now()) or nil,
  }
end

--- An actor that is not loaded yet.
---@param script moonpool.host.script
---@param services moonpool.host.services
---@return moonpool.host.actor
function actor.new(script, services)
  return setmetatable({
    kind = script.kind, id = script.name, name = script.name, state = "new",
    script = script, services = services,
    handled = 0, errors = 0, restarts = 0, reloads = 0, calls = 0, asleep = 0, failures = {},
    waits_for_all = false, touched = false, is_ending = false,
  }, mt)
end

return actor
