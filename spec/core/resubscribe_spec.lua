local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

local ROOMS, PATTERNS, SHARDS = 9000, 500, 500
local TOTAL = ROOMS + PATTERNS + SHARDS
local METHODS = { room = "subscribe", pattern = "psubscribe", shard = "ssubscribe" }

describe("10,000 names, subscribed again", function()
  local server, redis, open, pending

  before_each(function()
    server = redis_server.start()
    open, pending = { room = {}, pattern = {}, shard = {} }, 0
  end)
  after_each(function() server:stop() end)

  local function ignore() end

  -- Runs fn in a task; all_done() waits for those.
  local function go(fn)
    pending = pending + 1
    moonpool.spawn(function()
      fn()
      pending = pending - 1
    end)
  end

  local function all_done()
    loop.wait_until(function() return pending == 0 end, nil, "what is under way")
  end

  -- What is wanted from now on, whatever becomes of the link.
  local function enter(kind, name)
    open[kind][name] = true
    go(function()
      local subscription = assert(redis[METHODS[kind]](redis, name, ignore))
      if open[kind][name] == "closing" then
        open[kind][name] = nil
        assert(subscription:close())
      else
        open[kind][name] = subscription
      end
    end)
  end

  local function leave(kind, name)
    local subscription = open[kind][name]
    if subscription == true then -- not confirmed yet
      open[kind][name] = "closing"
      return
    end
    open[kind][name] = nil
    go(function() assert(subscription:close()) end)
  end

  local function count(kind)
    local number = 0
    for _ in pairs(open[kind]) do number = number + 1 end
    return number
  end

  local function assert_exact()
    local function assert_same_names(kind, names)
      assert.equal(count(kind), #names, kind)
      for _, name in ipairs(names) do assert(open[kind][name], name .. " is nobody's") end
    end
    assert_same_names("room", server:call("PUBSUB", "CHANNELS"))
    assert_same_names("shard", server:call("PUBSUB", "SHARDCHANNELS"))
    assert.equal(count "pattern", server:call("PUBSUB", "NUMPAT"))
    assert.equal(1, #loop.client_ids(server, "pubsub"))
    for _, number in ipairs { 1, math.floor(ROOMS / 2), ROOMS } do
      assert.equal(open.room["room:" .. number] and 1 or 0, server:subscribers("room:" .. number))
    end
    assert.equal(count "room" + count "pattern" + count "shard", redis:stats().wanted)
  end

  local function settle()
    all_done()
    loop.wait_until(function()
      return redis:stats().confirmed == redis:stats().wanted
    end, nil, "all to be confirmed")
    -- What was closed without waiting is unsubscribed by now, or is about to be.
    loop.wait_until(function()
      return #server:call("PUBSUB", "CHANNELS") == count "room"
        and #loop.client_ids(server, "pubsub") == 1
    end, nil, "what is left at Redis")
    assert_exact()
  end

  local function enter_all(options)
    options.url, options.backoff_min, options.backoff_max = server.url, 0.001, 0.01
    options.command_timeout = 60
    redis = loop.connect(options)
    for number = 1, ROOMS do enter("room", "room:" .. number) end
    for number = 1, PATTERNS do enter("pattern", "pattern:" .. number .. ":*") end
    for number = 1, SHARDS do enter("shard", "{shard}:" .. number) end
    settle()
    assert.equal(TOTAL, redis:stats().confirmed)
  end

  -- Kills the link, until so many names or more, but not all, are confirmed on the next one.
  local function kill_until(position)
    repeat
      local reconnects = redis:stats().reconnects
      loop.wait_until(function() return loop.kill(server, "pubsub") > 0 end)
      loop.wait_until(function() return redis:stats().reconnects > reconnects end)
      loop.wait_until(function() return redis:stats().confirmed >= position end)
    until redis:stats().confirmed < redis:stats().wanted
  end

  it("is exact after further kills in the middle of it", function()
    loop.run(function()
      enter_all { subscribe_batch = 20, subscribe_window = 1 }
      for _, position in ipairs { 1, 3000, 6000, 9000 } do kill_until(position) end
      loop.kill(server, "pubsub")
      settle()
      assert.equal(TOTAL, redis:stats().confirmed)
    end, 120)
  end)

  -- At every position: names that are confirmed already, names that are not, new ones, and those
  -- that come and go, or go and come, before Redis has heard of it.
  local function race(position)
    local tag = ":" .. position
    for kind, name in pairs { room = "room:", shard = "{shard}:" } do
      for _, number in ipairs { math.floor(position / 20) + 1, math.floor(position / 20) + 11 } do
        leave(kind, name .. number)
        leave(kind, name .. number + 1)
        enter(kind, name .. number + 1)
      end
      enter(kind, name .. "new" .. tag)
      enter(kind, name .. "short" .. tag)
      leave(kind, name .. "short" .. tag)
    end
    leave("room", "room:" .. ROOMS - math.floor(position / 20))
    leave("pattern", ("pattern:%d:*"):format(math.floor(position / 20) + 2))
    enter("pattern", "new" .. tag .. "*")
  end

  it("is exact when they are subscribed to and closed meanwhile, before a kill and after it",
    function()
      loop.run(function()
        enter_all { subscribe_batch = 20, subscribe_window = 2 }
        for round, position in ipairs { 1, 2500, 5000, 9000 } do
          kill_until(position)
          race(position)
          if round % 2 == 0 then loop.kill(server, "pubsub") end
          moonpool.sleep(0)
          race(position + 400)
        end
        settle()
      end, 120)
    end)

  -- Redis is busy for longer than a heartbeat: the PING is on its way while names are, too.
  it("is answered its heartbeats meanwhile, and so is the commands' link", function()
    loop.run(function()
      enter_all { heartbeat = 3, subscribe_batch = 20, subscribe_window = 1 }
      kill_until(2000)
      local ids, reconnects = loop.client_ids(server, "pubsub"), redis:stats().reconnects
      local function pings()
        return tonumber(server:call("INFO", "commandstats"):match "cmdstat_ping:calls=(%d+)")
      end
      local before = pings()
      local value
      go(function() value = redis:call("DEBUG", "SLEEP", "3.5") end)
      go(function() assert.equal("PONG", redis:ping()) end)
      settle()
      assert.equal("OK", value)
      assert.is_true(pings() > before + 1, "no heartbeat fell into it") -- one was the program's
      assert.same(ids, loop.client_ids(server, "pubsub"))
      assert.equal(reconnects, redis:stats().reconnects)
    end, 120)
  end)
end)
