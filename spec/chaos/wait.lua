-- Waiting in moonpool's loop, while workers go on.
--
--   wait.till(fn, what, seconds)   fn's first true result; raises, naming WHAT, at the deadline
--   wait.try(fn, seconds)          the same; nil at the deadline
local moonpool = require "moonpool"

local wait = {}

local POLL_SECONDS = 0.02
local SECONDS = 90 -- ends what hangs; a busy machine may be ten times slower

function wait.try(fn, seconds)
  local deadline = moonpool.now() + (seconds or SECONDS)
  repeat
    local result = fn()
    if result then return result end
    moonpool.sleep(POLL_SECONDS)
  until moonpool.now() > deadline
end

function wait.till(fn, what, seconds)
  local result = wait.try(fn, seconds)
  if not result then error(("waited %g s for %s"):format(seconds or SECONDS, what), 2) end
  return result
end

return wait
