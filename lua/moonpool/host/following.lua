--- The rooms of a bot: a feed for each, which begins where the bot has come to, and whose events go
--- to one function, one at a time for each room. What comes while that waits is in the feed's
--- mailbox; when it is full the feed pauses and fetches the rest from the history.
--
-- A position is the id of what was handled last, or when the room was first followed. Rooms that
-- match a pattern are found in Redis when this begins, afterwards by what is published in them: a
-- room that is found so is followed from the very message by which it was found (its time, to the
-- millisecond), or, when that is not in the history, from the beginning: nothing of it was there
-- before. Those that were made while the follower was away are followed from when it was alive
-- last.
local moonpool = require "moonpool"
local discoveries = require "moonpool.host.discovery"
local glob = require "moonpool.glob"
local room_name = require "moonpool.room_name"
local store = require "moonpool.host.store"
local system = require("moonpool.core").system
local core_room = require("moonpool.core").room

local following = {}

local MAX_ROOMS = 10000
local CATCH_UP_SECONDS = 3600
local MAX_EARLY = 10000 -- of a room that is being opened
local AT = "@%.3f" -- a position in which nothing was handled yet: a time instead of an id
local BEGINNING = 0.001 -- seconds since 1970: all that a room has
local BARRIER = "moonpool:barrier:" -- a channel that nobody publishes on

---@class moonpool.host.following
---@field package rooms table<string, moonpool.room> by name
---@field package handled table<string, table|string> since it was asked for last: message, or id
---@field package busy integer handlers that have begun and not returned
local methods = {}
local mt = { __name = "moonpool.host.following", __index = methods }

-- ---- events ------------------------------------------------------------------------------------

-- The event of a bot's that a transient, or what is no frame, stands for.
local EVENT_OF = {
  message = "publish", action = "publish", join = "subscribe", leave = "unsubscribe",
  rename = "rename",
}

local function handle(self, kind, name, value)
  self.busy = self.busy + 1
  self.handler(kind, name, value)
  self.busy = self.busy - 1
  if self.idle and self.busy == 0 then self.idle:open() end
end

-- A handler of the feed's.
local function new_handler(self, kind, name)
  return function(value) handle(self, kind, name, value) end
end

local function new_message_handler(self, name)
  local handled = self.handled
  return function(message)
    local kind = EVENT_OF[message.type]
    if kind then handle(self, kind, name, message) end
    handled[name] = message
  end
end

local function on_signal(self, name)
  return function(message)
    local kind = EVENT_OF[message.type]
    if kind then handle(self, kind, name, message) end
  end
end

local function set_handlers(self, name, room)
  local handlers = {
    gap = new_handler(self, "gap", name), reconnect = new_handler(self, "reconnect", name),
    join = on_signal(self, name), leave = on_signal(self, name), rename = on_signal(self, name),
    signal = on_signal(self, name),
    error = function(event)
      self.log:write("warning", event.message, { script = self.follower, room = name })
    end,
  }
  for event, fn in pairs(handlers) do room:on(event, fn) end
  room:on("message", new_message_handler(self, name)) -- the last: what has come waits for it
end

-- ---- beginning ---------------------------------------------------------------------------------

local function is_passing(code) return code == "ECONN" or code == "ETIMEOUT" end

-- Where a room begins that was there before: start of the feed, and a gap that is to be told.
local function start_of(self, name)
  if not self.alive then return {} end
  local position, message, code = store.position(self.client, self.follower, name)
  if message then return nil, message, code end
  if self.is_stale then return {}, position and { reason = "stopped" } end
  local time = position and position:match "^@(.*)"
  if time then return { since = tonumber(time) } end
  return position and { from = position } or { since = self.alive }
end

-- Handles what was published in a new room, and in no history, before its feed has handlers: that
-- keeps messages for them, but nothing else.
local function handle_early(self, name)
  local early = self.early[name]
  local index = 1
  while early and index <= #early do
    local message = core_room.message(name, nil, early[index])
    local kind = EVENT_OF[message.type]
    if kind then handle(self, kind, name, message) end
    index = index + 1
  end
  self.early[name] = nil
end

