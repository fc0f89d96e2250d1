--- New rooms, found by what is published in them: one subscription a pattern for all followers of a
--- client. A room that is known costs a look into a table for each of its messages.
local moonpool = require "moonpool"
local glob = require "moonpool.glob"
local room_frame = require "moonpool.room_frame"

local discovery = {}

---@class moonpool.host.discovery
---@field package client table
---@field package known table<string, true|table> by channel
---@field package watched table<string, table> by pattern: its subscription and who watches
local methods = {}
local mt = { __name = "moonpool.host.discovery", __index = methods }

-- Those who watch a pattern that the channel matches.
local function followers_of(self, channel)
  local followers = {}
  for pattern, entry in pairs(self.watched) do
    if glob.match(pattern, channel) then
      for follower in pairs(entry.followers) do followers[follower] = true end
    end
  end
  return followers
end

-- A room that was not known: until all its followers follow it themselves, they are handed what is
-- published in it and in no history.
local function begin(self, channel, payload)
  local followers = followers_of(self, channel)
  local found = { followers = followers, opening = 0 }
  self.known[channel] = found
  for follower in pairs(followers) do
    found.opening = found.opening + 1
    moonpool.spawn(function()
      follower:found(channel:sub(6), payload)
      followers[follower] = nil
      found.opening = found.opening - 1
      if found.opening == 0 then self.known[channel] = true end
    end)
  end
  if found.opening == 0 then self.known[channel] = true end
end

local function go_on(found, channel, payload)
  if discovery.stored_at(payload) then return end
  for follower in pairs(found.followers) do follower:heard(channel:sub(6), payload) end
end

--- Tells the follower of each room whose channel matches and that is not known yet: calls
--- `follower:found(room, payload)` with what was published there, in a task, and, until that
--- returns, `follower:heard(room, payload)` with what is published there and in no history. Awaits
--- that Redis has confirmed the pattern.
---@param pattern string of channels
---@param follower table
---@return boolean? ok
---@return string? message
---@return string? code
function methods:watch(pattern, follower)
  local entry = self.watched[pattern]
  if entry then
    entry.followers[follower] = true
    return true
  end
  entry = { followers = { [follower] = true } }
  self.watched[pattern] = entry
  local known = self.known
  local subscription, message, code = self.client:psubscribe(pattern, function(payload, channel)
    local found = known[channel]
    if found == true then return end
    if found then go_on(found, channel, payload) else begin(self, channel, payload) end
  end)
  entry.subscription = subscription
  if subscription then return true end
  self.watched[pattern] = nil
  return nil, message, code
end

--- A room that its followers have found otherwise.
---@param room string
function methods:know(room)
  local channel = "room:" .. room
  self.known[channel] = self.known[channel] or true
end

--- The follower is told of no room any more, but for those of these patterns.
---@param follower table
---@param but? table<string, true>
function methods:forget(follower, but)
  for pattern, entry in pairs(self.watched) do
    if not (but and but[pattern]) then entry.followers[follower] = nil end
    if not next(entry.followers) then
      self.watched[pattern] = nil
      if entry.subscription then entry.subscription:close() end
    end
  end
end

--- When the message of a frame was stored, in seconds; nil: the payload is none, and is in no
--- history.
---@param payload string
---@return number?
function discovery.stored_at(payload)
  local _, id = room_frame.open(payload)
  local ms = id and id:match "^(%d+)%-"
  return ms and tonumber(ms) / 1000
end

---@param client table from moonpool.connect
---@return moonpool.host.discovery
function discovery.new(client)
  return setmetatable({ client = client, known = {}, watched = {} }, mt)
end

return discovery
