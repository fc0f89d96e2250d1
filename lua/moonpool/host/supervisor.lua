--- The process that runs no script: it starts a worker, which runs all of them, watches it, and
--- starts another one when that has died or had to be killed.
---
--- The worker is the same program with the same arguments, and $MOONPOOL_WORKER in its environment:
--- the number of its end of a socket pair. Over that go lines. To the worker: its settings as one
--- JSON object, then "reload" and "stop". From it: "beat" every second, "ready", "reloaded",
--- "status TEXT", and, written by a signal handler in C while Lua is stuck, "stuck NAME" and "free
--- NAME"; what workers ask each other is in moonpool.host.crew. When the pair closes the worker
--- ends, so none is left without a supervisor.
local moonpool = require "moonpool"
local restarts = require "moonpool.host.restarts"
local service_manager = require "moonpool.host.service_manager"
local set_aside = require "moonpool.host.set_aside"
local system = require("moonpool.core").system

local supervisor = {
  GAVE_UP = 70, -- EX_SOFTWARE of sysexits.h
  BAD_CONFIG = 78, -- EX_CONFIG
  DRAIN_SECONDS = 10,
}

local PAIR_FD, CONTROL_FD, LISTEN_FD = 3, 4, 5 -- in the worker; the last: from there on
local LAST_WORDS_SECONDS = 0.2 -- for what a worker wrote before its end
local LATE_SECONDS = 0.5 -- a look that is so late says that we were held up, not the worker

---@class moonpool.host.supervisor.options
---@field argv string[] the worker's program and arguments; see supervisor.command
---@field log fun(message: string, script: string?) what an operator should know, of which script
---@field settings? table what the worker is told besides: anything that JSON can hold
---@field control_fd? integer a listening socket for the worker; it stays the caller's
---@field listen_fds? integer[] likewise, of the gateway
---@field grace? number seconds that a script may be stuck; default 1
---@field stall? number seconds without a heartbeat after which a worker is killed; default 10
---@field drain? number seconds that a worker has for its end; default 10
---@field max_restarts? integer failures within `within` seconds that are endured; default 5
---@field within? number default 60
---@field backoff_min? number seconds before the second start in a row; default 0.1
---@field backoff_max? number default 5
---@field retry_min? number seconds until a script that was stuck is tried again; default 10
---@field retry_max? number default 3600
---@field is_helper? boolean the service manager hears of another worker
---@field on_ready? fun() a worker is
---@field on_end? fun() a worker has ended
---@field on_call? fun(worker: table, text: string) what a worker asks the others
---@field on_answer? fun(text: string) what it answers them

local DEFAULTS = {
  grace = 1, stall = 10, drain = supervisor.DRAIN_SECONDS, max_restarts = 5, within = 60,
  backoff_min = 0.1, backoff_max = 5, retry_min = 10, retry_max = 3600,
}

---@class moonpool.host.supervisor.worker
---@field process table
---@field stream table our end of the pair
---@field last_beat number
---@field stuck string? the script that is stuck
---@field stuck_since number
---@field killed_for "stuck"|"stalled"|"drain"|nil why we have killed it
---@field is_ready boolean

---@class moonpool.host.supervisor
---@field package options moonpool.host.supervisor.options
---@field package manager moonpool.host.service_manager
---@field package restarts moonpool.host.restarts
---@field package set_aside moonpool.host.set_aside
---@field package worker moonpool.host.supervisor.worker?
---@field package has_been_ready boolean a worker was, once
---@field package is_stopping boolean
---@field package stop_deadline number?
---@field package pause table? a latch: opened, it ends the wait for the next start
---@field package last_look number
---@field package look_seconds number
local supervisor_methods = {}
local supervisor_mt = { __name = "moonpool.host.supervisor", __index = supervisor_methods }

--- The command by which this program was started: the interpreter, its options, the script, its
--- arguments.
---@param words table as the global `arg`
---@return string[]
function supervisor.command(words)
  local first, command = 0, {}
  while words[first - 1] do first = first - 1 end
  for index = first, #words do command[#command + 1] = words[index] end
  return command
end

---@param options moonpool.host.supervisor.options
---@return moonpool.host.supervisor
function supervisor.new(options)
  local all = {}
  for name, value in pairs(DEFAULTS) do all[name] = value end
  for name, value in pairs(options) do all[name] = value end
  return setmetatable({
    options = all, is_stopping = false, has_been_ready = false, last_look = moonpool.now(),
    look_seconds = math.max(0.01, math.min(all.grace / 5, all.stall / 5, 0.2)),
    manager = service_manager.new(all.log, all.is_helper and function() end or nil),
    restarts = restarts.new { max = all.max_restarts, within = all.within,
      backoff_min = all.backoff_min, backoff_max = all.backoff_max, now = moonpool.now },
    set_aside = set_aside.new { retry_min = all.retry_min, retry_max = all.retry_max,
      now = moonpool.now },
  }, supervisor_mt)
