local assert_fails = require "spec.support.assert_fails"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

describe("a blocking command", function()
  local server

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)
  before_each(function() server:call("FLUSHALL") end)

  local function with_client(fn, options) loop.with_client(server, fn, options) end

  -- A task that awaits fn: a table with its results, once it has ended.
  local function start(fn)
    local result = {}
    result.task = moonpool.spawn(function() result.values = table.pack(fn()) end)
    return result
  end

  local function blocked()
    return tonumber(server:call("INFO", "clients"):match "blocked_clients:(%d+)")
  end

  it("does not hold up other commands, nor other blocking ones", function()
    with_client(function(redis)
      local pops = {}
      for number = 1, 5 do
        pops[number] = start(function() return redis:blpop("queue" .. number, 0) end)
      end
      loop.wait_until(function() return blocked() == 5 end)
      assert.equal("PONG", redis:ping())
      assert.equal(5, redis:stats().pool_busy)
      for number = 5, 1, -1 do redis:rpush("queue" .. number, number) end
      for number, pop in ipairs(pops) do
        pop.task:await()
        assert.same({ n = 1, { "queue" .. number, tostring(number) } }, pop.values)
      end
      loop.wait_until(function() return redis:stats().pool_busy == 0 end)
      assert.equal(0, redis:stats().reconnects)
    end)
  end)

  it("waits for a link when the pool has no more, in line", function()
    with_client(function(redis)
      local pops = {}
      for number = 1, 4 do
        pops[number] = start(function() return redis:blpop("queue", 0) end)
      end
      loop.wait_until(function() return blocked() == 2 and redis:stats().pool_waiting == 2 end)
      assert.equal(2, redis:stats().pool_links)
      assert.equal("PONG", redis:ping())
      redis:rpush("queue", "a", "b", "c", "d")
      local seen = {}
      for _, pop in ipairs(pops) do
        pop.task:await()
        seen[#seen + 1] = pop.values[1][2]
      end
      table.sort(seen)
      assert.same({ "a", "b", "c", "d" }, seen)
      assert.is_true(redis:stats().pool_waited > 0)
    end, { pool_size = 2 })
  end)

  it("gives up waiting for a link at its deadline, and when too many wait", function()
    with_client(function(redis)
      local first = start(function() return redis:blpop("queue", 0) end)
      loop.wait_until(function() return blocked() == 1 end)
      assert_fails("ETIMEOUT", "", redis:with({ timeout = 0.05 }):blpop("queue", 0))
      local second = start(function() return redis:blpop("queue", 0) end)
      assert_fails("EQUEUE", "", redis:blpop("queue", 0))
      redis:rpush("queue", "a", "b")
      first.task:await()
      second.task:await()
      assert.same({ "queue", "a" }, first.values[1])
      assert.same({ "queue", "b" }, second.values[1])
    end, { pool_size = 1, pool_queue = 1 })
  end)

  it("whose deadline passes takes nothing from a queue afterwards", function()
    with_client(function(redis)
      assert_fails("ETIMEOUT", "", redis:with({ timeout = 0.05 }):blpop("queue", 0))
      loop.wait_until(function() return blocked() == 0 end)
      redis:rpush("queue", "kept")
      assert.equal("kept", redis:lpop "queue")
    end)
  end)

  it("may be one of a pipeline", function()
    with_client(function(redis)
      local result = start(function()
        return redis:pipeline(function(p)
          p:set("a", 1)
          p:blpop("queue", 0)
          p:get "a"
        end, { timeout = 5 })
      end)
      loop.wait_until(function() return blocked() == 1 end)
      redis:rpush("queue", "job")
      result.task:await()
      assert.same({ "OK", { "queue", "job" }, "1" }, result.values[1])
    end)
  end)
end)

describe("close", function()
  it("completes everything that waits with ECLOSED", function()
    local server = redis_server.start()
    loop.with_client(server, function(redis)
      local results, count = {}, 0
      local function wait(name, fn)
        count = count + 1
        moonpool.spawn(function() results[name] = { fn() } end)
      end
      local reader = redis:subscribe "read"
      local entered = false
      wait("blocking", function() return redis:blpop("queue", 0) end)
      wait("waiting for the pool", function() return redis:blpop("queue", 0) end)
      wait("session", function() return redis:optimistic("k", function() end) end)
      loop.wait_until(function() return redis:stats().pool_waiting == 2 end)
      server:pause()
      wait("command", function() return redis:get "a" end)
      wait("with", function() return redis:with({ timeout = 0 }):get "a" end)
      wait("pipeline", function() return redis:pipeline(function(p) p:get "a" end) end)
      wait("transaction", function() return redis:transaction(function(tx) tx:get "a" end) end)
      wait("subscribe", function() return redis:subscribe("b", function() end) end)
      wait("messages", function()
        entered = true
        for _ in reader:messages() do error "no message was published" end
        return nil, "closed", "ECLOSED"
      end)
      assert.is_true(entered)
      redis:close()
      loop.wait_until(function()
        local ended = 0
        for _ in pairs(results) do ended = ended + 1 end
        return ended == count
      end)
      server:resume()
      for name, result in pairs(results) do
        assert.is_nil(result[1], name)
        assert.matches("closed", result[2], name)
        assert.equal("ECLOSED", result[3], name)
      end
      for name, fn in pairs {
        get = function() return redis:get "a" end,
        pipeline = function() return redis:pipeline(function() end) end,
        transaction = function() return redis:transaction(function() end) end,
        optimistic = function() return redis:optimistic("k", function() end) end,
        pubsub = function() return redis:pubsub "channels" end,
        subscribe = function() return redis:subscribe "x" end,
        stats = function() return redis:stats() end,
      } do
        local result = { fn() }
        assert.is_nil(result[1], name)
        assert.equal("ECLOSED", result[3], name)
      end
      assert.equal("closed", redis:state())
    end, { pool_size = 1 })
    server:stop()
  end)
end)
