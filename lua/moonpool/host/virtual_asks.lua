--- What scripts may ask of a world without Redis: the other side of the guest's `ask`, as
--- moonpool.host.world is for one with Redis.
local room_name = require "moonpool.room_name"
local source = require "moonpool.host.source"
local virtual_bucket = require "moonpool.host.virtual_bucket"

local function no_redis() return nil, "there is no Redis here", "ENOSUPPORT" end

local function copy(fields)
  local own = {}
  for name, value in pairs(fields) do own[name] = value end
  return own
end

---@param world moonpool.host.virtual
---@return table<string, function> asks by name: (instance, context, ...)
return function(world)
  local asks = { redis = no_redis }

  function asks.source(instance, _, name) return source.module(instance.actor.script.path, name) end

  function asks.log(instance, _, level, text) world.on_log(instance.actor, level, text) end

  function asks.fail(instance, _, trace, event) instance.actor:failed(trace, event) end

  function asks.load_store(instance, _, room) return copy(world:store_of(instance.actor, room)) end

  -- ---- time ----------------------------------------------------------------------------------

  function asks.sleep(_, _, seconds)
    local co, is_main = coroutine.running()
    if is_main then error "nothing can be awaited here" end
    world.clock:after(seconds, function() world.go_on(co) end)
    coroutine.yield()
  end

  function asks.timer(instance, _, id, seconds, is_repeated)
    if not instance.is_active then
      instance.pending = instance.pending or {}
      instance.pending[id] = { seconds = seconds, is_repeated = is_repeated }
      return
    end
    local function fire()
      instance.timers[id] = is_repeated and world.clock:after(math.max(seconds, 0.001), fire) or nil
      instance.actor:deliver({}, "timer", id)
    end
    instance.timers[id] = world.clock:after(seconds, fire)
  end

  function asks.cancel(instance, _, id)
    if instance.timers[id] then instance.timers[id]:close() end
    instance.timers[id] = nil
    if instance.pending then instance.pending[id] = nil end
  end

  function asks.take(instance, context, key, capacity, seconds, cost)
    local request = context.request
    if request and request.is_again then return true, 0.0 end
    return virtual_bucket.take(world.buckets, world.clock.now, instance.actor.id .. ":" .. key,
      capacity, seconds, cost, request ~= nil and request.is_explained == true)
  end

  -- ---- rooms ---------------------------------------------------------------------------------

  local function room_of(name)
    local clean, message, code = room_name(name)
    if not clean then return nil, message, code end
    return world:room(clean)
  end

  function asks.say(instance, context, name, text, options)
    local room, message, code = room_of(name)
    if not room then return nil, message, code end
    return world:say_for(instance.actor, context, room, text, options)
  end

  function asks.history(_, _, name, options)
    local room, message, code = room_of(name)
    if not room then return nil, message, code end
    return room:history(options)
  end

  function asks.who(_, _, name)
    local room, message, code = room_of(name)
    if not room then return nil, message, code end
    return room:who()
  end

  function asks.count(_, _, name)
    local room, message, code = room_of(name)
    if not room then return nil, message, code end
    return #room:who()
  end

  function asks.delete(_, _, name, id)
    local room, message, code = room_of(name)
    if not room then return nil, message, code end
    local is_there
    is_there, message, code = room:delete(id)
    if is_there == nil then return nil, message, code end
    return room:store({ type = "delete", target = id }, world.clock:time())
  end

  -- ---- patterns ------------------------------------------------------------------------------

  function asks.pattern(instance, _, id, pattern)
    table.insert(instance.actor.patterns, { id = id, pattern = pattern })
    return true
  end

  function asks.unpattern(instance, _, id)
    local patterns = instance.actor.patterns
    for index, entry in ipairs(patterns) do
      if entry.id == id then return table.remove(patterns, index) and nil end
    end
  end

  return asks
end
