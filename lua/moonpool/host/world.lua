--- What scripts may ask of a host that runs on Redis: the other side of the guest's `ask`. Each is
--- a function of the instance that asks, the context of its call (room, message, request), and what
--- it asks for; it awaits, and answers.
local moonpool = require "moonpool"
local bucket = require "moonpool.host.bucket"
local room_name = require "moonpool.room_name"
local source = require "moonpool.host.source"
local store = require "moonpool.host.store"

local world = {}

local MAX_LOG_BYTES = 4096

---@class moonpool.host.world what the answers need
---@field client table
---@field log moonpool.host.log
---@field chain moonpool.policies? who judges what bots say
---@field rooms table<string, moonpool.room> handles by name, as long as they are used
-- The handle by which a room is spoken in.
local function room_of(self, name)
  local clean, message, code = room_name(name)
  if not clean then return nil, message, code end
  local room = self.rooms[clean]
  if not room then
    room, message, code = self.client:room(clean)
    if not room then return nil, message, code end
    self.rooms[clean] = room
  end
  return room
end

-- ---- saying ------------------------------------------------------------------------------------

-- The same for what is said again when a message is handled again; nil: a random one.
local function key_of(actor, context, options)
  if options.key then return options.key end
  local message = context.message
  local id = message and message.id
  if not id then return nil end
  context.said = (context.said or 0) + 1
  return ("%s/%s/%d"):format(actor.id, id, context.said)
end

local function judge(self, actor, room, text, kind)
  if not self.chain then return text end
  local verdict = self.chain:judge("publish", {
    room = room.name, user = actor.name, text = text, type = kind, bot = true, via = "bot",
    time = moonpool.time(),
  })
  if verdict.verdict == "allow" then return verdict.text end
  return nil, verdict.reason, "EREJECTED"
end

local function say(self, instance, context, name, text, options)
  local actor = instance.actor
  if not instance.description then -- it is being loaded
    return nil, "the bot does not run yet; say it in bot:on(\"start\", …) or later", "ECLOSED"
  end
  local key = key_of(actor, context, options)
  local room, message, code = room_of(self, name)
  local id
  if room then
    text, message, code = judge(self, actor, room, text, options.type)
    if text then
      id, message, code = room:say({
        user = actor.name, text = text, bot = true, type = options.type,
      }, { key = key })
    end
  end
  if id then return id end
  self.log:write("warning", ("cannot say it: %s"):format(message), {
    script = actor.name, room = name, code = code,
  })
  return nil, message, code
end

-- ---- rooms -------------------------------------------------------------------------------------

local function plain(message)
  return {
    id = message.id, room = message.room, user = message.user, text = message.text,
    type = message.type, at = message.at, to = message.to, target = message.target,
    bot = message.bot,
  }
end

-- Calls a method of the room: what it returns, or nil, message, code. Bad options are an answer.
local function call_room(self, name, method, ...)
  local room, message, code = room_of(self, name)
  if not room then return nil, message, code end
  local results = table.pack(pcall(room[method], room, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  return nil, tostring(results[2]), "EARG"
end

local function history(self, _, _, name, options)
  local messages, message, code = call_room(self, name, "history", options)
  if not messages then return nil, message, code end
  for index, entry in ipairs(messages) do messages[index] = plain(entry) end
  return messages
end

-- ---- timers ------------------------------------------------------------------------------------

local function cancel(_, instance, _, id)
  local timer = instance.timers[id]
  instance.timers[id] = nil
  if timer then timer:close() end
  if instance.pending then instance.pending[id] = nil end
end

local function set_timer(_, instance, _, id, seconds, is_repeated)
  if not instance.description then -- it is being loaded
    instance.pending = instance.pending or {}
    instance.pending[id] = { seconds = seconds, is_repeated = is_repeated }
    return
  end
  local timer
  timer = moonpool.timer(seconds, function()
    if not is_repeated then
      timer:close()
      instance.timers[id] = nil
    end
    instance.actor:on_timer(instance, id)
  end)
  instance.timers[id] = timer
end

-- ---- the rest ----------------------------------------------------------------------------------

-- Of all rooms together: what is to be counted by room has it in its key.
local function take(self, instance, context, key, capacity, seconds, cost)
  return bucket.ask(self.client, context.request, bucket.key(nil, instance.actor.id, key),
    capacity, seconds, cost)
end

local function load_store(self, instance, _, room)
  local actor = instance.actor
  return store.load(self.client, actor.kind, actor.id, room)
end

local function redis(self, instance, _, name, ...)
  if not instance.actor.script.grants.redis then return nil, "not granted", "EPERM" end
  local results = table.pack(pcall(self.client.call, self.client, name:upper(), ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  return nil, tostring(results[2]), "EARG"
end

local function write_log(self, instance, context, level, text)
  self.log:write(level, text:sub(1, MAX_LOG_BYTES), {
    script = instance.actor.name, room = context.room,
    id = context.message and context.message.id,
  })
end

local function fail(_, instance, context, trace, event)
  instance.actor:failed(trace, event, context)
end

local function new_source(instance, _, name)
  local text, chunkname = source.module(instance.actor.script.path, name)
  if text then instance.modules[chunkname:sub(2)] = true end
  return text, chunkname
end

--- The answers, by what is asked.
---@param client table from moonpool.connect
---@param log moonpool.host.log
---@param chain moonpool.policies? who judges what bots say
---@return table<string, function>
function world.asks(client, log, chain)
  local self = {
    client = client, log = log, chain = chain, rooms = setmetatable({}, { __mode = "v" }),
  }
  local function bind(fn)
    return function(...) return fn(self, ...) end
  end
  return {
    say = bind(say), history = bind(history), take = bind(take), load_store = bind(load_store),
    redis = bind(redis), log = bind(write_log), fail = bind(fail), timer = bind(set_timer),
    cancel = bind(cancel), source = new_source,
    sleep = function(instance, _, seconds) instance.actor:sleep(seconds) end,
    who = function(_, _, name, options) return call_room(self, name, "who", options) end,
    count = function(_, _, name) return call_room(self, name, "count") end,
    delete = function(instance, _, name, id)
      return call_room(self, name, "delete", id, { user = instance.actor.name })
    end,
  }
end

return world
