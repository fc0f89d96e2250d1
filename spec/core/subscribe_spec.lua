local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

local ACTIONS = { subscribe = "subscribe", psubscribe = "psubscribe", ssubscribe = "ssubscribe" }

local function sorted(list)
  table.sort(list)
  return list
end

describe("subscribing", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function with_client(fn, options)
    options = options or {}
    options.url = server.url
    loop.run(function() fn(loop.connect(options)) end, options.seconds)
  end

  -- A handler that keeps its arguments, and the list that it keeps them in.
  local function keeper()
    local kept = {}
    return function(...) kept[#kept + 1] = table.pack(...) end, kept
  end

  describe("with a handler", function()
    it("gives payload and channel", function()
      with_client(function(redis)
        local keep, kept = keeper()
        local subscription = assert(redis:subscribe("news", keep))
        assert.equal(1, subscription.count)
        assert.is_false(subscription.closed)
        assert.equal(1, server:call("PUBLISH", "news", "one"))
        assert.equal(0, server:call("PUBLISH", "other", "none"))
        assert.equal(1, redis:publish("news", ""))
        loop.wait_for(kept, 2)
        assert.same({ { n = 3, "one", "news" }, { n = 3, "", "news" } }, kept)
      end)
    end)

    it("gives the pattern too", function()
      with_client(function(redis)
        local keep, kept = keeper()
        assert(redis:psubscribe("room:*", keep))
        server:call("PUBLISH", "room:chatty", "hi")
        loop.wait_for(kept, 1)
        assert.same({ { n = 3, "hi", "room:chatty", "room:*" } }, kept)
      end)
    end)

    it("gives messages of shard channels", function()
      with_client(function(redis)
        local keep, kept = keeper()
        assert(redis:ssubscribe("orders", keep))
        assert.equal(0, server:call("PUBLISH", "orders", "not this"))
        assert.equal(1, server:call("SPUBLISH", "orders", "this"))
        loop.wait_for(kept, 1)
        assert.same({ "this", "orders" }, { kept[1][1], kept[1][2] })
      end)
    end)

    it("keeps run going until it is closed", function()
      local seen
      moonpool.run(function()
        local redis = assert(moonpool.connect(server.url))
        local subscription
        subscription = redis:subscribe("news", function(payload)
          seen = payload
          subscription:close()
        end)
        redis:publish("news", "last")
      end)
      assert.equal("last", seen)
    end)
  end)

  describe("as an iterator", function()
    it("gives messages until it is closed", function()
      with_client(function(redis)
        local subscription, seen = redis:subscribe { "a", "b" }, {}
        moonpool.spawn(function()
          for number = 1, 100 do
            redis:publish(number % 2 == 0 and "a" or "b", number)
          end
        end)
        for payload, channel, pattern in subscription:messages() do
          assert.is_nil(pattern)
          seen[#seen + 1] = channel .. payload
          if #seen == 100 then subscription:close() end
        end
        assert.equal("b1", seen[1])
        assert.equal("a100", seen[100])
        assert.is_true(subscription.closed)
      end)
    end)

    it("gives the pattern", function()
      with_client(function(redis)
        local subscription = redis:psubscribe "n*"
        redis:publish("news", "hi")
        local next_message = subscription:messages()
        assert.same({ "hi", "news", "n*" }, { next_message(subscription) })
      end)
    end)

    it("keeps what came before it was asked", function()
      with_client(function(redis)
        local subscription, seen = redis:subscribe "news", {}
        for number = 1, 10 do redis:publish("news", number) end
        loop.wait_until(function() return redis:stats().messages == 10 end)
        for payload in subscription:messages() do
          seen[#seen + 1] = tonumber(payload)
          if #seen == 10 then break end
        end
        assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, seen)
      end)
    end)

    it("shares the messages among several readers", function()
      with_client(function(redis)
        local subscription, seen = redis:subscribe "news", {}
        for _ = 1, 3 do
          moonpool.spawn(function()
            for payload in subscription:messages() do seen[#seen + 1] = payload end
          end)
        end
        for number = 1, 30 do redis:publish("news", number) end
        loop.wait_for(seen, 30)
        subscription:close()
        assert.equal(30, #seen)
      end)
    end)

    it("ends when another task closes the subscription", function()
      with_client(function(redis)
        local subscription, ends = redis:subscribe "news", 0
        for _ = 1, 2 do
          moonpool.spawn(function()
            for _ in subscription:messages() do error "no message was sent" end
            ends = ends + 1
          end)
        end
        moonpool.sleep(0)
        subscription:close()
        loop.wait_until(function() return ends == 2 end)
      end)
    end)

    it("is not there beside a handler", function()
      with_client(function(redis)
        local subscription = redis:subscribe("news", print)
        assert.error_matches(function() subscription:messages() end,
          "the subscription has a handler: it gets the messages")
      end)
    end)
  end)

  describe("confirms", function()
    it("a list of names at once, with the count that Redis reports", function()
      with_client(function(redis)
        assert.equal(3, redis:subscribe({ "a", "b", "c" }, print).count)
        assert.equal(5, redis:psubscribe({ "d*", "e*" }, print).count)
        assert.equal(1, redis:ssubscribe("f", print).count) -- Redis counts these apart
        assert.same({ "a", "b", "c" }, sorted(server:call("PUBSUB", "CHANNELS")))
        assert.equal(2, server:call("PUBSUB", "NUMPAT"))
        assert.same({ "f" }, server:call("PUBSUB", "SHARDCHANNELS"))
      end)
    end)

    it("10,000 names in one call", function()
      with_client(function(redis)
        local names = {}
        for number = 1, 10000 do names[number] = "channel:" .. number end
        local keep, kept = keeper()
        local subscription = assert(redis:subscribe(names, keep))
        assert.equal(10000, subscription.count)
        assert.equal(10000, #server:call("PUBSUB", "CHANNELS"))
        server:call("PUBLISH", "channel:1", "x")
        server:call("PUBLISH", "channel:10000", "y")
        loop.wait_for(kept, 2)
        assert.same({ { n = 3, "x", "channel:1" }, { n = 3, "y", "channel:10000" } }, kept)
        assert.is_true(subscription:close())
        assert.same({}, server:call("PUBSUB", "CHANNELS"))
      end)
    end)

    it("a name twice in a list as one", function()
      with_client(function(redis)
        local keep, kept = keeper()
        assert.equal(2, redis:subscribe({ "a", "b", "a", "a" }, keep).count)
        server:call("PUBLISH", "a", "once")
        server:call("PUBLISH", "b", "last")
        loop.wait_for(kept, 2)
        assert.same({ "once", "last" }, { kept[1][1], kept[2][1] })
      end)
    end)

    it("closing, when it was the last listener", function()
      with_client(function(redis)
        local one, other = redis:subscribe("a", print), redis:subscribe({ "a", "b" }, print)
        assert.is_true(other:close())
        assert.same({ "a" }, server:call("PUBSUB", "CHANNELS"))
        assert.is_true(other.closed)
        assert.equal(1, other.count)
        assert.is_true(one:close())
        assert.same({}, server:call("PUBSUB", "CHANNELS"))
        assert.equal(0, one.count)
        assert.is_true(one:close())
      end)
    end)

    it("nothing that Redis did not answer in time: ETIMEOUT", function()
      with_client(function(redis)
        loop.wait_until(function() return redis:subscribe("first", print) end)
        server:pause()
        local subscription, message, code = redis:subscribe("late", print)
        assert.is_nil(subscription)
        assert.matches("not confirmed before the deadline", message)
        assert.equal("ETIMEOUT", code)
        server:resume()
        loop.wait_until(function() return server:subscribers "late" == 0 end)
        assert.equal(1, server:subscribers "first")
      end, { command_timeout = 0.3 })
    end)
  end)

  describe("tells of", function()
    it("subscribe and unsubscribe, with action, channel and Redis's count", function()
      for method, action in pairs(ACTIONS) do
        with_client(function(redis)
          local events = {}
          local function keep(event) events[#events + 1] = event end
          local subscription = redis[method](redis, { "a", "b" }, print, {
            events = { subscribe = keep, unsubscribe = keep } })
          subscription:close()
          loop.wait_for(events, 4)
          local left = action:gsub("sub", "unsub")
          assert.same({
            { event = "subscribe", action = action, channel = "a", count = 1 },
            { event = "subscribe", action = action, channel = "b", count = 2 },
            { event = "unsubscribe", action = left, channel = "a", count = 1 },
            { event = "unsubscribe", action = left, channel = "b", count = 0 },
          }, events)
        end)
      end
    end)

    it("nothing any more once a handler of events is taken away", function()
      with_client(function(redis)
        local events = {}
        local function keep(event) events[#events + 1] = event.action end
        local one = redis:subscribe("a", print):on("unsubscribe", keep)
        local other = redis:subscribe("b", print):on("unsubscribe", keep)
        one:on("unsubscribe", nil)
        one:close()
        other:close()
        loop.wait_for(events, 1)
        assert.same({ "unsubscribe" }, events)
      end)
    end)
  end)

  it("raises for what is no name, handler, option or event", function()
    with_client(function(redis)
      for pattern, call in pairs {
        ["name or list of names expected"] = function() redis:subscribe() end,
        ["list of names is empty"] = function() redis:subscribe({}, print) end,
        ["name 2 is no string"] = function() redis:subscribe({ "a", 5 }, print) end,
        ["function expected"] = function() redis:subscribe("a", "handler") end,
        ["table expected"] = function() redis:subscribe("a", print, 5) end,
        ["unknown option 'colour'"] = function() redis:subscribe("a", print, { colour = 1 }) end,
        ["no event is named 'x'"] = function()
          redis:subscribe("a", print, { events = { x = print } })
        end,
        ["the handler of 'gap' is no function"] = function()
          redis:subscribe("a", print, { events = { gap = 1 } })
        end,
      } do
        assert.error_matches(call, pattern)
      end
      local subscription = redis:subscribe("a", print)
      assert.error_matches(function() subscription:on("message", print) end, "no such event")
      assert.error_matches(function() subscription:on("gap", 5) end, "function expected")
      assert.equal(1, redis:stats().wanted)
    end)
  end)

  it("works on the main state, outside run", function()
    local redis = assert(moonpool.connect(server.url))
    local subscription = assert(redis:subscribe "news")
    assert.equal(1, redis:publish("news", "hello"))
    assert.same({ "hello", "news" }, { subscription:messages()(subscription) })
    assert.is_true(subscription:close())
    redis:close()
  end)

  it("leaves nothing behind", function()
    local function work(rounds)
      with_client(function(redis)
        for round = 1, rounds do
          local subscription = redis:subscribe({ "a" .. round, "b" }, print)
          subscription:on("gap", print)
          subscription:close()
          local reader = redis:psubscribe("p" .. round)
          redis:publish("p" .. round, ("x"):rep(1000))
          reader:messages()(reader)
          reader:close()
        end
        assert.equal(0, redis:stats().wanted)
        assert.equal(0, redis:stats().confirmed)
        assert.equal(0, redis:stats().subscriptions)
      end)
    end
    work(200)
    collectgarbage()
    collectgarbage()
    local lua_before, before = collectgarbage "count", loop.resident()
    work(2000)
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage "count" - lua_before < 100, "over 100 KiB of Lua's are left")
    loop.assert_growth(before, 8 * 1048576)
  end)
end)
