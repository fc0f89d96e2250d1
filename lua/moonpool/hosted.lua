--- moonpool inside of another program's event loop: awaiting, tasks and handlers run in threads of
--- that host. An adapter (moonpool.host.luv, .cqueues …) says how they are started, wait and are
--- woken; bindings/hosted.c does the rest.
local core = require "moonpool.core"
local moonpool = require "moonpool"

local hosted = {}

local IDLE_DISPATCHERS = 16
local MAX_STEPS = 4 -- between two polls

---@class moonpool.hosted.host
---@field name string
---@field spawn fun(fn: fun()) runs `fn` in a new thread of the host, at once or soon; `fn` does not
--- raise
---@field token fun(is_yieldable: boolean): any for one wait of the running thread, which Lua
--- could suspend or not; raises where it cannot wait
---@field wait fun(token: any) returns once the token was woken, also when that was before
---@field wake fun(token: any) may be called anywhere; neither waits nor raises
---@field hand? fun(token: any) as wake, but returns when the thread that was woken waits again
---@field enter? fun(co: thread, go_on: fun()): boolean instead: resumes a coroutine of moonpool's
--- in the running thread. Unless it yields nothing, the host resumes it. False: the thread
--- has done so, and had another one call go_on
---@field coroutine? fun(fn: fun()): thread makes one for enter, instead of coroutine.create
---@field poll? fun(pool: moonpool.pool) in a thread: returns when the pool's descriptor is ready,
--- or its timeout over, or earlier
---@field watch? fun(pool: moonpool.pool, turn: fun()) instead: calls `turn` each time this is so
---@field unwatch? fun() until then; it may be called inside of `turn`
---@field run fun(body: fun()) moonpool.run: runs `body` in a thread, and the host's loop if the
--- program is to do that; returns once `body` has

local versions = require "moonpool.versions"

local unpack = versions.unpack

local host -- that is installed
local new_coroutine
local idle = {} -- dispatchers without work: their tokens, or coroutines
local is_dismissed = false -- the idle dispatchers are to end
local is_coming = false -- a dispatcher was woken or started, and has not begun
local ends = {} -- tokens of those who wait until nothing is active

local pool = core.pool

-- ---- tasks -------------------------------------------------------------------------------------

local function call(fn, ...) return fn(...) end

local function run_task(task) return call(core.hosted.take(task)) end

local function traceback(message)
  if type(message) ~= "string" then
    local text = getmetatable(message) and getmetatable(message).__tostring and tostring(message)
    message = text or ("(error object is a %s value)"):format(type(message))
  end
  return debug.traceback(message, 2)
end

local function start(task)
  host.spawn(function() core.hosted.finish(task, xpcall(run_task, traceback, task)) end)
end

-- ---- handlers ----------------------------------------------------------------------------------

local function take_messages(next_handler)
  is_coming = false
  while true do
    local handler, payload, channel, pattern = next_handler()
    if not handler then return end
    handler(payload, channel, pattern)
  end
end

-- Waits for more work.
local function rest()
  if host.enter then
    idle[#idle + 1] = coroutine.running()
    coroutine.yield()
    return
  end
  local token = host.token(true)
  idle[#idle + 1] = token
  host.wait(token)
end

local function dispatch()
  local dispatcher, next_handler = core.hosted.dispatcher()
  repeat
    local ok, message = xpcall(take_messages, traceback, next_handler)
    if not ok then
      core.hosted.failed(dispatcher, message)
    elseif #idle < IDLE_DISPATCHERS then
      rest()
    else
      return
    end
  until is_dismissed
end

-- Wakes or starts one: true when it has begun to take messages, and cannot go on by itself.
local function have_dispatched()
  local token = table.remove(idle)
  is_coming = true
  if not token then
    host.spawn(dispatch)
  elseif host.hand then
    host.hand(token)
  else
    host.wake(token)
  end
  return not is_coming
end

-- ---- the pump ----------------------------------------------------------------------------------

local function wake_all(tokens)
  for index = #tokens, 1, -1 do
    local token = tokens[index]
    tokens[index] = nil
    host.wake(token)
  end
end

-- Nothing is active: threads that wait for more would keep the host's loop going.
local function dismiss()
  is_dismissed = true
  core.hosted.pumping(false)
  if host.unwatch then host.unwatch() end
  if not host.enter then wake_all(idle) end
  wake_all(ends)
end

-- Has all taken that was read: true when it is time to poll again, false when it is not for the
-- running thread to do so. Where much was read, more may have come meanwhile.
local go_on
local function give()
  local steps = 1
  while true do
    local is_active, has_work, is_busy = core.hosted.left()
    if has_work then
      if is_coming then return true end
      if not host.enter then
        if not have_dispatched() then return true end
      elseif not host.enter(table.remove(idle) or new_coroutine(dispatch), go_on) then
        return false
      end
    elseif is_busy and steps < MAX_STEPS then
      core.hosted.step()
      steps = steps + 1
    else
      if not is_active then dismiss() end
      return is_active
    end
  end
end

local function turn()
  core.hosted.step()
  return give()
end

-- Begins by polling: what it was started for is only about to begin.
local function pump()
  repeat host.poll(pool) until not turn()
end

function go_on()
  if give() then pump() end
end

local function start_pump()
  core.hosted.pumping(true)
  is_dismissed, is_coming = false, false
  local ok, message
  if host.watch then
    ok, message = pcall(host.watch, pool, turn)
  else
    ok, message = pcall(host.spawn, pump)
  end
  if ok then return end
  core.hosted.pumping(false)
  error(message, 0)
end

-- ---- moonpool.run ------------------------------------------------------------------------------

local function wait_for_end()
  local token = host.token(true)
  ends[#ends + 1] = token
  host.wait(token)
end

local function run(fn, ...)
  local arguments, results = versions.pack(...), nil
  if type(fn) ~= "function" then
    error(("bad argument #1 to 'run' (function expected, got %s)"):format(type(fn)), 2)
  end
  host.run(function()
    local task = core.spawn(function()
      results = versions.pack(xpcall(fn, traceback, unpack(arguments, 1, arguments.n)))
    end)
    task:await()
    if results[1] then wait_for_end() end
  end)
  if results and not results[1] then error(results[2], 0) end
  if results then return unpack(results, 2, results.n) end
end

local function stop() wake_all(ends) end

--- Installs the host: from now on moonpool awaits in its threads. Once a Lua state, and before
--- moonpool's own loop has run.
---@param new moonpool.hosted.host
---@return moonpool
function hosted.install(new)
  if host then
    error(("moonpool has the host '%s' already, and cannot have '%s' too: one a Lua state"):format(
      host.name, new.name), 2)
  end
  core.hosted.host {
    token = new.token, wait = new.wait, wake = new.wake, start = start, pump = start_pump,
  }
  host, new_coroutine = new, new.coroutine or coroutine.create
  moonpool.run, moonpool.stop = run, stop
  return moonpool
end

return hosted
