local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

local QUICK = { backoff_min = 0.001, backoff_max = 0.01 }

describe("a lost subscriber link", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function with_client(fn, options)
    options = setmetatable(options or {}, nil)
    for name, value in pairs(QUICK) do
      if options[name] == nil then options[name] = value end
    end
    options.url = server.url
    local seconds = options.seconds
    options.seconds = nil
    loop.run(function() fn(loop.connect(options)) end, seconds)
  end

  -- Subscriptions of every kind, each with its list of what it saw.
  local function subscribe_all(redis)
    local seen = { a = {}, p = {}, s = {} }
    local function keeper(list, word)
      return function(payload) list[#list + 1] = word or payload end
    end
    local function options(list)
      return { events = { reconnect = keeper(list, "reconnect") } }
    end
    assert(redis:subscribe({ "a", "b" }, keeper(seen.a), options(seen.a)))
    assert(redis:psubscribe("p*", keeper(seen.p), options(seen.p)))
    assert(redis:ssubscribe("s", keeper(seen.s), options(seen.s)))
    return seen
  end

  local function publish_all(word)
    for _, name in ipairs { "a", "b", "pattern" } do
      assert.equal(1, server:call("PUBLISH", name, word))
    end
    assert.equal(1, server:call("SPUBLISH", "s", word))
  end

  local function assert_state(redis)
    local channels = server:call("PUBSUB", "CHANNELS")
    table.sort(channels)
    assert.same({ "a", "b" }, channels)
    assert.equal(1, server:call("PUBSUB", "NUMPAT"))
    assert.same({ "s" }, server:call("PUBSUB", "SHARDCHANNELS"))
    assert.equal(4, redis:stats().wanted)
    assert.equal(4, redis:stats().confirmed)
  end

  for way, lose in pairs {
    ["killed by CLIENT KILL"] = function() loop.kill(server, "pubsub") end,
    ["whose server is killed and started again"] = function() server:restart() end,
  } do
    it(way .. " serves every handler again, after one reconnect event each", function()
      with_client(function(redis)
        local seen = subscribe_all(redis)
        publish_all "before"
        loop.wait_for(seen.s, 1)
        lose()
        for _, list in pairs(seen) do
          loop.wait_until(function() return list[#list] == "reconnect" end)
        end
        assert_state(redis)
        publish_all "after"
        loop.wait_for(seen.s, 3)
        loop.wait_for(seen.a, 5)
        assert.same({
          a = { "before", "before", "reconnect", "after", "after" },
          p = { "before", "reconnect", "after" },
          s = { "before", "reconnect", "after" },
        }, seen)
      end)
    end)
  end

  it("leaves a gap of unknown size, told just before the reconnect, once for each loss", function()
    with_client(function(redis)
      local seen = {}
      local function keep(event) seen[#seen + 1] = event end
      local function keep_slowly(event)
        moonpool.sleep(0.01)
        keep(event)
      end
      local function keep_payload(payload) seen[#seen + 1] = payload end
      redis:subscribe("a", keep_payload, { events = { gap = keep_slowly, reconnect = keep } })
      for loss = 1, 2 do
        loop.kill(server, "pubsub")
        loop.wait_until(function() return server:subscribers "a" == 1 end)
        server:call("PUBLISH", "a", loss)
        loop.wait_for(seen, 3 * loss)
      end
      local gap, reconnect = { event = "gap", reason = "reconnect" }, { event = "reconnect" }
      assert.same({ gap, reconnect, "1", gap, reconnect, "2" }, seen)
      assert.equal(2, redis:stats().unknown_gaps)
      assert.equal(0, redis:stats().gaps)
    end)
  end)

  it("leaves a gap to who asks for that alone, and to none who asks for reconnects", function()
    with_client(function(redis)
      local gaps, reconnects = {}, {}
      redis:subscribe("a", print):on("gap", function(event) gaps[#gaps + 1] = event.reason end)
      redis:subscribe("a", print):on("reconnect", function(event)
        reconnects[#reconnects + 1] = event.event
      end)
      redis:subscribe("a", print)
      loop.kill(server, "pubsub")
      loop.wait_for(gaps, 1)
      loop.wait_for(reconnects, 1)
      assert.same({ "reconnect" }, gaps)
      assert.same({ "reconnect" }, reconnects)
      assert.equal(3, redis:stats().unknown_gaps)
    end)
  end)

  it("has the gap of an iterator between the messages before and after it", function()
    with_client(function(redis)
      local seen = {}
      local function keep(event) seen[#seen + 1] = event.event end
      local subscription = redis:subscribe("a", nil, { events = { gap = keep, reconnect = keep } })
      server:call("PUBLISH", "a", "1")
      server:call("PUBLISH", "a", "2")
      loop.wait_until(function() return redis:stats().messages == 2 end)
      loop.kill(server, "pubsub")
      loop.wait_until(function() return redis:stats().unknown_gaps == 1 end)
      server:call("PUBLISH", "a", "3")
      loop.wait_until(function() return redis:stats().messages == 3 end)
      assert.same({}, seen)
      for payload in subscription:messages() do
        seen[#seen + 1] = payload
        if payload == "3" then break end
        moonpool.sleep(0)
      end
      assert.same({ "1", "2", "gap", "reconnect", "3" }, seen)
    end)
  end)

  it("has the gap of an iterator that waits", function()
    with_client(function(redis)
      local seen = {}
      local function keep(event) seen[#seen + 1] = event.event end
      local subscription = redis:subscribe("a", nil, { events = { gap = keep, reconnect = keep } })
      moonpool.spawn(function()
        for payload in subscription:messages() do seen[#seen + 1] = payload end
      end)
      for loss = 1, 2 do
        loop.kill(server, "pubsub")
        loop.wait_for(seen, 3 * loss - 1)
        server:call("PUBLISH", "a", loss)
        loop.wait_for(seen, 3 * loss)
      end
      assert.same({ "gap", "reconnect", "1", "gap", "reconnect", "2" }, seen)
    end)
  end)

  it("takes what is subscribed and closed while it is down", function()
    with_client(function(redis)
      local events, seen = {}, {}
      local function keep(event) events[#events + 1] = event.event end
      local old = redis:subscribe("old", print, {
        events = { reconnect = keep, unsubscribe = keep } })
      redis:subscribe("kept", print, { events = { reconnect = keep } })
      server:kill()
      loop.wait_until(function() return redis:stats().confirmed == 0 end)
      assert.is_true(old:close())
      local new
      moonpool.spawn(function()
        new = assert(redis:subscribe("new", function(payload) seen[#seen + 1] = payload end))
      end)
      moonpool.spawn(function() assert(redis:subscribe("short", print)):close() end)
      server:start()
      loop.wait_until(function() return new end)
      loop.wait_until(function()
        local channels = server:call("PUBSUB", "CHANNELS")
        table.sort(channels)
        return table.concat(channels, " ") == "kept new"
      end)
      assert.equal(1, redis:publish("new", "x"))
      loop.wait_for(seen, 1)
      loop.wait_for(events, 1)
      assert.same({ "reconnect" }, events)
    end)
  end)

  it("fails what waits for its confirmation longer than the deadline", function()
    with_client(function(redis)
      server:kill()
      loop.wait_until(function() return redis:state() ~= "ready" end)
      local subscription, message, code = redis:subscribe("a", print)
      assert.is_nil(subscription)
      assert.matches("not confirmed before the deadline; the last error was: connect to unix:",
        message)
      assert.equal("ETIMEOUT", code)
      assert.equal(0, redis:stats().wanted)
    end, { command_timeout = 0.3 })
  end)

  it("lost again in the middle of resubscribing has all in the end", function()
    with_client(function(redis)
      local count, names, reconnects, seen = 10000, {}, 0, {}
      for number = 1, count do names[number] = "channel:" .. number end
      redis:subscribe(names, function(payload) seen[#seen + 1] = payload end, {
        events = { reconnect = function() reconnects = reconnects + 1 end } })
      for _ = 1, 5 do
        loop.kill(server, "pubsub")
        loop.wait_until(function()
          local confirmed = redis:stats().confirmed
          return confirmed > 0 and confirmed < count
        end, nil, "some channels to be confirmed again")
      end
      loop.wait_until(function() return redis:stats().confirmed == count end)
      loop.wait_until(function() return reconnects > 0 end)
      assert.equal(1, reconnects)
      assert.equal(count, #server:call("PUBSUB", "CHANNELS"))
      for _, number in ipairs { 1, 5000, count } do
        assert.equal(1, server:call("PUBLISH", "channel:" .. number, number))
      end
      loop.wait_for(seen, 3)
      assert.same({ "1", "5000", "10000" }, seen)
    end, { subscribe_batch = 10, subscribe_window = 1 })
  end)

  -- Two heartbeats are 2 s, the default would be 20 s: the bound only tells these apart.
  it("that is quiet but alive is kept", function()
    with_client(function(redis)
      redis:subscribe("a", print)
      local ids, sent = loop.client_ids(server, "pubsub"), redis:stats().bytes_out
      loop.wait_until(function()
        return redis:stats().bytes_out >= sent + 3 * #"*1\r\n$4\r\nPING\r\n"
      end, nil, "three PINGs")
      assert.same(ids, loop.client_ids(server, "pubsub"))
      assert.equal(0, redis:stats().reconnects)
    end, { heartbeat = 0.4 })
  end)
end)
