--- What connects bots with Redis: the rooms that they follow, and patterns of any channels.
local followings = require "moonpool.host.following"

local attachment = {}

local function on_gap(self, actor, room, event)
  self.log:write("warning", ("missed %s messages (%s)"):format(event.missing or "some",
    event.reason or "reason unknown"), { script = actor.name, room = room })
end

local function new_handler(self, actor)
  return function(kind, room, value)
    local is_gap = kind == "gap"
    if is_gap then on_gap(self, actor, room, value) end
    local message = not is_gap and kind ~= "reconnect" and value or nil
    if actor.is_careful and message and message.id then
      self.committer:commit_position(actor, room, message.id)
    end
    actor:deliver({ room = room, message = message }, kind, value)
  end
end

--- Subscribes to a pattern of a bot's. Awaits the confirmation.
---@param self moonpool.host
---@param actor moonpool.host.actor
---@param id integer the guest's number of it
---@param pattern string
---@return boolean? ok
---@return string? message
---@return string? code
function attachment.subscribe(self, actor, id, pattern)
  local subscription, message, code = self.client:psubscribe(pattern, function(payload, channel)
    actor:deliver({ channel = channel }, "pattern", id, payload, channel)
  end)
  if not subscription then return nil, message, code end
  self.subscriptions[actor][id] = subscription
  return true
end

local function subscribe_patterns(self, actor)
  for _, subscription in pairs(self.subscriptions[actor] or {}) do subscription:close() end
  self.subscriptions[actor] = {}
  for _, entry in ipairs(actor.patterns) do
    local ok, message, code = attachment.subscribe(self, actor, entry.id, entry.pattern)
    if not ok then return nil, message, code end
  end
  return true
end

--- Follows a bot's rooms and patterns, from where it has come to. Awaits every confirmation.
---@param self moonpool.host
---@param actor moonpool.host.actor
---@return boolean? ok
---@return string? message
---@return string? code
function attachment.attach(self, actor)
  local follower = ("%s.%s"):format(self.settings.name, actor.id)
  local following = followings.new(self.client, {
    follower = follower, rooms = actor.rooms, log = self.log, discovery = self.discovery,
    handler = new_handler(self, actor), catch_up = self.settings.catch_up,
    queue = self.settings.limits.queue,
  })
  self.followings[actor] = following
  self.committer:add(actor, following, follower) -- what was missed comes before `start` returns
  local ok, message, code = following:start()
  if not ok then
    self.committer:remove(actor)
    return nil, message, code
  end
  return subscribe_patterns(self, actor)
end

local function change(self, actor)
  local following = self.followings[actor]
  if not following then return attachment.attach(self, actor) end
  local ok, message = following:change(actor.rooms)
  if not ok then return nil, message end
  return subscribe_patterns(self, actor)
end

--- Another version of a script runs: it may want other rooms, or judge other things.
---@param self moonpool.host
---@param actor moonpool.host.actor
function attachment.renew(self, actor)
  if actor.kind == "policy" then
    self.chain:replace(self.policies)
    return
  elseif actor.kind == "auth" then
    return
  end
  local ok, message = change(self, actor)
  if not ok then
    self.log:write("error", "cannot subscribe: " .. message, { script = actor.name })
  end
end

--- Unsubscribes from a pattern of a bot's.
---@param self moonpool.host
---@param actor moonpool.host.actor
---@param id integer
function attachment.unsubscribe(self, actor, id)
  local subscriptions = self.subscriptions[actor] or {}
  if subscriptions[id] then subscriptions[id]:close() end
  subscriptions[id] = nil
end

--- Follows nothing any more.
---@param self moonpool.host
---@param actor moonpool.host.actor
function attachment.detach(self, actor)
  for _, subscription in pairs(self.subscriptions[actor] or {}) do subscription:close() end
  self.subscriptions[actor] = nil
  if self.followings[actor] then self.followings[actor]:close() end
  self.followings[actor] = nil
end

return attachment
