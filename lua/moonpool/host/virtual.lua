--- A world without Redis, for tests and for logs that are played through scripts: real isolates
--- with the real guest and budgets, on a clock that stands still until it is moved, with stores,
--- rooms and buckets in memory. With one seed it always takes the same course.
local core = require "moonpool.core"
local glob = require "moonpool.glob"
local policies = require "moonpool.host.policies"
local source = require "moonpool.host.source"
local virtual_asks = require "moonpool.host.virtual_asks"
local virtual_clock = require "moonpool.host.virtual_clock"
local virtual_member = require "moonpool.host.virtual_member"
local virtual_room = require "moonpool.host.virtual_room"

local virtual = {}

local BEGAN = 1767225600 -- 2026-01-01T00:00:00Z
local MOST_AT_ONCE = 10000 -- messages, while the clock stands still

local EVENT_OF = {
  message = "publish", action = "publish", join = "subscribe", leave = "unsubscribe",
  rename = "rename",
}

---@class moonpool.host.virtual.said what a bot has said
---@field bot string
---@field room string
---@field text string
---@field type string
---@field id string
---@field at number seconds since 1970
---@field key string?

---@class moonpool.host.virtual
---@field clock moonpool.host.virtual_clock
---@field chain table its policies, which judge
---@field asks table<string, function> what scripts ask for
---@field bots moonpool.host.virtual_member[]
---@field policies moonpool.host.virtual_member[]
---@field buckets table
---@field on_said fun(said: moonpool.host.virtual.said)
---@field on_verdict fun(policy: string, what: string, fields: table) "rejected", "rewritten" or
--- "policy failed"
---@field on_error fun(member: moonpool.host.virtual_member, trace: string, event: string?)
---@field on_log fun(member: moonpool.host.virtual_member, level: string, text: string)
---@field package rooms table<string, moonpool.host.virtual_room>
---@field package stores table<string, table<string, string>>
---@field package keys table<string, string> ids of what was said with a key
---@field package queue table[] messages that the bots have not been handed yet
local methods = {}
local mt = { __name = "moonpool.host.virtual", __index = methods }

-- ---- what is kept ------------------------------------------------------------------------------

--- A room; it is there as soon as it is asked for.
---@param name string
---@return moonpool.host.virtual_room
function methods:room(name)
  self.rooms[name] = self.rooms[name] or virtual_room.new(name)
  return self.rooms[name]
end

--- What a script has in a store: JSON texts by key.
---@param member { kind: string, id: string }
---@param room string|false
---@return table<string, string>
function methods:store_of(member, room)
  local key = ("%s\0%s\0%s"):format(member.kind, member.id, room or "")
  self.stores[key] = self.stores[key] or {}
  return self.stores[key]
end

-- ---- handing over ------------------------------------------------------------------------------

local function is_in(member, room)
  for _, pattern in ipairs(member.rooms or {}) do
    if glob.match((pattern:gsub("^room:", "", 1)), room) then return true end
  end
  return false
end

