--- moonpool in nginx with lua (OpenResty): a thread is a light thread. Each worker process has a
-- pool of its own, which runs in timers, so that it outlives requests.
local ffi = require "ffi"
local semaphore = require "ngx.semaphore"
local hosted = require "moonpool.hosted"
local thread = require "moonpool.host.thread"

local ngx = rawget(_G, "ngx")

local THREADS = 100       -- of one timer, which then goes, with all that nginx keeps of them
local CHECK_SECONDS = 1   -- how often what waits looks whether the worker is to end
local SHORTEST_NAP, LONGEST_NAP = 0.001, 0.008 -- seconds between looks at a pool

local ENDS = "the worker of nginx ends"

-- ---- spawning -----------------------------------------------------------------------------------

local queue, queued, first = semaphore.new(), 0, 1 -- functions that wait for a timer's threads
local is_kept = false                               -- does a timer take them?
local functions = {}

local function take()
  local fn = functions[first]
  functions[first] = nil
  first = first + 1
  return fn
end

-- What still waits when the worker ends is no failure.
local function call(fn)
  local is_ok, message = pcall(fn)
  if not is_ok and message ~= ENDS then error(message, 0) end
end

local keep

local function start_keeper()
  is_kept = true
  local is_ok, message = ngx.timer.at(0, keep)
  if not is_ok then
    is_kept = false
    error("no timer for moonpool: " .. tostring(message), 0)
  end
end

-- Starts threads until it has started its share, or until for a while there was nothing to start.
function keep()
  for _ = 1, THREADS do
    if not queue:wait(CHECK_SECONDS) then break end
    ngx.thread.spawn(call, take())
  end
  is_kept = false
  if queue:count() > 0 then start_keeper() end
end

-- ---- looking at the pool ------------------------------------------------------------------------

ffi.cdef [[
struct moonpool_pollfd { int fd; short events, revents; };
int moonpool_poll(struct moonpool_pollfd *, unsigned long, int) __asm__("poll");
]]

local POLLIN = 1
local asked = ffi.new "struct moonpool_pollfd"
asked.events = POLLIN

local function is_ready(pool, fd)
  asked.fd = fd
  return ffi.C.moonpool_poll(asked, 1, 0) > 0 or pool:timeout() == 0
end

-- ---- the host -----------------------------------------------------------------------------------

local waits_in = { rewrite = true, access = true, content = true, timer = true, preread = true,
  server_rewrite = true, ssl_cert = true, ssl_client_hello = true, ssl_session_fetch = true }

local host = { name = "openresty" }

function host.spawn(fn)
  queued = queued + 1
  functions[queued] = fn
  queue:post()
  if not is_kept then start_keeper() end
end

function host.token(is_yieldable)
  local phase = ngx.get_phase()
  if not waits_in[phase] then
    error(("cannot wait here: nginx cannot wait in its phase %s (use ngx.timer.at)"):format(phase),
      0)
  end
  thread.check_yieldable(is_yieldable)
  return { semaphore = semaphore.new() }
end

function host.wait(token)
  while not token.is_woken do
    local is_ok, message = token.semaphore:wait(CHECK_SECONDS)
    if not is_ok and message ~= "timeout" then error("cannot wait here: " .. message, 0) end
    if not token.is_woken and ngx.worker.exiting() then error(ENDS, 0) end
  end
end

function host.wake(token)
  token.is_woken = true
  token.semaphore:post()
end

-- nginx tells Lua nothing about a descriptor that it did not open. So it is looked at: after a
-- millisecond at first, then more and more seldom. A shorter nap, ngx.sleep(0), keeps nginx from
-- all else where it lacks OpenResty's patches; and a nap lets a read bring more messages, which
-- costs less than many short reads.
function host.poll(pool)
  local fd, nap = pool:pollfd(), SHORTEST_NAP
  repeat
    local seconds = pool:timeout()
    ngx.sleep(seconds and math.max(math.min(nap, seconds), SHORTEST_NAP) or nap)
    nap = math.min(2 * nap, LONGEST_NAP)
    if ngx.worker.exiting() then error(ENDS, 0) end
  until is_ready(pool, fd)
end

function host.run(fn, ...) return fn(...) end

return hosted.install(host)
