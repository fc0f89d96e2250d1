--- Awaits that a follower has handled what has been published.
local moonpool = require "moonpool"
local system = require("moonpool.core").system

local draining = {}

local BARRIER = "moonpool:barrier:" -- a channel that nobody publishes on

-- Awaits that Redis has sent us all that it had for us by now: a confirmation comes after it. Where
-- its ACL refuses the channel, what is under way is handled when the follower begins again.
local function await_barrier(follower)
  local mark = follower.client:subscribe(BARRIER .. system.getpid(), function() end)
  if mark then mark:close() end
end

local function await_idle(follower, state)
  while follower.busy > 0 and not state.is_over do
    follower.idle = system.latch()
    follower.idle:wait()
  end
end

--- Awaits that all is handled that has been published until now, for so long.
---@param follower moonpool.host.following
---@param seconds number
function draining.drain(follower, seconds)
  local state, done = { is_over = false }, system.latch()
  local deadline = moonpool.timer(seconds, function() done:open() end)
  moonpool.spawn(function()
    await_barrier(follower)
    await_idle(follower, state)
    done:open()
  end)
  done:wait()
  deadline:close()
  state.is_over = true
  if follower.idle then follower.idle:open() end
end

return draining
