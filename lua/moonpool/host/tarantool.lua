--- moonpool in Tarantool: a thread is a fiber. A wait yields, so it ends a transaction of box as
-- any other yield does.
local fiber = require "fiber"
local socket = require "socket"
local hosted = require "moonpool.hosted"

local LONG = 3600 -- seconds
local MAX_IDLE = 64

local idle = {} -- conditions that nobody waits for

local host = { name = "tarantool" }

function host.spawn(fn) fiber.new(fn):name("moonpool") end

-- Every Lua code in Tarantool runs in a fiber, which may wait anywhere.
function host.token() return {} end

function host.wait(token)
  if token.is_woken then return end
  local condition = table.remove(idle) or fiber.cond()
  token.condition = condition
  while not token.is_woken do condition:wait() end
  token.condition = nil
  if #idle < MAX_IDLE then idle[#idle + 1] = condition end
end

function host.wake(token)
  token.is_woken = true
  if token.condition then token.condition:signal() end
end

-- Fibers run in the order in which they were woken.
function host.hand(token)
  host.wake(token)
  fiber.yield()
end

function host.poll(pool) socket.iowait(pool:pollfd(), "R", pool:timeout() or LONG) end

function host.run(fn, ...) return fn(...) end

return hosted.install(host)