-- Follows a room; true, or nil, message, code.
local function follow(self, name, start, gap)
  local room, message, code = self.client:room(name, { max_mailbox = self.queue })
  if not room then return nil, message, code end
  self.rooms[name] = room
  local ok
  ok, message, code = room:follow(start)
  if not ok and next(start) and not is_passing(code) then -- a room without such a history
    gap = { from = start.from, reason = "unavailable" }
    ok, message, code = room:follow()
  end
  if not ok or self.rooms[name] ~= room then
    room:close()
    if self.rooms[name] == room then self.rooms[name] = nil end
    return nil, message or "closed meanwhile", code or "ECLOSED"
  end
  self.handled[name] = start.from or AT:format(start.since or self:redis_time())
  if gap then handle(self, "gap", name, { event = "gap", room = name, from = gap.from,
    reason = gap.reason }) end
  handle_early(self, name)
  set_handlers(self, name, room)
  return true
end

-- `start`: of a new room; nil: where the follower has come to.
local function open(self, name, start)
  if self.rooms[name] or self.is_closed then return true end
  if self.count >= self.max_rooms then
    return nil, ("%s: more than %d rooms"):format(name, self.max_rooms), "EQUEUE"
  end
  self.count = self.count + 1
  self.rooms[name] = true -- being opened
  self.discovery:know(name)
  local gap, code, ok, message
  if not start then start, gap, code = start_of(self, name) end
  if start then
    ok, message, code = follow(self, name, start, gap)
    if ok then return true end
  else
    message = gap
  end
  self.rooms[name] = nil
  self.count = self.count - 1
  return nil, message, code
end

--- A new room: see discovery. Awaits that it is followed.
---@package
function methods:found(name, payload)
  if self.rooms[name] or self.is_closed then return end
  local at = discoveries.stored_at(payload)
  self.early[name] = at and {} or { payload }
  local ok, message = open(self, name, { since = at or BEGINNING })
  self.early[name] = nil
  if not ok then self.log:write("warning", message, { script = self.follower, room = name }) end
end

--- Published in a room that is being opened: see discovery.
---@package
function methods:heard(name, payload)
  local early = self.early[name]
  if early and #early < MAX_EARLY then early[#early + 1] = payload end
end

-- ---- finding -----------------------------------------------------------------------------------

local function add(names, list, pattern)
  for _, name in ipairs(list) do
    if glob.match(pattern, "room:" .. name) then names[name] = true end
  end
end

-- The rooms that match a pattern and are in Redis, into `names`.
local function find(self, pattern, names)
  local ok, message, code = self.discovery:watch(pattern, self)
  if not ok then return nil, message, code end
  local rooms, list
  rooms, message, code = self.client:rooms(pattern)
  if not rooms then return nil, message, code end
  list, message, code = rooms:list()
  rooms:close()
  if not list then return nil, message, code end
  add(names, list, pattern)
  list, message, code = store.rooms_of(self.client, self.follower, pattern)
  if not list then return nil, message, code end
  add(names, list, pattern)
  return true
end

local function find_all(self, wanted)
  local names = {}
  for _, room in ipairs(wanted) do
    local name, message, code = room_name(room)
    if not name then return nil, message, code end
    if glob.is_pattern(name) then
      local ok
      ok, message, code = find(self, "room:" .. name, names)
      if not ok then return nil, message, code end
    else
      names[name] = true
    end
  end
  return names
end

-- Opens rooms, all at once: true, or the first failure.
local function open_all(self, names)
  local tasks, failure = {}, nil
  for name in pairs(names) do
    tasks[#tasks + 1] = moonpool.spawn(function()
      local ok, message, code = open(self, name)
      if not ok then failure = failure or { message, code } end
    end)
  end
  for _, task in ipairs(tasks) do task:await() end
  if failure then return nil, failure[1], failure[2] end
  return true
end

-- Since when messages may have been missed.
local function read_alive(self)
  local alive, message, code = store.last_alive(self.client, self.follower)
  if message then return nil, message, code end
  local now
  now, message, code = self.client:call("TIME")
  if not now then return nil, message, code end
  self.clock = tonumber(now[1]) + tonumber(now[2]) / 1e6 - moonpool.time()
  self.alive = alive
  self.is_stale = alive ~= nil and tonumber(now[1]) - alive > self.catch_up
  return true
end

---@package
function methods:redis_time() return moonpool.time() + self.clock end

--- Follows the rooms, from where they were left. Awaits that this has begun.
---@return true? ok
---@return string? message
---@return string? code
function methods:start()
  local ok, message, code = read_alive(self)
  if not ok then return nil, message, code end
  local names
  names, message, code = find_all(self, self.wanted)
  if not names then return nil, message, code end
  return open_all(self, names)