local function each_pattern(self, channel, payload)
  for _, member in ipairs(self.bots) do
    for _, entry in ipairs(table.move(member.patterns, 1, #member.patterns, 1, {})) do
      if glob.match(entry.pattern, channel) then
        member:deliver({ channel = channel }, "pattern", entry.id, payload, channel)
      end
    end
  end
end

local function hand_over(self, item)
  local room, event = item.room, EVENT_OF[item.type]
  each_pattern(self, "room:" .. room, item.frame)
  if not event then return end
  for _, member in ipairs(self.bots) do
    if is_in(member, room) and member.events[event] then
      member:deliver({ room = room, message = item.message }, event, item.message)
    end
  end
end

-- Has everything happen that is due.
local function settle(self)
  local handed = 0
  while true do
    local item = table.remove(self.queue, 1)
    if item then
      handed = handed + 1
      if handed > MOST_AT_ONCE then
        self.queue = {}
        error(("more than %d messages at once: do bots answer each other without end?"):format(
          MOST_AT_ONCE), 0)
      end
      hand_over(self, item)
    elseif not self.clock:step(self.clock.now) then
      return
    end
  end
end

-- Who waits goes on; what it fails of is not the script's fault.
local function go_on(co, ...)
  local ok, problem = coroutine.resume(co, ...)
  if not ok then error(debug.traceback(co, problem), 0) end
end

-- ---- saying ------------------------------------------------------------------------------------

local BODY = { "type", "user", "text", "to", "target", "bot" } -- in this order, as rooms write it

local function encode(fields)
  local parts = {}
  for _, name in ipairs(BODY) do
    local value = fields[name]
    if value ~= nil and value ~= false and not (name == "type" and value == "message") then
      parts[#parts + 1] = ('"%s":%s'):format(name, core.json.encode(value))
    end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- Stores a message, or announces it only, and has it handed over later.
local function post(self, room, fields, is_stored)
  local before = room.last_id
  local body = encode(fields)
  local id = is_stored and room:store(fields, self.clock:time()) or nil
  local message = core.room.message(room.name, id, body)
  local frame = body
  if id then
    frame = ('{"id":"%s","prev":"%s","m":%s}'):format(id, before or "0-0-0000000000000000", body)
  end
  self.queue[#self.queue + 1] = {
    room = room.name, type = fields.type or "message", message = message, frame = frame,
  }
  return id
end

local function judge(self, event, request)
  if #self.policies == 0 then return { verdict = "allow", text = request.text } end
  request.time = self.clock:time()
  return self.chain:judge(event, request)
end

---@package
function methods:say_for(member, context, room, text, options)
  local key = options.key and ("%s\0%s\0%s"):format(member.id, room.name, options.key)
  if key and self.keys[key] then return self.keys[key] end
  local kind = options.type or "message"
  local verdict = judge(self, "publish", {
    room = room.name, user = member.name, text = text, type = kind, bot = true, via = "bot",
  })
  if verdict.verdict ~= "allow" then return nil, verdict.reason, "EREJECTED" end
  local fields = { user = member.name, text = verdict.text, type = kind, bot = true }
  local id = post(self, room, fields, true)
  if key then self.keys[key] = id end
  self.on_said { bot = member.name, room = room.name, text = verdict.text, type = kind, id = id,
    at = self.clock:time(), key = options.key, event = context.event }
  return id
end

--- Somebody says, or does, something in a room: it is judged, and the bots hear it.
---@param room string
---@param message { user: string, text: string?, type: string?, to: string?, bot: boolean? } type:
--- message (default), action, join, leave, rename
---@return moonpool.policy_verdict
function methods:publish(room, message)
  local kind = message.type or "message"
  local verdict = { verdict = "allow", text = message.text }
  if EVENT_OF[kind] == "publish" or kind == "join" then
    verdict = judge(self, kind == "join" and "subscribe" or "publish", {
      room = room, user = message.user, text = message.text, type = kind,
      bot = message.bot or false, via = "say",
    })
  end
  if verdict.verdict ~= "allow" then return verdict end
  local here = self:room(room)
  if kind == "join" or kind == "leave" or kind == "rename" then
    here:note(kind, message.user, self.clock:time(), message.to)
  end
  post(self, here, { user = message.user, text = verdict.text, type = kind, to = message.to,
    bot = message.bot }, kind ~= "join" and kind ~= "leave")
  settle(self)
  return verdict
end

--- Something is published on a channel that is no room's.
---@param channel string
---@param payload string
function methods:publish_on(channel, payload)
  each_pattern(self, channel, payload)
  settle(self)
end

--- Has an event reach all bots that react to it: gap, reconnect, start, stop.
---@param event string
---@param room string?
---@param ... any
function methods:tell(event, room, ...)
  for _, member in ipairs(self.bots) do
    if member.events[event] and (not room or is_in(member, room)) then
      member:deliver({ room = room }, event, ...)
    end
  end
  settle(self)
end

--- What each policy says of a message, publishing and counting nothing.
---@return moonpool.policy_opinion[]
---@return moonpool.policy_verdict
function methods:explain(room, message)
  return self.chain:explain("publish", {
    room = room, user = message.user, text = message.text, type = message.type or "message",
    bot = message.bot or false, via = "say", time = self.clock:time(),
  })
end

-- ---- time and life -----------------------------------------------------------------------------

--- Moves the clock; what is due meanwhile happens in order, each at its time.
---@param seconds number
function methods:advance(seconds)
  local target = self.clock.now + seconds
  settle(self)
  while self.clock:step(target) do settle(self) end
  self.clock:set(target)
end

--- Loads a script.
---@param script moonpool.host.config.script
---@return moonpool.host.virtual_member?
---@return string? message
function methods:add(script)
  local own, message = source.open(script)
  if not own then return nil, message end
  local member
  member, message = virtual_member.load(self, own)
  if not member then return nil, message end
  local list = script.kind == "bot" and self.bots or self.policies
  list[#list + 1] = member
  if script.kind == "policy" then self.chain:replace(self.policies) end
  return member
end

--- From now on a bot takes part: its timers run, its functions for start are called.
---@param member moonpool.host.virtual_member
function methods:start(member)
  member:begin_timers()
  if member.events.start then member:deliver({}, "start") end
  settle(self)
end

--- Has another version of a bot take over: its timers and what sleeps in the old one are gone.
---@param member moonpool.host.virtual_member
---@param script moonpool.host.config.script
---@return moonpool.host.virtual_member? member nil: the old one runs on
---@return string? message
function methods:replace(member, script)
  local own, message = source.open(script)
  if not own then return nil, message end
  local new
  new, message = virtual_member.load(self, own)
  if not new then return nil, message end
  local state = member:state()
  member:close()
  for index, other in ipairs(self.bots) do
    if other == member then self.bots[index] = new end
  end
  new:begin_timers()
  new:deliver({}, "upgrade", state)
  settle(self)
  return new
end

--- Ends a bot, or a policy, as a host does that ends; its stores stay.
---@param member moonpool.host.virtual_member
function methods:stop(member)
  if member.events.stop and not member.is_dead then member:deliver({}, "stop") end
  settle(self)
  member:close()
  for _, list in ipairs { self.bots, self.policies } do
    for index, other in ipairs(list) do
      if other == member then
        table.remove(list, index)
        break
      end
    end
  end
  self.chain:replace(self.policies)
end

--- Ends all scripts at once; no function of theirs is called.
function methods:close()
  for _, list in ipairs { self.bots, self.policies } do
    for _, member in ipairs(list) do member:close() end
  end
  self.bots, self.policies = {}, {}
end

local function ignore() end

---@class moonpool.host.virtual.options
---@field time number? seconds since 1970 at the beginning; 2026-01-01T00:00:00Z
---@field on_said? fun(said: moonpool.host.virtual.said)
---@field on_verdict? fun(policy: string, what: string, fields: table)
---@field on_error? fun(member: table, trace: string, event: string?)
---@field on_log? fun(member: table, level: string, text: string)

---@param options? moonpool.host.virtual.options
---@return moonpool.host.virtual
function virtual.new(options)
  options = options or {}
  local self = setmetatable({
    bots = {}, policies = {}, rooms = {}, stores = {}, keys = {}, queue = {}, buckets = {},
    on_said = options.on_said or ignore, on_verdict = options.on_verdict or ignore,
    on_error = options.on_error or ignore, on_log = options.on_log or ignore, go_on = go_on,
  }, mt)
  self.clock = virtual_clock.new(options.time or BEGAN, function()
    for _, list in ipairs { self.bots, self.policies } do
      for _, member in ipairs(list) do member:set_clock() end
    end
  end)
  self.asks = virtual_asks(self)
  self.chain = policies.new({}, {
    policy_timeout = 3600, -- of a clock that is not ours; the budget is what ends a policy
    log = { write = function(_, _, what, fields) self.on_verdict(fields.script, what, fields) end },
  })
  return self
end

return virtual
