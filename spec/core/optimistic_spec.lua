local assert_fails = require "spec.support.assert_fails"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

describe("optimistic", function()
  local server

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)
  before_each(function() server:call("FLUSHALL") end)

  local function with_client(fn, options) loop.with_client(server, fn, options) end

  local function add_one(redis, key, options)
    return redis:optimistic(key, function(view, tx)
      tx:set(key, (tonumber(view:get(key)) or 0) + 1)
    end, options)
  end

  local function assert_given_back(redis)
    assert.equal(0, redis:stats().pool_busy)
  end

  it("reads watched keys, then executes what was recorded", function()
    with_client(function(redis)
      redis:set("a", 5)
      local replies = assert(redis:optimistic({ "a", "b" }, function(view, tx)
        local a = view:get "a"
        assert.is_nil(view:call("GET", "b"))
        tx:set("b", a)
        tx:incr "b"
        tx:get "none"
      end))
      assert.same({ "OK", 6, moonpool.null }, replies)
      assert_given_back(redis)
      assert.equal(1, redis:stats().pool_links)
    end)
  end)

  it("loses no update of many at once", function()
    with_client(function(redis)
      local done = 0
      for _ = 1, 20 do
        moonpool.spawn(function()
          for _ = 1, 3 do assert(add_one(redis, "n", { retries = 1000 })) end
          done = done + 1
        end)
      end
      loop.wait_until(function() return done == 20 end)
      assert.equal("60", redis:get "n")
      assert_given_back(redis)
    end, { pool_size = 4 })
  end)

  it("tries again on a conflict, up to a limit", function()
    with_client(function(redis)
      local tries = 0
      local function spoil(times)
        tries = 0
        return function(view, tx)
          tries = tries + 1
          local n = view:get "n"
          if tries <= times then redis:incr "n" end
          tx:set("n", n .. "!")
        end
      end
      redis:set("n", 0)
      assert.same({ "OK" }, redis:optimistic("n", spoil(2)))
      assert.equal(3, tries)
      assert.equal("2!", redis:get "n")
      redis:set("n", 0)
      assert_fails("ECONFLICT", "a watched key was changed each of 3 times",
        redis:optimistic("n", spoil(math.huge), { retries = 2 }))
      assert.equal(3, tries)
      assert_fails("ECONFLICT", "each of 1 times",
        redis:optimistic("n", spoil(math.huge), { retries = 0 }))
      assert.equal(1, tries)
      assert_given_back(redis)
    end)
  end)

  it("gives up when its function returns false; empty is fine, too", function()
    with_client(function(redis)
      assert.is_false(redis:optimistic("a", function(_, tx)
        tx:set("a", 1)
        return false
      end))
      assert.is_nil(redis:get "a")
      assert.same({}, redis:optimistic("a", function() end))
      assert_given_back(redis)
      redis:set("a", 2) -- nothing watches it any more on the link that was given back
      assert.same({ "OK" }, redis:optimistic("b", function(_, tx)
        redis:set("a", 3)
        tx:set("b", 1)
      end))
    end)
  end)

  it("tells of commands that failed as transaction does", function()
    with_client(function(redis)
      redis:set("text", "x")
      local replies, message, code = redis:optimistic("text", function(_, tx)
        tx:set("a", 1)
        tx:incr "text"
      end)
      assert.equal("OK", replies[1])
      assert.is_true(moonpool.is_error(replies[2]))
      assert.matches("^command 2 %(INCR%): ERR value", message)
      assert.equal("EREDIS", code)
      assert_fails("EREDIS", "^command 1 %(INCR%): ERR wrong number.*EXECABORT",
        redis:optimistic("text", function(_, tx) tx:incr() end))
      assert_fails("ENOSUPPORT", "^command 1 %(SUBSCRIBE%)",
        redis:optimistic("text", function(_, tx) tx:subscribe "x" end))
      assert_given_back(redis)
    end)
  end)

  it("raises what its function raises, after giving the link back", function()
    with_client(function(redis)
      local value, kept_view, kept_tx = { "any value" }, nil, nil
      local ok, message = pcall(redis.optimistic, redis, "a", function(view, tx)
        kept_view, kept_tx = view, tx
        tx:set("a", 1)
        view:get "a"
        error(value)
      end)
      assert.is_false(ok)
      assert.equal(value, message)
      assert_given_back(redis)
      assert.error_matches(function() kept_view:get "a" end,
        "GET: what reads watched keys may only be used inside its function")
      assert.error_matches(function() kept_tx:get "a" end, "GET: what records commands")
      assert.is_nil(redis:get "a")
    end)
  end)

  it("works on the main state", function()
    local redis = assert(moonpool.connect(server.url))
    assert.same({ "OK" }, add_one(redis, "n"))
    assert.equal("1", redis:get "n")
    redis:close()
  end)

  it("has a deadline for all of it", function()
    with_client(function(redis)
      redis:set("n", 0)
      local began = moonpool.now()
      local _, _, code = redis:optimistic("n", function(view, tx)
        view:get "n"
        redis:incr "n"
        moonpool.sleep(0.01)
        tx:incr "n"
      end, { timeout = 0.15, retries = 1000000 })
      assert.equal("ETIMEOUT", code)
      assert.is_true(moonpool.now() - began >= 0.14)
      server:pause()
      local result = { add_one(redis:with { timeout = 0.05 }, "n") }
      server:resume()
      assert.equal("ETIMEOUT", result[3])
      loop.wait_until(function() return redis:stats().pool_busy == 0 end)
    end)
  end)

  it("checks its arguments", function()
    with_client(function(redis)
      local function ignore() end
      assert.error_matches(function() redis:optimistic({}, ignore) end, "a key or a list of keys")
      assert.error_matches(function() redis:optimistic(nil, ignore) end, "a key or a list of keys")
      assert.error_matches(function() redis:optimistic "a" end, "function expected, got nil")
      assert.error_matches(function() redis:optimistic("a", ignore, 5) end, "table of options")
      assert.error_matches(function() redis:optimistic("a", ignore, { tries = 5 }) end,
        "unknown option 'tries'")
      assert.error_matches(function() redis:optimistic("a", ignore, { retries = -1 }) end,
        "option 'retries' must be a whole number")
      assert.error_matches(function() redis:optimistic("a", ignore, { timeout = "1" }) end,
        "option 'timeout' must be a time")
      assert.error_matches(function() redis:optimistic({ "a", true }, ignore) end,
        "WATCH: argument 2 must be a string")
      assert_given_back(redis)
    end)
  end)

  it("fails with ECLOSED when the client is closed meanwhile", function()
    with_client(function(redis)
      local results, calls = {}, 0
      local tasks = {}
      for number = 1, 3 do
        tasks[number] = moonpool.spawn(function()
          results[number] = { redis:optimistic("n", function(view, tx)
            calls = calls + 1
            if calls == 1 then redis:close() end
            view:get "n"
            tx:incr "n"
          end) }
        end)
      end
      for _, task in ipairs(tasks) do task:await() end
      for number = 1, 3 do
        assert_fails("ECLOSED", "closed", table.unpack(results[number], 1, 3))
      end
    end, { pool_size = 1 })
  end)
end)
