local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

describe("a client shows", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function with_client(fn, options) loop.with_client(server, fn, options) end

  local function ignore() end

  describe("its subscriptions:", function()
    local function by_name(redis)
      local found = {}
      for _, subscription in ipairs(redis:subscriptions()) do
        found[subscription.kind .. " " .. subscription.name] = subscription
      end
      return found
    end

    it("each name with its kind, listeners, and whether Redis has confirmed it", function()
      with_client(function(redis)
        assert.same({}, redis:subscriptions())
        local one = redis:subscribe({ "a", "b\0c" }, ignore)
        redis:subscribe("a", ignore)
        redis:psubscribe("a", ignore)
        redis:ssubscribe("shard", ignore)
        local found = by_name(redis)
        local function entry(name, kind, listeners)
          return { name = name, kind = kind, listeners = listeners, wanted = true,
            confirmed = true }
        end
        assert.same({
          ["channel a"] = entry("a", "channel", 2), ["channel b\0c"] = entry("b\0c", "channel", 1),
          ["pattern a"] = entry("a", "pattern", 1), ["shard shard"] = entry("shard", "shard", 1),
        }, found)
        one:close()
        assert.equal(1, by_name(redis)["channel a"].listeners)
        assert.is_nil(by_name(redis)["channel b\0c"])
        redis:close()
        assert.same({}, redis:subscriptions())
      end)
    end)

    it("wanted and not confirmed while the link is lost", function()
      with_client(function(redis)
        redis:subscribe("a", ignore)
        server:kill()
        loop.wait_until(function() return not by_name(redis)["channel a"].confirmed end)
        assert.is_true(by_name(redis)["channel a"].wanted)
        server:start()
        loop.wait_until(function() return by_name(redis)["channel a"].confirmed end)
      end)
    end)
  end)

  describe("with pubsub what the server knows:", function()
    it("channels, subscribers by name, patterns", function()
      with_client(function(redis)
        redis:subscribe({ "room:a", "room:b", "x" }, ignore)
        redis:psubscribe("p*", ignore)
        redis:ssubscribe("shard", ignore)
        local rooms = redis:pubsub("channels", "room:*")
        table.sort(rooms)
        assert.same({ "room:a", "room:b" }, rooms)
        assert.equal(3, #redis:pubsub "channels")
        assert.same({ x = 1, none = 0 }, redis:pubsub("numsub", "x", "none"))
        assert.same({}, redis:pubsub "NUMSUB")
        assert.equal(1, redis:pubsub "numpat")
        assert.same({ "shard" }, redis:pubsub "shardchannels")
        assert.same({ shard = 1 }, redis:with({ timeout = 5 }):pubsub("shardnumsub", "shard"))
        assert.same({ x = 1 }, redis:call("PUBSUB", "NUMSUB", "x"))
        local value, message, code = redis:pubsub "nonsense"
        assert.is_nil(value)
        assert.matches("unknown subcommand", message:lower())
        assert.equal("EREDIS", code)
        assert.equal("EREDIS", (select(3, redis:pubsub())))
      end)
    end)
  end)

  describe("to on('state') its links' states", function()
    local function texts(events, link)
      local list = {}
      for _, event in ipairs(events) do
        if event.link == link then list[#list + 1] = event.state end
      end
      return table.concat(list, " ")
    end

    it("in order, from loss to loss to close", function()
      local events = {}
      loop.run(function()
        local redis = loop.connect(server.url)
        assert.equal(redis, redis:on("state", function(event)
          events[#events + 1] = event
          moonpool.sleep(0)
        end))
        redis:subscribe("a", ignore)
        loop.wait_until(function() return texts(events, "subscriptions") == "connecting ready" end)
        assert.equal("", texts(events, "commands"))
        server:kill()
        loop.wait_until(function() return texts(events, "commands"):match "waiting" end)
        server:start()
        loop.wait_until(function()
          return redis:state() == "ready" and texts(events, "commands"):match " ready$" and
            texts(events, "subscriptions"):match "waiting.* ready$"
        end)
        redis:close()
        loop.wait_until(function() return texts(events, "commands"):match " closed$" end)
      end)
      assert.matches("^waiting connecting .*ready closed$", texts(events, "commands"))
      for _, event in ipairs(events) do
        assert.equal("state", event.event)
        assert.equal("unix:" .. server.socket, event.address)
        if event.state == "waiting" then
          assert.equal("ECONN", event.code)
          assert.matches("unix:", event.message)
        else
          assert.is_nil(event.message)
        end
      end
    end)

    it("also when its function fails; nil removes it", function()
      with_client(function(redis)
        local count = 0
        redis:on("state", function(event)
          count = count + 1
          error("state " .. event.state)
        end)
        server:restart()
        local errors = {}
        loop.wait_until(function()
          for _, text in ipairs(loop.take_errors()) do errors[#errors + 1] = text end
          return #errors == count and count >= 3 and errors[#errors]:match "state ready"
        end)
        assert.matches("state waiting", errors[1])
        assert.matches("state_spec", errors[1])
        redis:on("state", nil)
        count = 0
        server:restart()
        loop.wait_until(function() return redis:ping() == "PONG" end)
        assert.equal(0, count)
      end)
    end)

    it("no more than max_events wait for it, the latest; the error hook is told once", function()
      with_client(function(redis)
        local told, is_held = {}, true
        redis:on("state", function(event)
          told[#told + 1] = event
          loop.wait_until(function() return not is_held end)
        end, { max_events = 2 })
        for _ = 1, 3 do -- waiting, connecting and ready each time, at least
          local before = redis:stats().reconnects
          loop.kill(server, "normal")
          loop.wait_until(function() return redis:stats().reconnects > before end)
        end
        loop.wait_until(function() return redis:state() == "ready" end)
        assert.equal(1, #told)
        is_held = false
        loop.wait_for(told, 3)
        moonpool.sleep(0)
        assert.equal("waiting", told[1].state)
        assert.is_nil(told[1].missing)
        assert.equal("connecting", told[2].state)
        assert.is_true(told[2].missing >= 6)
        assert.equal("ready", told[3].state)
        assert.is_nil(told[3].missing)
        local errors = {}
        loop.wait_until(function()
          for _, text in ipairs(loop.take_errors()) do errors[#errors + 1] = text end
          return #errors > 0
        end)
        assert.equal(1, #errors)
        assert.matches("on%('state'%): its function has not returned, and 2 events wait", errors[1])
        redis:on("state", nil)
      end)
    end)

    it("and refuses what it does not know", function()
      with_client(function(redis)
        assert.error_matches(function() redis:on("message", ignore) end,
          "bad argument #1 to 'on' %(no event is named 'message'%)")
        assert.error_matches(function() redis:on("state", 5) end, "function expected, got number")
        assert.error_matches(function() redis:on("state", ignore, 5) end, "table expected, got num")
        assert.error_matches(function() redis:on("state", ignore, { max = 5 }) end,
          "unknown option 'max'")
        for _, max in ipairs { -1, 1.5, "5" } do
          assert.error_matches(function() redis:on("state", ignore, { max_events = max }) end,
            "option 'max_events' must be a whole number from 0 on")
        end
        assert.error_matches(function() return redis:with({}).on end,
          "on: it belongs to the client, not to a view of it")
        redis:close()
        assert.same({ nil, "closed", "ECLOSED" }, { redis:on("state", ignore) })
      end)
    end)

    it("and does not keep a client that nobody has from being collected #ephemerons", function()
      with_client(function()
        local before = #loop.client_ids(server, "normal")
        do
          local other = assert(moonpool.connect(server.url))
          other:on("state", function() return other end)
          assert.equal(before + 1, #loop.client_ids(server, "normal"))
        end
        loop.wait_until(function()
          collectgarbage()
          return #loop.client_ids(server, "normal") == before
        end)
      end)
    end)
  end)
end)
