--- moonpool in cqueues: a thread is what a controller's `wrap` started.
local cqueues = require "cqueues"
local condition = require "cqueues.condition"
local hosted = require "moonpool.hosted"
local thread = require "moonpool.host.thread"

local WHERE = "threads of a controller"

local controller -- of moonpool.run, while it runs its own
local kept       -- its next one
local fd         -- that a controller polled last
local polled_in  -- that controller
local is_polling -- it does

local host = { name = "cqueues" }

-- ---- coroutines inside of threads ---------------------------------------------------------------

-- What waits in a coroutine inside of a thread yields this and what it waits for, which whoever
-- resumes it is to yield in its place (cqueues.auxlib).
local POLL = cqueues._POLL

local is_entered = setmetatable({}, { __mode = "k" })

local function see_to(co, what, ...)
  if what ~= POLL then return end
  return see_to(co, select(2, coroutine.resume(co, coroutine.yield(POLL, ...))))
end

local function leave(co, go_on, what, ...)
  if what ~= POLL then return true end
  cqueues.running():wrap(go_on)
  see_to(co, what, ...)
  return false
end

function host.enter(co, go_on)
  is_entered[co] = true
  return leave(co, go_on, select(2, coroutine.resume(co)))
end

-- ---- the host -----------------------------------------------------------------------------------

function host.spawn(fn)
  local running = cqueues.running() or controller
  if not running then
    error("cannot wait here: no controller runs (use moonpool.run, or a thread of one)", 0)
  end
  running:wrap(fn)
end

local new_token
new_token, host.wait, host.wake = thread.conditions(condition.new)

function host.token(is_yieldable)
  local co = thread.check("cqueues", WHERE, is_yieldable)
  local running, is_thread = cqueues.running()
  if not (running and (is_thread or is_entered[co])) then thread.refuse("cqueues", WHERE) end
  return new_token()
end

function host.poll(pool)
  fd, polled_in, is_polling = pool:pollfd(), cqueues.running(), true
  cqueues.poll(pool)
  is_polling = false
end

-- What the controller is to forget before the descriptor may be polled in another one.
local function close(ended)
  if fd and polled_in == ended then
    ended:cancel(fd)
    fd, polled_in = nil, nil
  end
  ended:close()
end

-- A controller of its own, unless it is called in a thread of one. Where fn has raised, what goes
-- on is in that controller: it is the next one, too.
function host.run(fn, ...)
  if cqueues.running() then return fn(...) end
  local call = thread.call(fn, ...)
  controller = kept or cqueues.new()
  controller:wrap(call.run, call)
  local is_ok, message = true, nil
  while is_ok and not call.is_ended and not controller:empty() do
    is_ok, message = controller:step()
  end
  local ended = controller
  controller, kept = nil, is_polling and polled_in == ended and ended or nil
  if not kept then close(ended) end
  if not is_ok then error(message, 0) end
  return call:results()
end

return hosted.install(host)
