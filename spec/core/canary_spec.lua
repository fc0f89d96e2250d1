local forwarder = require "spec.support.forwarder"
local loop = require "spec.core.loop"
local redis_server = require "spec.support.redis"

describe("the canary of a subscriber's link", function()
  local server, other, proxy

  before_each(function() server = redis_server.start() end)
  after_each(function()
    server:stop()
    if other then other:stop() end
    if proxy then proxy:stop() end
    other, proxy = nil, nil
  end)

  -- How many canaries Redis has published for the client.
  local function published()
    local stats = server:call("INFO", "commandstats")
    return tonumber(stats:match("cmdstat_publish:calls=(%d+)") or 0)
  end

  local function outlive(canaries)
    local before = published()
    loop.wait_until(function() return published() >= before + canaries end, nil, "canaries")
  end

  it("is not seen, nor counted, while it comes back", function()
    loop.run(function()
      local redis = loop.connect { url = server.url, canary = 0.05 }
      local seen, events = {}, {}
      local function keep(event) events[#events + 1] = event.event end
      redis:subscribe("a", function(payload) seen[#seen + 1] = payload end, {
        events = { reconnect = keep, gap = keep, subscribe = keep } })
      redis:psubscribe("*", function(payload) seen[#seen + 1] = payload end)
      outlive(5)
      local stats = redis:stats()
      assert.equal(0, stats.messages)
      assert.equal(0, stats.commands)
      assert.equal(2, stats.wanted)
      assert.equal(2, stats.confirmed)
      assert.equal(2, stats.subscriptions)
      assert.equal(0, stats.canary_losses)
      assert.is_nil(stats.canary_error)
      server:call("PUBLISH", "a", "x")
      loop.wait_for(seen, 2)
      assert.same({ "x", "x" }, seen)
      assert.same({ "subscribe" }, events)
      assert.equal(3, #server:call("PUBSUB", "CHANNELS") + server:call("PUBSUB", "NUMPAT"))
    end)
  end)

  it("is not there unless it is asked for", function()
    loop.run(function()
      local redis = loop.connect(server.url)
      redis:subscribe("a", print)
      assert.same({ "a" }, server:call("PUBSUB", "CHANNELS"))
      assert.equal(0, redis:stats().canary_losses)
    end)
  end)

  -- A proxy has sent the subscriber's link elsewhere: to a server that is alive, answers every
  -- PING, and to which nobody publishes.
  it("finds that it is at another server than the commands", function()
    other = redis_server.start()
    proxy = forwarder.start(server.socket)
    loop.run(function()
      local redis = loop.connect {
        url = proxy.url, canary = 0.4, heartbeat = 0.4, backoff_min = 0.001 }
      local seen = {}
      local function keep(event) seen[#seen + 1] = event.event end
      assert.equal(1, server:clients "normal")
      proxy:set(other.socket)
      assert(redis:subscribe("a", function(payload) seen[#seen + 1] = payload end, {
        events = { gap = keep, reconnect = keep } }))
      assert.equal(1, other:subscribers "a")
      proxy:set(server.socket)
      server:call("PUBLISH", "a", "unheard")
      loop.wait_for(seen, 2)
      loop.wait_until(function() return server:call("PUBLISH", "a", "heard") == 1 end)
      loop.wait_for(seen, 3)
      assert.same({ "gap", "reconnect", "heard" }, seen)
      assert.equal(0, other:subscribers "a")
      assert.is_true(redis:stats().canary_losses >= 1)
      assert.equal("ready", redis:state())
    end)
  end)

  describe("that the ACL forbids", function()
    -- Every PUBLISH and SUBSCRIBE, refused ones too.
    local function asked_so_far()
      local stats = server:call("INFO", "commandstats")
      return stats:match "cmdstat_subscribe:[^\r]+" .. (stats:match "cmdstat_publish:[^\r]+" or "")
    end

    local function assert_banned(rules)
      assert(server:call("ACL", "SETUSER", "ann", "on", ">pw", "allkeys", "+@all",
        table.unpack(rules)))
      loop.run(function()
        local redis = loop.connect {
          url = "unix://ann:pw@" .. server.socket, canary = 0.1, heartbeat = 0.3 }
        local seen = {}
        redis:subscribe("a", function(payload) seen[#seen + 1] = payload end)
        loop.wait_until(function() return redis:stats().canary_error end)
        assert.matches("the canary is off: .*NOPERM", redis:stats().canary_error)
        loop.wait_until(function() return redis:stats().confirmed == 1 end)
        local asked, sent = asked_so_far(), redis:stats().bytes_out
        loop.wait_until(function() -- more than twice as many of its intervals
          return redis:stats().bytes_out >= sent + 4 * #"*1\r\n$4\r\nPING\r\n"
        end, nil, "four PINGs")
        assert.equal(asked, asked_so_far())
        assert.equal(1, server:call("PUBLISH", "a", "x"))
        loop.wait_for(seen, 1)
        assert.equal(0, redis:stats().canary_losses)
        assert.equal(1, redis:stats().wanted)
      end)
    end

    it("by its channel is off, and says so; the program's channels are served", function()
      assert_banned { "resetchannels", "&a" }
    end)

    it("by PUBLISH is off, and says so", function()
      assert_banned { "allchannels", "-publish" }
    end)
  end)
end)
