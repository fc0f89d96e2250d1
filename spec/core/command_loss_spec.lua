local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local peer = require "spec.support.peer"
local redis_server = require "spec.support.redis"

-- Starts a command in a task: its results, once they are there, are in the returned table.
local function start(fn, ...)
  local result = {}
  moonpool.spawn(function(...)
    local values = table.pack(fn(...))
    table.move(values, 1, 3, 1, result)
    result.is_there = true
  end, ...)
  return result
end

local function wait_for(result)
  loop.wait_until(function() return result.is_there end, nil, "the command's result")
end

local function assert_failed(code, pattern, result)
  wait_for(result)
  assert.is_nil(result[1])
  assert.matches(pattern, result[2])
  assert.equal(code, result[3])
end

describe("a lost link", function()
  local server, fake

  before_each(function() server = redis_server.start() end)
  after_each(function()
    server:stop()
    if fake then fake:stop() end
    fake = nil
  end)

  it("fails what was in flight: possibly executed, and never sent again", function()
    loop.run(function()
      local redis = loop.connect { url = server.url, backoff_min = 0.001 }
      server:call("CLIENT", "PAUSE", 60000, "WRITE")
      local results = {}
      for number = 1, 10 do results[number] = start(redis.incr, redis, "n") end
      loop.wait_until(function()
        return server:call("INFO", "clients"):find("blocked_clients:1", 1, true)
      end)
      loop.kill(server, "normal")
      for number = 1, 10 do
        assert_failed("ECONN", "^unix:.* closed the connection; the command was possibly executed$",
          results[number])
      end
      server:call("CLIENT", "UNPAUSE")
      assert.equal(1, redis:incr "n")
      assert.equal(1, redis:stats().reconnects)
    end)
  end)

  it("never sends twice what Redis has read", function()
    fake = peer.start { scripts = {
      { { serve = "INCR" }, { close = true } },
      { { serve = true, replies = { INCR = ":7\r\n" } } },
    } }
    loop.run(function()
      local redis = loop.connect { url = fake.url, backoff_min = 0.001 }
      assert_failed("ECONN", "^127.0.0.1:%d+.*the command was possibly executed$",
        start(redis.incr, redis, "first"))
      assert.equal(7, redis:incr "second")
      local sent = {}
      for _, command in ipairs(fake:received()) do
        if command[1] == "INCR" then sent[#sent + 1] = command.connection .. command[2] end
      end
      assert.same({ "1first", "2second" }, sent)
    end)
  end)

  it("keeps what was not sent, and sends it in order when the server is back", function()
    loop.run(function()
      local redis = loop.connect { url = server.url, backoff_min = 0.001, backoff_max = 0.02 }
      server:kill()
      loop.wait_until(function() return redis:state() ~= "ready" end)
      local results = {}
      for number = 1, 1000 do results[number] = start(redis.rpush, redis, "list", number) end
      assert.equal(1000, redis:stats().queued)
      server:start()
      for number = 1, 1000 do
        wait_for(results[number])
        assert.equal(number, results[number][1])
      end
      assert.equal("1000", redis:lindex("list", 999))
    end)
  end)

  it("fails what waits for longer than its deadline, and never sends it", function()
    loop.run(function()
      local redis = loop.connect { url = server.url, backoff_min = 0.001, backoff_max = 0.02,
        command_timeout = 0.1 }
      server:kill()
      loop.wait_until(function() return redis:state() ~= "ready" end)
      assert_failed("ETIMEOUT", "^unix:.*no reply before the deadline",
        start(redis.incr, redis, "n"))
      assert.equal(0, redis:stats().queued)
      server:start()
      loop.wait_until(function() return redis:ping() == "PONG" end)
      assert.equal(0, server:call("EXISTS", "n"))
    end)
  end)

  it("lets the queue fill up to max_queue, then refuses", function()
    loop.run(function()
      local redis = loop.connect { url = server.url, backoff_min = 0.001, backoff_max = 0.02,
        max_queue = 100 }
      server:kill()
      loop.wait_until(function() return redis:state() ~= "ready" end)
      local results = {}
      for number = 1, 150 do results[number] = start(redis.incr, redis, "n") end
      for number = 101, 150 do
        assert_failed("EQUEUE", "too many commands waiting", results[number])
      end
      server:start()
      for number = 1, 100 do
        wait_for(results[number])
        assert.equal(number, results[number][1])
      end
    end)
  end)

  it("tells its state", function()
    loop.run(function()
      local redis = loop.connect { url = server.url, backoff_min = 5, backoff_max = 5 }
      assert.equal("ready", redis:state())
      server:kill()
      loop.wait_until(function() return redis:state() == "waiting" end)
    end)
  end)

  -- Two heartbeats are 0.4 s, the default would be 20 s: the bound only tells these apart.
  it("is noticed in silence: SIGSTOP ends it within two heartbeats", function()
    loop.run(function()
      local redis = loop.connect { url = server.url, heartbeat = 0.2, backoff_min = 0.001,
        backoff_max = 0.02, connect_timeout = 0.2, command_timeout = 0 }
      server:pause()
      local began = moonpool.now()
      assert_failed("ECONN", "no answer to PING within the heartbeat interval; .*possibly executed",
        start(redis.incr, redis, "n"))
      local waited = moonpool.now() - began
      assert.is_true(waited < 10, ("noticed after %.3f s"):format(waited))
      server:resume()
      loop.wait_until(function() return redis:incr "n" end) -- that may miss a heartbeat, too
    end)
  end)

  it("does not end a link that only blocks", function()
    loop.run(function()
      local redis = loop.connect { url = server.url, heartbeat = 0.3 }
      assert.is_nil(redis:blpop("none", 1))
      assert.equal(0, redis:stats().reconnects)
    end)
  end)
end)

describe("closing the client", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  it("completes all that is pending with ECLOSED, once", function()
    loop.run(function()
      local redis = loop.connect(server.url)
      local subscription = assert(redis:subscribe "news")
      server:call("CLIENT", "PAUSE", 60000, "WRITE")
      local results = {}
      for _ = 1, 10 do results[#results + 1] = start(redis.incr, redis, "n") end
      moonpool.sleep(0) -- those are sent; these are not
      for _ = 1, 10 do results[#results + 1] = start(redis.incr, redis, "n") end
      results[#results + 1] = start(redis.subscribe, redis, "a", print)
      results[#results + 1] = start(redis.psubscribe, redis, { "b*", "c*" })
      local read = start(subscription:messages(), subscription)
      redis:close()
      for _, result in ipairs(results) do assert_failed("ECLOSED", "closed", result) end
      wait_for(read)
      assert.same({ is_there = true }, read)
      assert.is_true(subscription.closed)
      assert.is_true(subscription:close())
    end)
  end)

  it("completes what waits for a server that is away", function()
    loop.run(function()
      local redis = loop.connect(server.url)
      server:kill()
      loop.wait_until(function() return redis:state() ~= "ready" end)
      local results = {
        start(redis.incr, redis, "n"),
        start(redis.subscribe, redis, "a", print),
      }
      redis:close()
      for _, result in ipairs(results) do assert_failed("ECLOSED", "closed", result) end
    end)
  end)

  it("ends a connect that is under way", function()
    local fake = peer.start { script = { { silence = true } } }
    loop.run(function()
      local result = start(moonpool.connect, { url = fake.url, connect_timeout = 0.1 })
      assert_failed("ETIMEOUT", "no answer to the handshake", result)
    end)
    fake:stop()
  end)

  it("may be done by one who waits for a reply of it", function()
    loop.run(function()
      local redis = loop.connect(server.url)
      local order = {}
      for number = 1, 3 do
        moonpool.spawn(function()
          local value, _, code = redis:ping()
          order[number] = value or code
          redis:close()
        end)
      end
      loop.wait_until(function() return order[3] end)
      assert.same({ "PONG", "ECLOSED", "ECLOSED" }, order)
    end)
  end)
end)
