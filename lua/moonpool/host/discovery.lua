--- New rooms, found by what is published in them: one subscription a pattern for all followers of a
--- client. A room that is known costs a look into a table for each of its messages.
local moonpool = require "moonpool"
local glob = require "moonpool.glob"
local room_frame = require "moonpool.room_frame"

local discovery = {}

---@class moonpool.host.discovery
---@field package client table
---@field package known table<string, true> by channel
---@field package watched table<string, table> by pattern: its subscription and who watches
local methods = {}
local mt = { __name = "moonpool.host.discovery", __index = methods }

local function tell(self, channel, payload)
  for pattern, entry in pairs(self.watched) do
    if glob.match(pattern, channel) then
      for follower in pairs(entry.followers) do
        moonpool.spawn(follower.found, follower, channel:sub(6), payload)
      end
    end
  end
end

--- Tells the follower of each room whose channel matches and that is not known yet: calls
--- `follower:found(room, payload)` with what was published there, in a task. Awaits that Redis has
--- confirmed the pattern.
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
    if known[channel] then return end
    known[channel] = true
    tell(self, channel, payload)
  end)
  entry.subscription = subscription
  if subscription then return true end
  self.watched[pattern] = nil
  return nil, message, code
end

--- A room that its followers have found otherwise.
---@param room string
function methods:know(room) self.known["room:" .. room] = true end

--- The follower is told of no room any more.
---@param follower table
function methods:forget(follower)
  for pattern, entry in pairs(self.watched) do
    entry.followers[follower] = nil
    if not next(entry.followers) then
      self.watched[pattern] = nil
      entry.subscription:close()
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
