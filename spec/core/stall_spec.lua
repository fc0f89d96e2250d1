local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

local HEARTBEAT = 0.5
local TICK = 0.01

-- A stopped Redis keeps its connections open and says nothing.
describe("while Redis is stopped", function()
  local server, redis, seen

  before_each(function()
    server = redis_server.start()
    seen = {}
  end)
  after_each(function() server:stop() end)

  local function keep(event) seen[#seen + 1] = event.event end

  local function connect(options)
    options.url, options.heartbeat = server.url, options.heartbeat or HEARTBEAT
    options.backoff_min, options.backoff_max, options.connect_timeout = 0.001, 0.02, 0.2
    redis = loop.connect(options)
    redis:subscribe("a", function(payload) seen[#seen + 1] = payload end, {
      events = { gap = keep, reconnect = keep } })
  end

  -- Time as this loop lives it: a process that is not run misses ticks, however late it is.
  local function seconds_until(fn)
    local ticks = 0
    while not fn() do
      moonpool.sleep(TICK)
      ticks = ticks + 1
      assert(ticks < 3000, "that never happens")
    end
    return ticks * TICK
  end

  local function assert_within(seconds, limit, what)
    assert.is_true(seconds <= limit, ("%s: %.2f s, not %.2f"):format(what, seconds, limit))
  end

  local function assert_well()
    loop.wait_until(function() return redis:state() == "ready" end)
    loop.wait_until(function() return redis:stats().confirmed == 1 end)
    loop.wait_until(function() return redis:set("k", "v") == "OK" end)
    loop.wait_until(function() return server:subscribers "a" == 1 end)
    server:call("PUBLISH", "a", "after")
    loop.wait_until(function() return seen[#seen] == "after" end)
    assert.equal("gap", seen[1])
    assert.equal("reconnect", seen[2])
  end

  it("both links are lost within two heartbeats, and all is well when it goes on", function()
    loop.run(function()
      connect { command_timeout = 0 }
      server:pause()
      local links = {}
      local function watch(name, is_lost)
        moonpool.spawn(function() links[name] = seconds_until(is_lost) end)
      end
      watch("commands", function() return redis:state() ~= "ready" end)
      watch("subscriptions", function() return redis:stats().confirmed == 0 end)
      loop.wait_until(function() return links.commands and links.subscriptions end)
      for name, seconds in pairs(links) do assert_within(seconds, 2.2 * HEARTBEAT, name) end
      assert.same({}, seen)
      server:resume()
      assert_well()
    end)
  end)

  it("commands fail by their deadlines, before and after the link is lost", function()
    loop.run(function()
      connect { command_timeout = 0.2 }
      server:pause()
      local function fail(times)
        for _ = 1, times do
          local is_done, value, message, code
          moonpool.spawn(function()
            value, message, code = redis:set("k", "lost")
            is_done = true
          end)
          assert_within(seconds_until(function() return is_done end), 0.25, "a command")
          assert.is_nil(value)
          -- In flight when the link goes, or out of time.
          if code ~= "ECONN" then assert.equal("ETIMEOUT", code, message) end
        end
      end
      fail(2)
      loop.wait_until(function() return redis:state() ~= "ready" end)
      fail(2)
      assert.not_equal("ready", redis:state())
      server:resume()
      assert_well()
    end)
  end)

  it("what is in flight when the link is given up is possibly executed", function()
    loop.run(function()
      connect { command_timeout = 0 }
      server:pause()
      local value, message, code = redis:set("k", "late")
      assert.is_nil(value)
      assert.matches("no answer to PING within the heartbeat interval", message)
      assert.matches("possibly executed", message)
      assert.equal("ECONN", code)
      loop.wait_until(function() return redis:stats().confirmed == 0 end)
      server:resume()
      loop.wait_until(function() return redis:get "k" == "late" end) -- it was, here
      assert_well()
    end)
  end)

  it("nothing is lost when it goes on in time", function()
    loop.run(function()
      connect { command_timeout = 0, heartbeat = 3 }
      local ids = loop.client_ids(server, "pubsub")
      server:pause()
      local value
      moonpool.spawn(function() value = redis:set("k", "v") end)
      moonpool.sleep(1.5) -- a fault that lasts so long, not a wait for something
      server:resume()
      loop.wait_until(function() return value == "OK" end)
      server:call("PUBLISH", "a", "x")
      loop.wait_for(seen, 1)
      assert.same({ "x" }, seen)
      assert.same(ids, loop.client_ids(server, "pubsub"))
    end)
  end)
end)
