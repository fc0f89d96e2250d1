--- moonpool in Tarantool: a thread is a fiber. A wait yields, so it ends a transaction of box as
-- any other yield does.
local fiber = require "fiber"
local socket = require "socket"
local hosted = require "moonpool.hosted"

local LONG = 3600 -- seconds
local MAX_IDLE = 64

local idle = {} -- tokens whose wait is over

local host = { name = "tarantool" }

function host.spawn(fn) fiber.new(fn):name("moonpool") end

-- Every Lua code in Tarantool runs in a fiber, which may wait anywhere.
function host.token()
  local token = table.remove(idle)
  if not token then return { condition = fiber.cond(), is_woken = false } end
  token.is_woken = false
  return token
end

function host.wait(token)
  local condition = token.condition
  while not token.is_woken do condition:wait() end
  if #idle < MAX_IDLE then idle[#idle + 1] = token end
end

function host.wake(token)
  token.is_woken = true
  token.condition:signal()
end

-- Fibers run in the order in which they were woken.
function host.hand(token)
  host.wake(token)
  fiber.yield()
end

function host.poll(pool) socket.iowait(pool:pollfd(), "R", pool:timeout() or LONG) end

function host.run(fn, ...) return fn(...) end

return hosted.install(host)
