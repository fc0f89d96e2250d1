local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

local function sorted(list)
  table.sort(list)
  return list
end

describe("names", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local NAMES = {
    "two words", "a\0b", "\0", "line\r\nbreak", "%s%n%d", "a*[b]?\\", "*", "[", "", "\xFF\xFE",
    "$5\r\nhello\r\n", "café",
  }

  for _, method in ipairs { "subscribe", "ssubscribe" } do
    it("of " .. method .. " are byte-exact", function()
      loop.run(function()
        local redis, seen = loop.connect(server.url), {}
        local events = {}
        local subscription = assert(redis[method](redis, NAMES, function(payload, channel)
          seen[#seen + 1] = payload
          assert(channel == NAMES[tonumber(payload)], "another name")
        end, { events = {
          unsubscribe = function(event) events[#events + 1] = event.channel end,
        } }))
        assert.equal(#NAMES, subscription.count)
        local shard = method == "ssubscribe"
        assert.same(sorted { table.unpack(NAMES) },
          sorted(server:call("PUBSUB", shard and "SHARDCHANNELS" or "CHANNELS")))
        for number, name in ipairs(NAMES) do
          assert.equal(1, server:call(shard and "SPUBLISH" or "PUBLISH", name, number))
        end
        loop.wait_for(seen, #NAMES)
        assert.equal(0, server:call("PUBLISH", "a*", "x"))
        subscription:close()
        loop.wait_for(events, #NAMES)
        assert.same(NAMES, events)
      end)
    end)
  end

  it("of psubscribe are byte-exact, and match as Redis matches", function()
    loop.run(function()
      local redis, seen = loop.connect(server.url), {}
      local patterns = { "a\0*", "line\r\n*", "lit\\*eral", "x[ab]?", "\xFF*" }
      assert(redis:psubscribe(patterns, function(payload, channel, pattern)
        seen[#seen + 1] = { payload, channel, pattern }
      end))
      for _, channel in ipairs { "a\0b", "line\r\nx", "lit*eral", "xa!", "\xFF\xFE" } do
        assert.equal(1, server:call("PUBLISH", channel, "p"))
      end
      assert.equal(0, server:call("PUBLISH", "literal", "p"))
      loop.wait_for(seen, 5)
      assert.same({
        { "p", "a\0b", "a\0*" }, { "p", "line\r\nx", "line\r\n*" },
        { "p", "lit*eral", "lit\\*eral" }, { "p", "xa!", "x[ab]?" }, { "p", "\xFF\xFE", "\xFF*" },
      }, seen)
    end)
  end)

  it("may be a megabyte long, and over max_name they are refused", function()
    loop.run(function()
      local redis, seen = loop.connect(server.url), {}
      local name = ("0123456789abcdef"):rep(65536)
      local events = {}
      local subscription = assert(redis:subscribe({ name, name .. "!" }, function(payload, channel)
        seen[#seen + 1] = payload
        assert(channel == name)
      end, { events = { subscribe = function(event) events[#events + 1] = event.channel end } }))
      assert.equal(1, redis:publish(name, "long"))
      loop.wait_for(seen, 1)
      assert.is_true(events[1] == name and events[2] == name .. "!")
      assert.is_true(subscription:close())
      local _, message, code = redis:subscribe(("x"):rep(8 * 1048576 + 1), print)
      assert.equal("ETOOBIG", code, message)
      assert.equal(0, redis:stats().wanted)
    end)
  end)

  it("that match a pattern and are subscribed to are told twice", function()
    loop.run(function()
      local redis, seen = loop.connect(server.url), {}
      local function keep(payload, channel, pattern)
        seen[#seen + 1] = payload .. channel .. tostring(pattern)
      end
      redis:subscribe("room:a", keep)
      redis:psubscribe({ "room:*", "*:a" }, keep)
      assert.equal(3, redis:publish("room:a", "x"))
      loop.wait_for(seen, 3)
      assert.same({ "xroom:a*:a", "xroom:anil", "xroom:aroom:*" }, sorted(seen))
    end)
  end)

  it("of a channel, a pattern and a shard channel are three things", function()
    loop.run(function()
      local redis, seen = loop.connect(server.url), {}
      local channel = redis:subscribe("same", function() seen[#seen + 1] = "channel" end)
      local pattern = redis:psubscribe("same", function() seen[#seen + 1] = "pattern" end)
      local shard = redis:ssubscribe("same", function() seen[#seen + 1] = "shard" end)
      channel:close()
      redis:publish("same", "x")
      redis:spublish("same", "x")
      loop.wait_for(seen, 2)
      pattern:close()
      redis:spublish("same", "x")
      loop.wait_for(seen, 3)
      shard:close()
      assert.same({ "pattern", "shard", "shard" }, seen)
    end)
  end)
end)

describe("sharing", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  it("one Redis subscription: closing one listener keeps the other", function()
    loop.run(function()
      local redis = loop.connect(server.url)
      local seen, events = {}, {}
      local function keep(event) events[#events + 1] = event.event .. event.count end
      local options = { events = { subscribe = keep, unsubscribe = keep } }
      local one = redis:subscribe("a", function(text) seen[#seen + 1] = "one " .. text end, options)
      local two = redis:subscribe("a", function(text) seen[#seen + 1] = "two " .. text end, options)
      assert.equal(1, one.count)
      assert.equal(1, two.count)
      assert.equal(1, server:subscribers "a")
      assert.equal(1, redis:publish("a", "x"))
      loop.wait_for(seen, 2)
      one:close()
      assert.equal(1, server:subscribers "a")
      redis:publish("a", "y")
      loop.wait_for(seen, 3)
      two:close()
      assert.equal(0, server:subscribers "a")
      assert.same({ "one x", "two x", "two y" }, seen)
      loop.wait_for(events, 2)
      assert.same({ "subscribe1", "unsubscribe0" }, events) -- one for what Redis did
    end)
  end)

  it("one link among 5,000 listeners", function()
    loop.run(function()
      local redis = loop.connect(server.url)
      local received, open = 0, {}
      for number = 1, 5000 do
        moonpool.spawn(function()
          open[number] = assert(redis:subscribe({ "all", "user:" .. number }, function()
            received = received + 1
          end))
        end)
      end
      loop.wait_until(function() return redis:stats().confirmed == 5001 end)
      assert.equal(1, #loop.client_ids(server, "pubsub"))
      assert.equal(1, server:call("PUBLISH", "all", "everyone"))
      loop.wait_until(function() return received == 5000 end)
      server:call("PUBLISH", "user:77", "one")
      loop.wait_until(function() return received == 5001 end)
      for _, subscription in ipairs(open) do moonpool.spawn(subscription.close, subscription) end
      loop.wait_until(function() return redis:stats().confirmed == 0 end)
      assert.same({}, server:call("PUBSUB", "CHANNELS"))
    end)
  end)

  it("nothing: 50 users with a link each", function()
    loop.run(function()
      local received = 0
      for _ = 1, 50 do
        moonpool.spawn(function()
          local redis = loop.connect(server.url)
          assert(redis:subscribe("room", function() received = received + 1 end))
        end)
      end
      loop.wait_until(function() return server:subscribers "room" == 50 end)
      assert.equal(50, server:call("PUBLISH", "room", "x"))
      loop.wait_until(function() return received == 50 end)
    end)
  end)

  -- Any order of subscribing and closing ends with what was wanted last.
  for _, way in ipairs { "undisturbed", "with links that are killed" } do
    it("through a storm of subscribing and closing, " .. way, function()
      local seed = tonumber(os.getenv "MOONPOOL_SEED") or os.time()
      math.randomseed(seed)
      local ok, message = pcall(loop.run, function()
        local redis = loop.connect { url = server.url, backoff_min = 0.001, backoff_max = 0.005 }
        local wanted, counts, left = {}, {}, 40
        local function go_on(number)
          local mine = {}
          for step = 1, 60 do
            local place = math.random(5)
            if mine[place] then
              counts[mine[place].name] = counts[mine[place].name] - 1
              mine[place].subscription:close()
              mine[place] = nil
            else
              local name = "c" .. math.random(12)
              counts[name] = (counts[name] or 0) + 1
              mine[place] = { name = name, subscription = assert(redis:subscribe(name, print)) }
            end
            if math.random(4) == 1 then moonpool.sleep(math.random(3) / 1000) end
            if way ~= "undisturbed" and number == 1 and step % 10 == 0 then
              loop.kill(server, "pubsub")
            end
          end
          left = left - 1
        end
        for number = 1, left do moonpool.spawn(go_on, number) end
        loop.wait_until(function() return left == 0 end, nil, "the storm to pass")
        for name, count in pairs(counts) do
          if count > 0 then wanted[#wanted + 1] = name end
        end
        table.sort(wanted)
        assert.equal(#wanted, redis:stats().wanted)
        loop.wait_until(function()
          return table.concat(sorted(server:call("PUBSUB", "CHANNELS")), " ")
            == table.concat(wanted, " ")
        end, nil, "Redis to have exactly " .. table.concat(wanted, " "))
        loop.wait_until(function() return redis:stats().confirmed == #wanted end, nil,
          "the client to have heard of it")
      end)
      assert(ok, ("%s\nthe same storm again: MOONPOOL_SEED=%d"):format(message, seed))
    end)
  end
end)
