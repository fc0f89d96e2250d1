--- moonpool in Prosody: a thread is a runner of util.async.
local hosted = require "moonpool.hosted"
local in_turn = require "moonpool.host.in_turn"
local thread = require "moonpool.host.thread"
local async = require "util.async"

-- Prosody chooses the kind of loop; a program without Prosody that uses its modules has epoll's.
local prosody = rawget(_G, "prosody")
local server = require(prosody and "net.server" or "net.server_epoll")

local WHERE = "runners of util.async"
local MAX_IDLE = 64

local watch      -- of the pool's descriptor
local pool, turn -- of which the pool has to be watched; nil: none
local timer      -- its id, while one is set
local due        -- when it ends, on moonpool's clock
local now        -- that clock

-- ---- runners ------------------------------------------------------------------------------------

local is_runner_by_thread = setmetatable({}, { __mode = "k" })

-- As util.async finds the runner of a thread: it is the first argument of its outermost function.
local function is_runner(co)
  local known = is_runner_by_thread[co]
  if known ~= nil then return known end
  local level = 0
  while debug.getinfo(co, level, "") do level = level + 1 end
  local name, runner = debug.getlocal(co, level - 1, 1)
  known = name == "self" and type(runner) == "table" and runner.thread == co
  is_runner_by_thread[co] = known
  return known
end

local idle = {}

local function new_runner()
  local runner
  runner = async.runner(function(fn)
    fn()
    if #idle < MAX_IDLE then idle[#idle + 1] = runner end
  end)
  return runner
end

-- ---- the pool -----------------------------------------------------------------------------------

local function finish_now(done)
  local is_ok, message = xpcall(done, debug.traceback)
  if not is_ok then io.stderr:write(tostring(message), "\n") end
end

-- Threads that a turn wakes run when it is over.
local finish = in_turn(finish_now)

local on_time

-- The timer may end early, not late.
local function start_timer(seconds)
  local time = now() + seconds
  if timer then
    if due <= time then return end
    server.timer.stop(timer)
  end
  timer, due = server.timer.add_task(seconds, on_time), time
end

local function take_turn()
  if turn then turn() end
  local seconds = turn and pool:timeout()
  if seconds then start_timer(seconds) end
end

local function on_ready() finish(take_turn) end

function on_time()
  timer, due = nil, nil
  on_ready()
end

-- ---- the host -----------------------------------------------------------------------------------

local host = { name = "prosody" }

function host.spawn(fn)
  local runner = table.remove(idle) or new_runner()
  runner:run(fn)
end

function host.token(is_yieldable)
  local running = thread.check("Prosody", WHERE, is_yieldable)
  if not is_runner(running) then thread.refuse("Prosody", WHERE) end
  local token = {}
  token.wait, token.done = async.waiter()
  return token
end

function host.wait(token) token.wait() end

function host.wake(token) finish(token.done) end

-- A coroutine that is a runner's, and waits. Resumes it as util.async does.
function host.coroutine(fn)
  local runner = async.runner(function()
    coroutine.yield("wait")
    fn()
  end)
  runner:run(true)
  return runner.thread
end

function host.enter(co)
  local _, state, runner = coroutine.resume(co)
  if state == "ready" then runner.state = "ready" end -- fn has ended
  return true
end

function host.watch(new_pool, new_turn)
  pool, turn = new_pool, new_turn
  if watch then watch:set(true, false) else watch = server.watchfd(pool:pollfd(), on_ready) end
  local seconds = pool:timeout()
  if seconds then start_timer(seconds) end
end

function host.unwatch()
  watch:set(false, false)
  if timer then server.timer.stop(timer) end
  turn, timer, due = nil, nil, nil
end

function host.run(fn, ...)
  if thread.is_coroutine() then return fn(...) end
  if prosody then error("moonpool.run: Prosody's loop runs already; call it in a runner", 0) end
  local call = thread.call(fn, ...)
  host.spawn(function()
    call:run()
    server.timer.add_task(0, function() end) -- the loop, which may have gone on to poll, comes back
  end)
  while not call.is_ended do server.loop(true) end
  if watch and not turn then -- else it has raised, and something goes on
    watch:close()
    watch = nil
  end
  return call:results()
end

local moonpool = hosted.install(host)
now = moonpool.now
return moonpool
