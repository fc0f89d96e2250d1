--- A room: a channel with a history, members, and a feed in which nothing is skipped silently.
-- docs/rooms.md is the manual. What has to do with saying is in moonpool.room_say.

local core = require "moonpool.core"
local room_options = require "moonpool.room_options"
local say = require "moonpool.room_say"

local room = core.room
local check, set = room_options.check, room_options.set

local methods = { say = say.say, signal = say.signal, typing = say.typing }

local PRESENCE = set("join", "leave")

-- Who hears of joins and leaves sees to it, too, that those leave whose process has died.
local function watch_presence(handle, event, fn)
  local watched = room.state(handle).watched or {}
  room.state(handle).watched = watched
  watched[event] = fn
  room.watch_presence(handle, next(watched) ~= nil)
end

-- ---- following ---------------------------------------------------------------------------------

--- Calls fn(event) for each of the event's; nil: nobody any more. A room that is not followed yet
--- is followed from now on: awaits that this has begun.
---@param event string
---@param fn fun(event: any)|nil
---@return moonpool.room?, string? message, string? code
function methods:on(event, fn)
  local ok, message, code = room.on(self, event, fn)
  if not ok then return nil, message, code end
  if PRESENCE[event] then watch_presence(self, event, fn) end
  return self
end

--- Follows from now on, or from what is asked for; awaits that this has begun.
---@param start? { last?: integer, from?: string, since?: number }
---@return true?, string? message, string? code
function methods:follow(start) return room.follow(self, start) end

--- An iterator of the messages, until the feed ends. Without `start` it goes on with what is
--- followed.
---@param start? { last?: integer, from?: string, since?: number }
---@return fun(room: moonpool.room): moonpool.message?
---@return moonpool.room
function methods:messages(start)
  local ok, message, code = room.read(self, start)
  if not ok then error(("room:messages: %s (%s)"):format(message, code), 2) end
  return room.next, self
end

-- ---- being there -------------------------------------------------------------------------------

local OF_JOIN = set("user", "timeout")
local TIMEOUT = set "timeout"

-- Places are counted from when they are asked for: who leaves gives back those, too, that Redis has
-- not confirmed yet.
local function add_place(handle, places, user, number)
  places.of[user] = (places.of[user] or 0) + number
  places.count = places.count + number
  local now = room.state(handle).places
  room.joined(handle, now and now.count or 0)
end

-- Joins, unless that user is here by this handle: true, or nil, message, code.
local function join(handle, user, timeout)
  local state = room.state(handle)
  local places = state.places or { of = {}, here = {}, count = 0 }
  if places.here[user] then return true end
  state.places = places
  add_place(handle, places, user, 1)
  local ok, message, code = room.join(handle, user, timeout)
  if not ok then
    add_place(handle, places, user, -1)
    return nil, message, code
  end
  if places.here[user] and state.places == places then -- another task was quicker
    room.part(handle, user, timeout)
    add_place(handle, places, user, -1)
  end
  places.here[user] = true
  return true
end

--- Is here as `user` from now on, who also says what is said.
---@param options { user: string, timeout?: number }
---@return true?, string? message, string? code
function methods:join(options)
  options = check(options, OF_JOIN, "join")
  local user = options.user
  if type(user) ~= "string" then error("room:join: 'user' must be a string", 2) end
  local ok, message, code = join(self, user, options.timeout)
  if not ok then return nil, message, code end
  room.state(self).user = user
  return true
end

--- Is here no more, and follows no more. The handle can be used again.
---@param options? { timeout?: number }
---@return true?, string? message, string? code
function methods:leave(options)
  options = check(options, TIMEOUT, "leave")
  local state = room.state(self)
  local places = state.places
  state.places, state.user, state.watched = nil, nil, nil
  room.stop(self)
  room.watch_presence(self, false)
  local failure
  for user, number in pairs(places and places.of or {}) do
    for _ = 1, number do
      local ok, message, code = room.part(self, user, options.timeout)
      if not ok then failure = failure or { message, code } end
    end
  end
  room.joined(self, state.places and state.places.count or 0)
  if failure then return nil, failure[1], failure[2] end
  return true
end

--- Ends the handle: as leave, without awaiting it.
---@return true
function methods:close()
  local state = room.state(self)
  state.places, state.user, state.watched = nil, nil, nil
  room.close(self)
  return true
end

local OF_WHO = set("limit", "cursor", "timeout")

--- Who is here: a page of them.
---@param options? { limit?: integer, cursor?: integer, timeout?: number }
---@return moonpool.member[]?, (integer|string)? cursor, string? code
function methods:who(options)
  options = check(options, OF_WHO, "who")
  return room.who(self, options.cursor, options.limit, options.timeout)
end

--- How many users are here.
---@param options? { timeout?: number }
---@return integer?, string? message, string? code
function methods:count(options)
  return room.count(self, check(options, TIMEOUT, "count").timeout)
end

-- ---- history -----------------------------------------------------------------------------------

local OF_HISTORY = set("last", "limit", "since", "till", "before", "after", "timeout")
local OF_USER = set("user", "timeout")
local OF_CONFIGURE = set("keep", "keep_for", "timeout")

--- Messages of the history that meet all that is asked for, oldest first.
---@param options? { last?: integer, limit?: integer, since?: number, till?: number,
--- before?: string, after?: string, timeout?: number }
---@return moonpool.message[]?, string? message, string? code
function methods:history(options)
  options = check(options, OF_HISTORY, "history")
  return room.history(self, options.last, options.limit, options.since, options.till,
    options.before, options.after, options.timeout)
end

--- Deletes a message from the history, and tells all who follow.
---@param id string
---@param options? { user?: string, timeout?: number }
---@return string? id # of what tells it
---@return string? message
---@return string? code
function methods:delete(id, options)
  options = check(options, OF_USER, "delete")
  return room.delete(self, id, options.user or room.state(self).user, options.timeout)
end

--- Empties the history, and tells all who follow.
---@param options? { user?: string, timeout?: number }
---@return string? id # of what tells it
---@return string? message
---@return string? code
function methods:clear(options)
  options = check(options, OF_USER, "clear")
  return room.clear(self, options.user or room.state(self).user, options.timeout)
end

--- Removes the room from Redis, with all that it has.
---@param options? { timeout?: number }
---@return true?, string? message, string? code
function methods:destroy(options)
  return room.destroy(self, check(options, TIMEOUT, "destroy").timeout)
end

--- Changes what the room keeps, for everybody.
---@param options { keep?: integer, keep_for?: number, timeout?: number } messages, seconds; 0: all
---@return true?, string? message, string? code
function methods:configure(options)
  options = check(options, OF_CONFIGURE, "configure")
  return room.configure(self, options.keep, options.keep_for, options.timeout)
end

--- Figures of the feed.
---@return table<string, any>
function methods:stats() return room.stats(self) end

return methods
