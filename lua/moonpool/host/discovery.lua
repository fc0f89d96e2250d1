--- New rooms, found by what is published in them: one subscription a pattern for all followers of a
--- client. A room that is known costs a look into a table for each of its messages.
local moonpool = require "moonpool"
local glob = require "moonpool.glob"
local room_frame = require "moonpool.room_frame"
local system = require("moonpool.core").system

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
  if discovery.is_stored(payload) then return end
  for follower in pairs(found.followers) do follower:heard(channel:sub(6), payload) end
end

local function new_handler(self)
  local known = self.known
  return function(payload, channel)
    local found = known[channel]
    if found == true then return end
    if found then go_on(found, channel, payload) else begin(self, channel, payload) end
  end
end

-- Rooms that were made while the link was lost, and in which nothing has been said since.
local function search_again(self, pattern)
  for _, name in ipairs(self:list(pattern) or {}) do
    local channel = "room:" .. name
    if not self.known[channel] then begin(self, channel) end
  end
end

-- Whoever else watches the pattern meanwhile waits for the confirmation, too.
local function subscribe(self, pattern, entry)
  local subscription, message, code = self.client:psubscribe(pattern, new_handler(self))
  entry.subscription, entry.message, entry.code = subscription, message, code
  if not subscription then
    if self.watched[pattern] == entry then self.watched[pattern] = nil end
  elseif self.watched[pattern] ~= entry then
    subscription:close()
  else
    subscription:on("reconnect", function() search_again(self, pattern) end)
  end
  entry.confirmed:open()
end

--- Tells the follower of each room whose channel matches and that is not known yet: calls
--- `follower:found(room, payload)` with what was published there (nil: it was found in Redis), in a
--- task, and, until that returns, `follower:heard(room, payload)` with what is published there and
--- in no history. Awaits that Redis has confirmed the pattern.
---@param pattern string of channels
---@param follower table
---@return boolean? ok
---@return string? message
---@return string? code
function methods:watch(pattern, follower)
  local entry = self.watched[pattern]
  if entry then
    entry.followers[follower] = true
    entry.confirmed:wait()
  else
    entry = { followers = { [follower] = true }, confirmed = system.latch() }
    self.watched[pattern] = entry
    subscribe(self, pattern, entry)
  end
  if entry.subscription then return true end
  return nil, entry.message, entry.code
end

--- The rooms that are in Redis, of those whose channel matches.
---@param pattern string of channels
---@return string[]? names
---@return string? message
---@return string? code
function methods:list(pattern)
  local rooms, message, code = self.client:rooms(pattern)
  if not rooms then return nil, message, code end
  local names
  names, message, code = rooms:list()
  rooms:close()
  return names, message, code
end

--- All rooms that have been heard of, also those that are in no history.
---@return string[] names
function methods:heard_of()
  local names = {}
  for channel in pairs(self.known) do names[#names + 1] = channel:sub(6) end
  return names
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

--- Is it a frame? What is none is in no history.
---@param payload string
---@return boolean
function discovery.is_stored(payload)
  local _, id = room_frame.open(payload)
  return id ~= nil
end

---@param client table from moonpool.connect
---@return moonpool.host.discovery
function discovery.new(client)
  return setmetatable({ client = client, known = {}, watched = {} }, mt)
end

return discovery