end

-- ---- what the worker says ----------------------------------------------------------------------

local HEARD = {}

function HEARD.beat(_, worker) worker.last_beat = moonpool.now() end

function HEARD.ready(self, worker)
  worker.is_ready, self.has_been_ready = true, true
  self.manager:ready()
  if self.options.on_ready then self.options.on_ready() end
end

function HEARD.call(self, worker, text)
  if self.options.on_call then self.options.on_call(worker, text) end
end

function HEARD.answer(self, _, text)
  if self.options.on_answer then self.options.on_answer(text) end
end

function HEARD.reloaded(self) self.manager:ready() end

function HEARD.status(self, _, text) self.manager:status(text) end

function HEARD.stuck(_, worker, name)
  if worker.stuck then return end
  worker.stuck, worker.stuck_since = name, moonpool.now()
end

function HEARD.free(_, worker, name)
  if worker.stuck == name and not worker.killed_for then worker.stuck = nil end
end

local function listen_to(self, worker)
  for line in function() return worker.stream:read_line() end do
    local word, rest = line:match "^(%l+) ?(.*)$"
    if HEARD[word] then HEARD[word](self, worker, rest) end
  end
end

-- ---- starting ----------------------------------------------------------------------------------

local function worker_settings(self)
  local settings = { set_aside = self.set_aside:list() }
  for name, value in pairs(self.options.settings or {}) do settings[name] = value end
  if self.options.control_fd then settings.control_fd = CONTROL_FD end
  if self.options.listen_fds then
    settings.listen_fds = {}
    for index in ipairs(self.options.listen_fds) do
      settings.listen_fds[index] = LISTEN_FD + index - 1
    end
  end
  return assert(moonpool.json.encode(settings)) .. "\n"
end

-- Its descriptors, and which of ours they are.
local function descriptors(self, pair)
  local fds = { [0] = 0, 1, 2, [PAIR_FD] = pair, [CONTROL_FD] = self.options.control_fd }
  for index, fd in ipairs(self.options.listen_fds or {}) do fds[LISTEN_FD + index - 1] = fd end
  return fds
end

-- The worker, which has its settings; or nil and a message.
local function start_worker(self)
  local ours, theirs = system.socketpair()
  if not ours then return nil, theirs end
  local stream = assert(system.open_stream(ours))
  local process, message = system.spawn(self.options.argv, {
    fds = descriptors(self, theirs),
    env = { MOONPOOL_WORKER = tostring(PAIR_FD), NOTIFY_SOCKET = false, WATCHDOG_USEC = false,
      WATCHDOG_PID = false },
  })
  system.close_descriptor(theirs)
  if not process then
    stream:close()
    return nil, message
  end
  moonpool.spawn(stream.write, stream, worker_settings(self))
  return { process = process, stream = stream, last_beat = moonpool.now(), is_ready = false }
end

-- ---- watching ----------------------------------------------------------------------------------

local function kill_worker(worker, reason)
  if worker.killed_for then return end
  worker.killed_for = reason
  worker.process:kill "SIGKILL"
end

-- We were held up ourselves: what the worker has said meanwhile is not read yet.
local function allow_for_delay(self, worker, now)
  local is_late = now - self.last_look > LATE_SECONDS + 2 * self.look_seconds
  self.last_look = now
  if not is_late then return end
  worker.last_beat, worker.stuck_since = now, now
end

local function look_at(self, worker)
  local options, now = self.options, moonpool.now()
  allow_for_delay(self, worker, now)
  if worker.stuck and now - worker.stuck_since >= options.grace then
    kill_worker(worker, "stuck")
  elseif now - worker.last_beat >= options.stall then
    kill_worker(worker, "stalled")
  elseif self.stop_deadline and now >= self.stop_deadline then
    kill_worker(worker, "drain")
  end
end

-- Awaits the worker's end: its exit code, or nil and a signal's name.
local function watch(self, worker)
  self.worker, self.last_look = worker, moonpool.now()
  local reader = moonpool.spawn(listen_to, self, worker)
  local looks = moonpool.timer(self.look_seconds, function() look_at(self, worker) end)
  if self.is_stopping then self:stop() end -- we were told while it was started
  local code, signal = worker.process:wait()
  self.worker = nil
  if self.options.on_end then self.options.on_end() end
  looks:close()
  local last_words = moonpool.timer(LAST_WORDS_SECONDS, function() worker.stream:close() end)
  reader:await()
  last_words:close()
  worker.stream:close()
  return code, signal
