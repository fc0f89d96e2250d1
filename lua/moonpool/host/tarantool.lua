--- moonpool in Tarantool: a thread is a fiber. A wait yields, so it ends a transaction of box as
-- any other yield does.
local fiber = require "fiber"
local socket = require "socket"
local hosted = require "moonpool.hosted"

local LONG = 3600 -- seconds

local host = { name = "tarantool" }

function host.spawn(fn) fiber.new(fn):name("moonpool") end

-- Every Lua code in Tarantool runs in a fiber, which may wait anywhere.
function host.token() return { condition = fiber.cond() } end

function host.wait(token)
  while not token.is_woken do token.condition:wait() end
end

function host.wake(token)
  token.is_woken = true
  token.condition:signal()
end

function host.poll(pool) socket.iowait(pool:pollfd(), "R", pool:timeout() or LONG) end

function host.run(fn, ...) return fn(...) end

return hosted.install(host)
