--- The rooms of a bot: a feed for each, which begins where the bot has come to, and whose events go
--- to one function, one at a time for each room. What comes while that waits is in the feed's
--- mailbox; when it is full the feed pauses and fetches the rest from the history.
--
-- A position is the id of what was handled last, or the time since when the room is followed. Rooms
-- that match a pattern are found in Redis when this begins, afterwards by what is published there:
-- such a room is followed from its beginning, for it was not in Redis when this began. Whatever is
-- heard before Redis has been searched waits until it is known which rooms were there.
local moonpool = require "moonpool"
local discoveries = require "moonpool.host.discovery"
local draining = require "moonpool.host.draining"
local resumption = require "moonpool.host.resumption"
local room_search = require "moonpool.host.room_search"
local system = require("moonpool.core").system
local core_room = require("moonpool.core").room

local following = {}

local MAX_ROOMS = 10000
local CATCH_UP_SECONDS = 3600
local MAX_EARLY = 10000 -- of a room that is being opened
local RETRY_SECONDS = 0.5

---@class moonpool.host.following
---@field package rooms table<string, moonpool.room|true> by name; true: being opened
---@field package handled table<string, table|string> since it was asked for last: message, or id
---@field package early table<string, string[]> payloads of rooms that are being opened
---@field package search table? a latch: Redis is being searched for rooms
---@field package expected table<string, true> rooms that are about to be opened
---@field since number? from which on rooms without a position are followed, by Redis's
--- clock; nil: from now on
---@field client table
---@field log moonpool.host.log
---@field follower string whose positions these are
---@field discovery moonpool.host.discovery
---@field clock number? what Redis's clock is ahead of ours
---@field catch_up number seconds
---@field is_stale boolean it was away for longer than catch_up
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

local function on_gap(self, name)
  return function(gap)
    handle(self, "gap", name, gap)
    self.handled[name] = resumption.after(gap) or self.handled[name]
  end
end

-- Stored, and of no concern to bots.
local function pass(self, name)
  return function(message) self.handled[name] = message end
end

local function set_handlers(self, name, room)
  local handlers = {
    gap = on_gap(self, name), delete = pass(self, name), clear = pass(self, name),
    reconnect = new_handler(self, "reconnect", name),
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

-- Has events handled: first a gap that they come after, and what came early.
local function begin(self, name, room, gap)
  if gap then handle(self, "gap", name, { event = "gap", room = name, from = gap.from,
    reason = gap.reason }) end
  handle_early(self, name)
  if self.rooms[name] == room then set_handlers(self, name, room) end
end

-- Follows a room: its handle, and a gap that is to be told; or nil, message, code.
local function follow(self, name, start, gap)
  local room, message, code = self.client:room(name, { max_mailbox = self.queue })
  if not room then return nil, message, code end
  self.rooms[name] = room
  local now = self:redis_time() -- before it begins: nothing is said unheard in between
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
  self.handled[name] = start.from or resumption.at(start.since or now)
  return room, gap
end

-- `start`: of a new room; nil: where the follower has come to. Then it is not awaited that a gap is
-- handled: a bot handles nothing before it is in all its rooms.
local function open(self, name, start)
  if self.rooms[name] or self.is_closed then return true end
  if self.count >= self.max_rooms then
    return nil, ("%s: more than %d rooms"):format(name, self.max_rooms), "EQUEUE"
  end
  self.count = self.count + 1
  self.rooms[name] = true -- being opened
  self.discovery:know(name)
  local from, gap, code = start, nil, nil
  if not start then from, gap, code = resumption.start_of(self, name) end
  local room
  if from then room, gap, code = follow(self, name, from, gap) end
  if not room then
    self.rooms[name] = nil
    self.count = self.count - 1
    return nil, gap, code
  end
  if start then begin(self, name, room, gap) else moonpool.spawn(begin, self, name, room, gap) end
  return true
end

-- Opens a new room; again while Redis does not answer.
local function open_new(self, name)
  local ok, message, code = open(self, name, resumption.BEGINNING)
  while not ok and is_passing(code) and not self.is_closed do
    moonpool.sleep(RETRY_SECONDS)
    ok, message, code = open(self, name, resumption.BEGINNING)
  end
  return ok, message
end

--- A new room: see discovery. Awaits that it is followed.
---@package
function methods:found(name, payload)
  if payload and not discoveries.is_stored(payload) then self.early[name] = { payload } end
  self.early[name] = self.early[name] or {}
  while self.search do self.search:wait() end
  if self.rooms[name] or self.is_closed or self.expected[name] then return end
  local ok, message = open_new(self, name)
  if ok then return end
  self.early[name] = nil
  self.log:write("warning", message, { script = self.follower, room = name })
end

--- Published in a room that is being opened: see discovery.
---@package
function methods:heard(name, payload)
  local early = self.early[name]
  if early and #early < MAX_EARLY then early[#early + 1] = payload end
end

-- ---- finding -----------------------------------------------------------------------------------

-- The names of the rooms that are wanted. What is found meanwhile waits: it may be among them.
local function find_all(self, wanted)
  local search = system.latch()
  self.search = search
  local names, message, code = room_search.find(self, wanted)
  self.expected = names or {}
  if self.search == search then self.search = nil end
  search:open()
  return names, message, code
end

-- Opens rooms, all at once: true, or the first failure.
local function open_all(self, names)
  local tasks, failure = {}, nil
  for name in pairs(names) do
    tasks[#tasks + 1] = moonpool.spawn(function()
      local ok, message, code = open(self, name)
      if code == "EQUEUE" then
        self.log:write("warning", message, { script = self.follower, room = name })
      elseif not ok then
        failure = failure or { message, code }
      end
    end)
  end
  for _, task in ipairs(tasks) do task:await() end
  self.expected = {}
  if failure then return nil, failure[1], failure[2] end
  return true
end

---@package
function methods:redis_time() return moonpool.time() + self.clock end

--- Follows the rooms, from where they were left. Awaits that this has begun.
---@return true? ok
---@return string? message
---@return string? code
function methods:start()
  local ok, message, code = resumption.read(self)
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

--- Follows other rooms from now on.
---@param wanted string[]
---@return true? ok
---@return string? message
---@return string? code
function methods:change(wanted)
  if is_same(self.wanted, wanted) then return true end
  self.since, self.is_stale = self:redis_time(), false -- from which on new rooms are followed
  local names, message, code = find_all(self, wanted)
  if not names then return nil, message, code end
  self.wanted = wanted
  self.discovery:forget(self, room_search.patterns(wanted))
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

methods.drain = draining.drain

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
    queue = options.queue, rooms = {}, handled = {}, early = {}, expected = {}, count = 0,
    busy = 0,
    is_closed = false,
  }, mt)
end

return following
