--- moonpool on luv's loop: in programs that use luv, and in Neovim. A thread is a coroutine that is
-- resumed by callbacks of the loop; in Neovim it runs where vim.api may be called.
local hosted = require "moonpool.hosted"
local in_turn = require "moonpool.host.in_turn"
local thread = require "moonpool.host.thread"

local vim = rawget(_G, "vim")
local uv = vim and (vim.uv or vim.loop) or require "luv"

local WHERE = "coroutines"
local FOREVER = 0x7fffffff -- milliseconds, as vim.wait takes them

local poller, timer -- on the host's loop
local pool, turn    -- of which the pool has to be watched; nil: none
local due           -- when the timer ends, on the loop's clock, in ms; nil: it is off

-- A coroutine of the program's own may fail after it waited.
local function resume(co)
  local is_ok, message = coroutine.resume(co)
  if not is_ok then io.stderr:write(debug.traceback(co, tostring(message)), "\n") end
end

-- The timer may end early, not late.
local on_time
local function start_timer(seconds)
  local now, ms = uv.now(), math.ceil(seconds * 1000)
  if due and due <= now + ms then return end
  due = now + ms
  timer:start(ms, 0, on_time)
end

local function take_turn()
  if turn then turn() end
  local seconds = turn and pool:timeout()
  if seconds then start_timer(seconds) end
end

-- Threads that a turn wakes run when it is over.
local resume_in_turn = in_turn(function(what)
  if what ~= take_turn then return resume(what) end
  local is_ok, message = xpcall(take_turn, debug.traceback)
  if not is_ok then io.stderr:write(message, "\n") end
end)

local function on_ready() resume_in_turn(take_turn) end

-- Neovim's API is forbidden in callbacks of its loop.
if vim then
  local is_scheduled = false
  local function scheduled()
    is_scheduled = false
    resume_in_turn(take_turn)
  end
  function on_ready()
    if is_scheduled then return end
    is_scheduled = true
    vim.schedule(scheduled)
  end
end

function on_time()
  due = nil
  on_ready()
end

local host = { name = "luv" }

function host.enter(co)
  resume(co)
  return true
end

function host.spawn(fn) resume_in_turn(coroutine.create(fn)) end

function host.token(is_yieldable)
  return thread.token(thread.check("luv", WHERE, is_yieldable))
end

function host.wait(token) thread.wait(token, coroutine.yield) end

function host.wake(token) thread.wake(token, resume_in_turn) end

function host.watch(new_pool, new_turn)
  if not poller then
    poller, timer = assert(uv.new_poll(new_pool:pollfd())), uv.new_timer()
  end
  pool, turn = new_pool, new_turn
  poller:start("r", on_ready)
  local seconds = pool:timeout()
  if seconds then start_timer(seconds) end
end

function host.unwatch()
  poller:stop() -- neither keeps the loop
  timer:stop()
  turn, due = nil, nil
end

function host.run(fn, ...)
  if thread.is_coroutine() then return fn(...) end
  if uv.loop_mode and uv.loop_mode() and not vim then
    error("moonpool.run: the loop runs already; call it in a coroutine", 0)
  end
  local call = thread.call(fn, ...)
  host.spawn(function()
    call:run()
    if not vim then uv.stop() end
  end)
  if vim then
    vim.wait(FOREVER, function() return call.is_ended end, 1000)
  elseif not call.is_ended then
    uv.run()
  end
  return call:results()
end

return hosted.install(host)
