--- moonpool in Tarantool: a thread is a fiber. A wait yields, so it ends a transaction of box as
-- any other yield does.
local fiber = require "fiber"
local socket = require "socket"
local hosted = require "moonpool.hosted"
local thread = require "moonpool.host.thread"

local LONG = 3600 -- seconds

local host = { name = "tarantool" }

function host.spawn(fn) fiber.new(fn):name("moonpool") end

-- Every Lua code in Tarantool runs in a fiber, which may wait anywhere.
host.token, host.wait, host.wake = thread.conditions(fiber.cond)

-- Fibers run in the order in which they were woken.
function host.hand(token)
  host.wake(token)
  fiber.yield()
end

function host.poll(pool) socket.iowait(pool:pollfd(), "R", pool:timeout() or LONG) end

function host.run(fn, ...) return fn(...) end

return hosted.install(host)
