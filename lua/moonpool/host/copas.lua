--- moonpool in Copas: a thread is one of Copas's, started by copas.addthread or for a connection of
-- a server. Works with the Copas of Debian (1.x, which has no timers) and with later ones.
local copas = require "copas"
local hosted = require "moonpool.hosted"
local in_turn = require "moonpool.host.in_turn"
local thread = require "moonpool.host.thread"
local versions = require "moonpool.versions"

local WHERE = "threads of Copas"

-- ---- threads ------------------------------------------------------------------------------------

-- Copas does not tell whether it resumes a coroutine. So those that it starts are noted.
local is_thread = setmetatable({}, { __mode = "k" })

local function noting(fn)
  return function(...)
    is_thread[coroutine.running()] = true
    return fn(...)
  end
end

local addthread = copas.addthread -- not noted

local function note_threads_of(name, place)
  local start = copas[name]
  if not start then return end
  copas[name] = function(...)
    local arguments = versions.pack(...)
    local what = arguments[place]
    if type(what) == "thread" then is_thread[what] = true end
    if type(what) == "function" then arguments[place] = noting(what) end
    return start(versions.unpack(arguments, 1, arguments.n))
  end
end

note_threads_of("addthread", 1)
note_threads_of("addnamedthread", 2)
note_threads_of("addserver", 2)

-- ---- the pool's descriptor, as a socket that Copas receives from --------------------------------

local pool_socket = {} -- what Copas and LuaSocket's select ask of a socket
local polled           -- the pool, while a thread waits for it
local fd               -- its
local is_due           -- is its timeout over?
local is_ready

function pool_socket.getfd() return polled and fd or -1 end
function pool_socket.dirty() return is_due end
function pool_socket.close() end
function pool_socket.settimeout() return 1 end

function pool_socket.receive()
  if is_ready then return "" end
  is_ready = true
  return nil, "timeout"
end

-- select has to end in time for the pool's timers.
local step = copas.step
function copas.step(timeout)
  local seconds = polled and polled:timeout()
  is_due = seconds == 0
  if seconds and (not timeout or seconds < timeout) then timeout = seconds end
  return step(timeout)
end

-- ---- waiting ------------------------------------------------------------------------------------

local host = { name = "copas" }

local yield_until_woken, resume

if copas.pauseforever then
  yield_until_woken, resume = copas.pauseforever, copas.wakeup
  -- Copas resumes in the order in which threads were woken, or began to pause for no time.
  function host.hand(token)
    host.wake(token)
    copas.pause(0)
  end
else
  -- A queue that keeps nothing: Copas gives the thread to it, and whoever wakes it has it himself.
  local nowhere = { insert = function() end, push = function() end }
  function yield_until_woken() coroutine.yield({ close = function() end }, nowhere) end
  resume = in_turn(addthread)
  -- Copas sees to what it yields, as if it was a thread that it begins.
  function host.enter(co)
    is_thread[co] = true
    addthread(co)
    return true
  end
end

function host.spawn(fn) copas.addthread(fn) end

function host.token(is_yieldable)
  local running = thread.check("Copas", WHERE, is_yieldable)
  if not is_thread[running] then thread.refuse("Copas", WHERE) end
  return thread.token(running)
end

function host.wait(token) thread.wait(token, yield_until_woken) end

function host.wake(token) thread.wake(token, resume) end

function host.poll(pool)
  fd = fd or pool:pollfd()
  polled, is_ready = pool, false
  copas.receive(pool_socket)
  polled = nil
end

function host.run(fn, ...)
  if thread.is_coroutine() then return fn(...) end
  local call = thread.call(fn, ...)
  host.spawn(function() call:run() end)
  while not call.is_ended do copas.step() end
  return call:results()
end

return hosted.install(host)
