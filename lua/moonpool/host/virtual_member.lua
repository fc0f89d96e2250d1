--- A script in a world without Redis (moonpool.host.virtual): a real isolate with the real guest,
--- and one call after the other for what happens in one room.
local instances = require "moonpool.host.instance"

local virtual_member = {}

---@class moonpool.host.virtual_member
---@field kind "bot"|"policy"
---@field name string
---@field id string by which its stores are known
---@field description table
---@field rooms string[]?
---@field events table<string, boolean>
---@field patterns table[]
---@field priority number?
---@field errors string[] with tracebacks
---@field handled integer
---@field is_dead boolean nothing runs in it any more
---@field is_killed boolean it was stopped
---@field script moonpool.host.script
---@field package world moonpool.host.virtual
---@field package instance moonpool.host.instance
---@field package isolate userdata
---@field package rooms_at_work table<any, table> waiting events by room
---@field package calls integer that have not ended
---@field package is_touched boolean
local methods = {}
local mt = { __name = "moonpool.host.virtual_member", __index = methods }

--- Notes that something of the script's failed.
---@param trace string
---@param event string?
function methods:failed(trace, event)
  self.errors[#self.errors + 1] = trace
  self.world.on_error(self, trace, event)
end

local function note_end(self, outcome, problem)
  if outcome == "error" then
    self:failed(problem, "call")
  elseif outcome == "killed" then
    self.is_dead, self.is_killed = true, true
    self:failed(("%s: over its budget of CPU or memory (%s); stopped"):format(
      self.instance.where or "in a function of Lua's library", tostring(problem)), "call")
  end
end

-- Keeps what the script has in its stores, between two calls.
local function commit(self)
  if not self.is_touched or self.calls > 0 or self.is_dead then return end
  self.is_touched = false
  local outcome, changes = self.instance:call({}, "commit")
  if outcome ~= "done" then return note_end(self, outcome, changes) end
  for _, change in ipairs(changes) do
    self.world:store_of(self, change.room)[change.key] = change.value
  end
end

-- What a call has come to: its results when it is done.
local function ended(self, outcome, first, ...)
  self.calls = self.calls - 1
  self.handled = self.handled + 1
  if outcome ~= "done" then note_end(self, outcome, first) end
  if outcome == "done" then return first, ... end
end

local function call(self, context, event, ...)
  if self.is_dead then return nil end
  self.calls = self.calls + 1
  return ended(self, self.instance:call(context, event, ...))
end

local function handle(self, context, event, ...)
  if call(self, context, event, ...) == true then self.is_touched = true end
  commit(self)
end

-- Handles an event, and those that have come to the room meanwhile.
local function handle_all(self, item)
  local room = item[1].room
  repeat
    handle(self, table.unpack(item, 1, item.n))
    item = room and table.remove(self.rooms_at_work[room], 1)
  until not item
  if room then self.rooms_at_work[room] = nil end
end

--- Hands an event to the script; after those of its room that it has not come to yet.
---@param context { room: string?, message: any }
---@param event string
---@param ... any
function methods:deliver(context, event, ...)
  local room, item = context.room, table.pack(context, event, ...)
  if room and self.rooms_at_work[room] then
    table.insert(self.rooms_at_work[room], item)
    return
  end
  if room then self.rooms_at_work[room] = {} end
  self.world.go_on(coroutine.create(handle_all), self, item) -- the script may sleep
end

--- A policy's verdict.
---@return string? verdict nil: it failed
---@return string? value or what it failed of
function methods:judge(event, request, pattern_id)
  if self.is_dead then return nil, "it was stopped" end
  local before = #self.errors
  local verdict, value, is_touched = call(self, { request = request, room = request.room }, "judge",
    event, request, pattern_id)
  if is_touched then self.is_touched = true end
  commit(self)
  if verdict and verdict ~= "failed" then return verdict, value end
  return nil, self.errors[before + 1]
end

--- What the next version is given.
---@return any
function methods:state()
  if self.is_dead then return nil end
  local outcome, state = self.instance:call({}, "state")
  return outcome == "done" and state or nil
end

--- Shows the script the world's clock.
function methods:set_clock()
  local clock = self.world.clock
  if not self.is_dead then self.isolate:set_clock(clock.now, clock:time()) end
end

--- Ends it; what sleeps in it never wakes.
function methods:close()
  self.instance:close()
  self.is_dead = true
end

--- Sets a script's timers going that it has set before.
function methods:begin_timers()
  self.instance.is_active = true
  local ids = {}
  for id in pairs(self.instance.pending or {}) do ids[#ids + 1] = id end
  table.sort(ids)
  for _, id in ipairs(ids) do
    local wanted = self.instance.pending[id]
    self.world.asks.timer(self.instance, {}, id, wanted.seconds, wanted.is_repeated)
  end
  self.instance.pending = nil
end

local function copy(script)
  local own = {}
  for name, value in pairs(script) do own[name] = value end
  own.grants = { is_ordered = true }
  for name, value in pairs(script.grants or {}) do own.grants[name] = value end
  return own
end

--- Loads a script.
---@param world moonpool.host.virtual
---@param script moonpool.host.script with its text
---@return moonpool.host.virtual_member?
---@return string? message
function virtual_member.load(world, script)
  local self = setmetatable({
    kind = script.kind, name = script.name, id = script.name, script = script, world = world,
    errors = {}, handled = 0, calls = 0, rooms_at_work = {}, is_dead = false, is_killed = false,
    is_touched = false,
  }, mt)
  local own = copy(script)
  own.prepare = function(isolate)
    self.isolate = isolate
    self:set_clock()
  end
  local instance, message = instances.load(own, world.asks, self)
  if not instance then return nil, message end
  local about = instance.description
  self.instance, self.description, self.name = instance, about, about.name
  self.events, self.patterns = about.events, about.patterns
  self.rooms, self.priority = script.rooms or about.rooms, script.priority or about.priority
  return self
end

return virtual_member
