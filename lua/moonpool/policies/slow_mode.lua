-- A user waits between two messages. Who waits is known to Redis, so that it holds in all
-- processes.
local duration = require "support.duration"
local judged = require "support.judged"
local options = require "support.options"

local own = options.check(policy.name, policy.options, judged.with {
  seconds = { "number", default = 30, min = 0.001 },
})
local is_judged = judged.new(own)

policy:on("publish", function(request)
  if not is_judged(request) then return end
  local key = ("user:%d:%s:%s"):format(#request.room, request.room, request.user or "")
  local ok, wait = policy:take(key, 1, own.seconds)
  if not ok then return policy.reject(("slow mode: wait %s"):format(duration.format(wait))) end
end)
