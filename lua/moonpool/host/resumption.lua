--- Where a follower goes on in a room: from its position there, which is the id of what it handled
--- last, or the time since when it follows the room.
local moonpool = require "moonpool"
local store = require "moonpool.host.store"

local resumption = {}

local AT = "@%.3f" -- a time instead of an id
local BEGINNING = 0.001 -- seconds since 1970: all that a room has
local UNHEARD_SECONDS = 10 -- what was on its way for so long when a process died is not missed

--- The start of a feed that has all of a room.
resumption.BEGINNING = { since = BEGINNING }

-- Rounded down, as ids have whole milliseconds: what is said later in one must not be before it.
local function cut(time) return math.floor(time * 1000) / 1000 end

---@param time number by Redis's clock
---@return string position in which nothing was handled yet
function resumption.at(time) return AT:format(cut(time)) end

--- When messages may have been missed, and Redis's clock, into the follower. Who was alive, but has
--- no position in a room, begins a while before it was alive last: the room was made since then, or
--- heard of by who died before it could commit. Nothing that was handled is handled again by this:
--- with it the position would be stored.
---@param follower moonpool.host.following
---@return true? ok
---@return string? message
---@return string? code
function resumption.read(follower)
  local alive, message, code = store.last_alive(follower.client, follower.follower)
  if message then return nil, message, code end
  local now
  now, message, code = follower.client:call("TIME")
  if not now then return nil, message, code end
  local seconds = tonumber(now[1]) + tonumber(now[2]) / 1e6
  follower.clock = seconds - moonpool.time()
  follower.since = alive and math.min(alive, seconds) - UNHEARD_SECONDS
  follower.is_stale = alive ~= nil and seconds - alive > follower.catch_up
  return true
end

--- Where a room begins that was there before: start of the feed, and a gap that is to be told.
---@param follower moonpool.host.following
---@param name string
---@return table? start
---@return table|string|nil gap or message
---@return string? code
function resumption.start_of(follower, name)
  if not follower.since then return {} end
  local position, message, code = store.position(follower.client, follower.follower, name)
  if message then return nil, message, code end
  local time = position and position:match "^@(.*)"
  if follower.is_stale then
    return {}, position and { from = not time and position or nil, reason = "stopped" } or nil
  end
  if time then return { since = tonumber(time) } end
  return position and { from = position } or { since = cut(follower.since) }
end

--- Where it goes on after a gap behind which nothing has come yet; nil: the next message tells.
---@param gap table
---@return string? position
function resumption.after(gap)
  if gap.reason == "forked" then return gap.from end
  if gap.reason == "trimmed" and not gap.to then return AT:format(BEGINNING) end
end

return resumption