end

local function is_same(list, other)
  for index = 1, math.max(#list, #other) do
    if list[index] ~= other[index] then return false end
  end
  return true
end

-- The patterns in a list of rooms, as those of channels.
local function patterns_of(wanted)
  local patterns = {}
  for _, room in ipairs(wanted) do
    local name = room_name(room)
    if name and glob.is_pattern(name) then patterns["room:" .. name] = true end
  end
  return patterns
end

--- Follows other rooms from now on.
---@param wanted string[]
---@return true? ok
---@return string? message
---@return string? code
function methods:change(wanted)
  if is_same(self.wanted, wanted) then return true end
  local names, message, code = find_all(self, wanted)
  if not names then return nil, message, code end
  self.wanted = wanted
  self.discovery:forget(self, patterns_of(wanted))
  for name, room in pairs(self.rooms) do
    if not names[name] and room ~= true then
      room:close()
      self.rooms[name] = nil
      self.count = self.count - 1
    end
  end
  return open_all(self, names)
end

-- ---- positions ---------------------------------------------------------------------------------

--- How far rooms have been handled, of those where that has changed since the last call.
---@return table<string, string>? ids by room; nil: nowhere
function methods:take_positions()
  local handled = self.handled
  if not next(handled) then return nil end
  local positions = {}
  for name, message in pairs(handled) do
    handled[name] = nil
    positions[name] = type(message) == "string" and message or message.id
  end
  return positions
end

--- Takes positions back that could not be committed.
---@param positions table<string, string>
function methods:give_back(positions)
  for name, id in pairs(positions) do
    if not self.handled[name] then self.handled[name] = id end
  end
end

-- ---- the end -----------------------------------------------------------------------------------

-- Awaits that Redis has sent us all that it had for us by now: a confirmation comes after it. Where
-- its ACL refuses the channel, what is under way is handled when the follower begins again.
local function await_barrier(self)
  local mark = self.client:subscribe(BARRIER .. system.getpid(), function() end)
  if mark then mark:close() end
end

local function await_idle(self, state)
  while self.busy > 0 and not state.is_over do
    self.idle = system.latch()
    self.idle:wait()
  end
end

--- Awaits that all is handled that has been published until now, for so long.
---@param seconds number
function methods:drain(seconds)
  local state, done = { is_over = false }, system.latch()
  local deadline = moonpool.timer(seconds, function() done:open() end)
  moonpool.spawn(function()
    await_barrier(self)
    await_idle(self, state)
    done:open()
  end)
  done:wait()
  deadline:close()
  state.is_over = true
  if self.idle then self.idle:open() end
end

--- Follows no more.
function methods:close()
  self.is_closed = true
  self.discovery:forget(self)
  for name, room in pairs(self.rooms) do
    if room ~= true then room:close() end
    self.rooms[name] = nil
  end
  self.count = 0
end

--- The rooms that are followed, sorted.
---@return string[]
function methods:list()
  local names = {}
  for name in pairs(self.rooms) do names[#names + 1] = name end
  table.sort(names)
  return names
end

---@class moonpool.host.following.options
---@field follower string whose positions these are
---@field rooms string[] names and patterns
---@field handler fun(kind: string, room: string, value: any) may await, must not fail; kinds:
--- publish, subscribe, unsubscribe, rename (a message), gap, reconnect (an event)
---@field log moonpool.host.log
---@field discovery moonpool.host.discovery? shared by the followers of a client
---@field catch_up number? seconds: who was away for longer begins at the end of its rooms (3600)
---@field max_rooms integer? 10000
---@field queue integer? messages of a room that wait in memory for the handler; the client's
--- max_mailbox

---@param client table from moonpool.connect
---@param options moonpool.host.following.options
---@return moonpool.host.following
function following.new(client, options)
  return setmetatable({
    client = client, follower = options.follower, wanted = options.rooms, log = options.log,
    handler = options.handler, discovery = options.discovery or discoveries.new(client),
    catch_up = options.catch_up or CATCH_UP_SECONDS, max_rooms = options.max_rooms or MAX_ROOMS,
    queue = options.queue, rooms = {}, handled = {}, early = {}, count = 0, busy = 0,
    is_closed = false,
  }, mt)
end

return following
