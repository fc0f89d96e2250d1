local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

describe("a user who may not use every channel", function()
  local server, url

  before_each(function()
    server = redis_server.start { port = true,
      config = { "user ann on >secret +@all ~* resetchannels &open:* &news" } }
    url = ("redis://ann:secret@127.0.0.1:%d"):format(server.port)
  end)
  after_each(function() server:stop() end)

  local function assert_refused(name, ...)
    local value, message, code = ...
    assert.is_nil(value)
    assert.is_truthy(message:find(("'%s': NOPERM"):format(name), 1, true), message)
    assert.equal("EPERM", code)
  end

  local function keeper(list)
    return function(payload) list[#list + 1] = payload end
  end

  it("is refused that one, alone, and uses the others", function()
    loop.run(function()
      local redis, seen = loop.connect(url), {}
      assert(redis:subscribe("news", keeper(seen)))
      assert_refused("closed", redis:subscribe("closed", print))
      assert_refused("sh", redis:ssubscribe("sh", print))
      assert_refused("*", redis:psubscribe("*", print))
      assert(redis:psubscribe("open:*", keeper(seen)))
      server:call("PUBLISH", "news", "one")
      server:call("PUBLISH", "open:a", "two")
      loop.wait_for(seen, 2)
      assert.same({ "one", "two" }, seen)
      assert.equal(0, redis:stats().reconnects)
      assert.equal(2, redis:stats().wanted)
      assert.equal(2, redis:stats().confirmed)
    end)
  end)

  it("is refused a list with it; what others asked for at the same time stands", function()
    loop.run(function()
      local redis, seen, refused = loop.connect(url), {}, 0
      for number = 1, 50 do
        moonpool.spawn(function()
          assert(redis:subscribe("open:" .. number, keeper(seen)))
        end)
        if number % 10 == 0 then
          moonpool.spawn(function()
            assert_refused("closed", redis:subscribe({ "open:1", "closed", "open:2" }, print))
            refused = refused + 1
          end)
        end
      end
      loop.wait_until(function() return redis:stats().confirmed == 50 and refused == 5 end)
      for number = 1, 50 do
        assert.equal(1, server:call("PUBLISH", "open:" .. number, "x"))
      end
      loop.wait_for(seen, 50)
      assert.equal(50, redis:stats().wanted)
      assert.equal(0, redis:stats().reconnects)
    end)
  end)

  it("leaves nothing of a list that was refused", function()
    loop.run(function()
      local redis = loop.connect(url)
      assert_refused("closed", redis:subscribe({ "open:a", "closed", "open:b" }, print))
      loop.wait_until(function() return #server:call("PUBSUB", "CHANNELS") == 0 end)
      assert.equal(0, redis:stats().wanted)
    end)
  end)

  it("is told by an event when a right is gone at the reconnect; the others are served", function()
    loop.run(function()
      local redis, seen, events = loop.connect { url = url, backoff_min = 0.001 }, {}, {}
      local function keep(event) events[#events + 1] = event end
      local handlers = { error = keep, reconnect = keep, gap = keep }
      local lost = redis:subscribe("open:a", keeper(seen), { events = handlers })
      redis:subscribe("news", keeper(seen))
      server:call("ACL", "SETUSER", "ann", "resetchannels", "&news") -- which ends their links
      loop.wait_for(events, 1)
      assert.equal("error", events[1].event)
      assert.equal("EPERM", events[1].code)
      assert.equal("open:a", events[1].channel)
      assert.matches("NOPERM", events[1].message)
      loop.wait_until(function() return server:subscribers "news" == 1 end)
      server:call("PUBLISH", "news", "still here")
      loop.wait_for(seen, 1)
      assert.is_false(lost.closed)
      assert.is_true(lost:close())
      assert.equal(1, #events)
    end)
  end)

  it("is told of the gap of the names that it kept, after the error of the one that it lost",
    function()
      loop.run(function()
        local redis, seen, events = loop.connect { url = url, backoff_min = 0.001 }, {}, {}
        local function keep(event) events[#events + 1] = event.event end
        redis:subscribe({ "open:a", "news" }, keeper(seen), {
          events = { error = keep, gap = keep, reconnect = keep } })
        server:call("ACL", "SETUSER", "ann", "resetchannels", "&news")
        loop.wait_for(events, 3)
        assert.same({ "error", "gap", "reconnect" }, events)
        server:call("PUBLISH", "news", "still here")
        loop.wait_for(seen, 1)
      end)
    end)

  it("gets it back at the next reconnect once the right is", function()
    loop.run(function()
      local redis, seen, events = loop.connect { url = url, backoff_min = 0.001 }, {}, {}
      local function keep(event) events[#events + 1] = event.event end
      redis:subscribe("open:a", keeper(seen), {
        events = { error = keep, gap = keep, reconnect = keep } })
      server:call("ACL", "SETUSER", "ann", "resetchannels", "&news")
      loop.wait_for(events, 1)
      server:call("ACL", "SETUSER", "ann", "&open:*")
      loop.kill(server, "normal") -- a link without a subscription is one of those
      loop.wait_for(events, 3)
      assert.equal(1, server:call("PUBLISH", "open:a", "back"))
      loop.wait_for(seen, 1)
      assert.same({ "error", "gap", "reconnect" }, events)
    end)
  end)

  it("is refused a command with EPERM, and goes on", function()
    assert(server:call("ACL", "SETUSER", "ann", "-flushall", "resetkeys", "~mine:*"))
    loop.run(function()
      local redis = loop.connect(url)
      local value, message, code = redis:flushall()
      assert.is_nil(value)
      assert.matches("^NOPERM ", message)
      assert.equal("EPERM", code)
      assert.equal("EPERM", select(3, redis:get "yours:1"))
      assert.equal("EPERM", select(3, redis:publish("closed", "x")))
      assert.equal("OK", redis:set("mine:1", "x"))
    end)
  end)
end)