end

-- ---- what its end means ------------------------------------------------------------------------

local function describe_end(self, worker, code, signal)
  local pid, options = worker.process:pid(), self.options
  if worker.killed_for == "stuck" then
    return ("stuck for more than %g s; worker %d was killed"):format(options.grace, pid)
  elseif worker.killed_for == "stalled" then
    return ("worker %d gave no sign of life for %g s and was killed"):format(pid, options.stall)
  elseif worker.killed_for == "drain" then
    return ("worker %d did not end within %g s and was killed"):format(pid, options.drain)
  elseif signal then
    return ("worker %d was ended by %s"):format(pid, signal)
  end
  return ("worker %d ended with status %d"):format(pid, code)
end

-- The exit status when this end is the program's, too.
local function final_status(self, worker, code, signal)
  if self.is_stopping then
    local is_young = signal == "SIGTERM" or signal == "SIGINT" -- it did not handle signals yet
    return code or is_young and 0 or supervisor.GAVE_UP
  elseif worker.killed_for or not code then
    return nil
  elseif code == 0 or code == supervisor.BAD_CONFIG or not self.has_been_ready then
    return code
  end
end

-- Seconds until the next start; nil: no more.
local function judge_end(self, worker, what)
  local log = self.options.log
  if worker.killed_for == "stuck" then
    local retry_in = self.set_aside:add(worker.stuck, "it was stuck")
    log(("%s; going on without it for %g s"):format(what, retry_in), worker.stuck)
    return 0
  end
  local pause = self.restarts:failed()
  if not pause then
    log(("%s; more than %d failures within %g s: giving up"):format(what,
      self.options.max_restarts, self.options.within))
  else
    log(("%s; starting another one%s"):format(what, pause > 0 and (" in %g s"):format(pause) or ""))
  end
  return pause
end

local function wait_before_start(self, seconds)
  if seconds == 0 or self.is_stopping then return end
  self.pause = system.latch()
  local timer = moonpool.timer(seconds, function() self.pause:open() end)
  self.pause:wait()
  timer:close()
  self.pause = nil
end

-- One worker's life: the exit status when the program is to end.
local function run_once(self)
  local worker, message = start_worker(self)
  if not worker then
    self.options.log("cannot start a worker: " .. message)
    return supervisor.GAVE_UP
  end
  local code, signal = watch(self, worker)
  local status = final_status(self, worker, code, signal)
  local what = describe_end(self, worker, code, signal)
  if status then
    if status == supervisor.GAVE_UP and not code then self.options.log(what) end
    return status
  end
  local pause = judge_end(self, worker, what)
  if not pause then return supervisor.GAVE_UP end
  wait_before_start(self, pause)
end

local function watchdog(self)
  local seconds = self.manager.watchdog_seconds
  return seconds and moonpool.timer(seconds, function() self.manager:alive() end)
end

--- Runs workers until the end. Awaits.
---@return integer status for the program: what the worker's own end says when it was asked to end,
--- or ended before the first one was ready, or with 0 or 78; else 70
function supervisor_methods:run()
  local alive = watchdog(self)
  local status
  repeat status = run_once(self) until status or self.is_stopping
  if alive then alive:close() end
  return status or 0
end

-- ---- being told --------------------------------------------------------------------------------

local function tell_worker(self, line)
  if not self.worker then return end
  moonpool.spawn(self.worker.stream.write, self.worker.stream, line .. "\n")
end

--- Is there a worker that is ready?
---@return boolean
function supervisor_methods:is_ready()
  return self.worker ~= nil and self.worker.is_ready and not self.worker.killed_for
end

--- Writes a line to the worker.
---@param line string
---@param worker? table that one only, as of on_call: not the next one
function supervisor_methods:tell(line, worker)
  if not worker or worker == self.worker then tell_worker(self, line) end
end

--- Has the worker end in order, and no other one started.
function supervisor_methods:stop()
  if not self.is_stopping then self.manager:stopping() end
  self.is_stopping = true
  self.stop_deadline = self.stop_deadline or moonpool.now() + self.options.drain
  if self.pause then self.pause:open() end
  tell_worker(self, "stop")
end

--- Ends the worker at once.
function supervisor_methods:kill()
  self:stop()
  if self.worker then kill_worker(self.worker, "drain") end
end

--- Has the worker reload its scripts.
function supervisor_methods:reload()
  if self.is_stopping then return end
  self.manager:reloading()
  if not self.worker then self.manager:ready() end -- the next one reads everything anew
  tell_worker(self, "reload")
end

return supervisor
