-- So many messages in so many seconds: of a user, and of a room as a whole. The tokens are in
-- Redis, so that the limit holds whatever processes the user's messages go through.
local duration = require "support.duration"
local judged = require "support.judged"
local options = require "support.options"

local limits = options.check(policy.name, policy.options, judged.with {
  messages = { "integer", default = 5, min = 1 },
  seconds = { "number", default = 10, min = 0.001 },
  room_messages = { "integer", min = 1 },
  room_seconds = { "number", default = 10, min = 0.001 },
  joins = { "integer", min = 1 },
  everywhere = { "boolean", default = false },
})
local is_judged = judged.new(limits)

-- One bucket for each user and room, or for each user.
local function user_key(request)
  local user = request.user or ""
  if limits.everywhere then return "user:" .. user end
  return ("user:%d:%s:%s"):format(#request.room, request.room, user)
end

policy:on("publish", function(request)
  if not is_judged(request) then return end
  local ok, wait = policy:take(user_key(request), limits.messages, limits.seconds)
  if not ok then
    return policy.reject(("too many messages: wait %s"):format(duration.format(wait)))
  end
  if not limits.room_messages then return end
  ok, wait = policy:take("room:" .. request.room, limits.room_messages, limits.room_seconds)
  if not ok then
    return policy.reject(("the room is too busy: wait %s"):format(duration.format(wait)))
  end
end)

if limits.joins then
  policy:on("subscribe", function(request)
    if not is_judged(request) then return end
    local key = "join:" .. user_key(request)
    local ok, wait = policy:take(key, limits.joins, limits.seconds)
    if not ok then
      return policy.reject(("too many joins: wait %s"):format(duration.format(wait)))
    end
  end)
end
