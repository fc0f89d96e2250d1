--- Where may the running code wait? And moonpool.run's call in a thread. For the adapters of hosts
-- whose threads are coroutines.
local versions = require "moonpool.versions"

local pack, unpack, remove = versions.pack, versions.unpack, table.remove

local MAX_IDLE = 64

local thread = {}

--- Is this a coroutine, not the main state?
---@return boolean
function thread.is_coroutine()
  local running, is_main = coroutine.running()
  return running ~= nil and not is_main
end

--- Raises when the running coroutine cannot be suspended.
---@param is_yieldable boolean
function thread.check_yieldable(is_yieldable)
  if is_yieldable then return end
  error("cannot wait here: a C function has called this one, and cannot wait for it", 0)
end

--- The running coroutine. Raises where it cannot be suspended.
---@param host string     the host's name
---@param where string    in what it can wait there
---@param is_yieldable boolean
---@return thread
function thread.check(host, where, is_yieldable)
  local running, is_main = coroutine.running()
  if not running or is_main then
    error(("cannot wait here: %s waits in %s, and this is the main chunk or a callback of the loop"
      .. " (use moonpool.run or moonpool.spawn)"):format(host, where), 0)
  end
  thread.check_yieldable(is_yieldable)
  return running
end

--- Raises: it is somebody else's coroutine.
---@param host string
---@param where string
function thread.refuse(host, where)
  error(("cannot wait here: %s waits in %s, and another library resumes this coroutine"
    .. " (use moonpool.spawn)"):format(host, where), 0)
end

-- ---- waiting ------------------------------------------------------------------------------------

local idle = {} -- tokens whose wait is over

--- A token of a host whose threads are resumed by whoever knows them.
---@param co thread
---@return table
function thread.token(co)
  local token = remove(idle)
  if not token then return { co = co, is_woken = false, is_waiting = false } end
  token.co, token.is_woken = co, false
  return token
end

--- Waits for the token.
---@param token table
---@param yield fun() suspends the running thread; it may come back too early
function thread.wait(token, yield)
  while not token.is_woken do
    token.is_waiting = true
    yield()
    token.is_waiting = false
  end
  token.co = false
  if #idle < MAX_IDLE then idle[#idle + 1] = token end
end

--- Tokens of a host that has condition variables, with methods wait and signal.
---@param new fun(): table makes a condition variable
---@return fun(): table token
---@return fun(token: table) wait
---@return fun(token: table) wake
function thread.conditions(new)
  local unused = {}
  local function take()
    local token = remove(unused)
    if not token then return { condition = new(), is_woken = false } end
    token.is_woken = false
    return token
  end
  local function wait(token)
    local condition = token.condition
    while not token.is_woken do condition:wait() end
    if #unused < MAX_IDLE then unused[#unused + 1] = token end
  end
  local function wake(token)
    token.is_woken = true
    token.condition:signal()
  end
  return take, wait, wake
end

--- Wakes who waits for the token, or will.
---@param token table
---@param resume fun(co: thread)
function thread.wake(token, resume)
  token.is_woken = true
  if not token.is_waiting then return end
  token.is_waiting = false
  resume(token.co)
end

-- ---- moonpool.run -------------------------------------------------------------------------------

local call_methods = {}
local call_mt = { __index = call_methods }

--- A call to be made in a thread, whose results are taken by the one who started that.
---@param fn function
---@param ... any
---@return table call   run(), then is_ended and results()
function thread.call(fn, ...)
  return setmetatable({ fn = fn, arguments = pack(...), is_ended = false }, call_mt)
end

--- Calls the function; never raises.
function call_methods:run()
  self.returned = pack(pcall(self.fn, unpack(self.arguments, 1, self.arguments.n)))
  self.is_ended = true
end

--- Returns what the function returned, or raises what it raised. Raises, too, when the host's loop
--- ended before.
function call_methods:results()
  local returned = self.returned
  if not returned then
    error("moonpool.run: everybody waits for something that cannot come", 0)
  end
  if not returned[1] then error(returned[2], 0) end
  return unpack(returned, 2, returned.n)
end

return thread
