local assert_fails = require "spec.support.assert_fails"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

local null = moonpool.null

describe("a transaction", function()
  local server

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)
  before_each(function() server:call("FLUSHALL") end)

  local function with_client(fn, options) loop.with_client(server, fn, options) end

  it("gives EXEC's list of replies", function()
    with_client(function(redis)
      local before = redis:stats().writes
      local replies = table.pack(redis:transaction(function(tx)
        tx:set("a", 1)
        tx:get "a"
        tx:get "none"
        tx:incr "a"
        tx:rpush("list", "x", "\0\r\n")
        tx:lrange("list", 0, -1)
        tx:call("MGET", "a", "none")
      end))
      assert.same({ n = 1, { "OK", "1", null, 2, 2, { "x", "\0\r\n" }, { "2", null } } }, replies)
      assert.equal(1, redis:stats().writes - before)
    end)
  end)

  it("is atomic among many", function()
    with_client(function(redis)
      local done = 0
      for _ = 1, 50 do
        moonpool.spawn(function()
          local replies = assert(redis:transaction(function(tx)
            tx:incr "n"
            tx:decr "n"
          end))
          assert(replies[1] == 1 and replies[2] == 0)
          done = done + 1
        end)
      end
      loop.wait_until(function() return done == 50 end)
    end)
  end)

  it("of which a command failed gives the list, and says which", function()
    with_client(function(redis)
      redis:set("text", "x")
      local replies, message, code = redis:transaction(function(tx)
        tx:set("a", 1)
        tx:incr "text"
        tx:lpush("text", "y")
        tx:incr "a"
      end)
      assert.matches("^command 2 %(INCR%): ERR value is not an integer", message)
      assert.equal("EREDIS", code)
      assert.equal("OK", replies[1])
      assert.equal(2, replies[4])
      assert.is_true(moonpool.is_error(replies[2]))
      assert.equal("INCR", replies[2].command)
      assert.equal(2, replies[2].index)
      assert.equal("LPUSH", replies[3].command)
      assert.matches("^WRONGTYPE", replies[3].message)
      assert.equal("2", redis:get "a")
    end)
  end)

  it("of which Redis would not queue a command is not executed, and says which", function()
    with_client(function(redis)
      assert_fails("EREDIS",
        "^command 2 %(INCR%): ERR wrong number of arguments.*%(EXECABORT Transaction discarded",
        redis:transaction(function(tx)
          tx:set("a", 1)
          tx:incr()
          tx:nonsense()
        end))
      assert_fails("EREDIS", "^command 1 %(nonsense%): ERR unknown command.*EXECABORT",
        redis:transaction(function(tx) tx:call "nonsense" end))
      assert.is_nil(redis:get "a")
      assert.same({ "OK" }, redis:transaction(function(tx) tx:set("a", 2) end))
    end)
  end)

  it("may be empty, and may be large", function()
    with_client(function(redis)
      assert.same({}, redis:transaction(function() end))
      local replies = assert(redis:transaction(function(tx)
        for number = 1, 10000 do tx:rpush("list", number) end
      end))
      assert.equal(10000, #replies)
      assert.equal(10000, replies[10000])
    end)
  end)

  it("sends nothing when its function fails, or a command cannot be sent", function()
    with_client(function(redis)
      local ok, message = pcall(redis.transaction, redis, function(tx)
        tx:set("a", 1)
        error("no", 0)
      end)
      assert.is_false(ok)
      assert.equal("no", message)
      assert_fails("ENOSUPPORT", "^command 2 %(EXEC%): ", redis:transaction(function(tx)
        tx:set("a", 1)
        tx:exec()
      end))
      assert_fails("ENOSUPPORT", "^command 1 %(WATCH%): ", redis:transaction(function(tx)
        tx:watch "a"
      end))
      assert.is_nil(redis:get "a")
    end)
  end)

  it("does not await inside its function, and records nothing after it", function()
    with_client(function(redis)
      local kept
      local ok, message = pcall(redis.transaction, redis, function(tx)
        kept = tx
        redis:get "a"
      end)
      assert.is_false(ok)
      assert.matches("cannot wait here: the function of a pipeline or transaction", message)
      assert.same({ 1 }, redis:transaction(function(tx)
        tx:incr "n"
        kept = tx
      end))
      assert.error_matches(function() kept:get "a" end, "GET: what records commands")
    end)
  end)

  it("has a deadline", function()
    with_client(function(redis)
      server:pause()
      local results = {
        { redis:transaction(function(tx) tx:incr "n" end, { timeout = 0.05 }) },
        { redis:with({ timeout = 0.02 }):transaction(function(tx) tx:incr "n" end) },
      }
      server:resume()
      for _, result in ipairs(results) do
        assert_fails("ETIMEOUT", "no reply before the deadline", table.unpack(result, 1, 3))
      end
      assert.same({ 3 }, redis:transaction(function(tx) tx:incr "n" end))
    end)
  end)

  it("that was sent when its link was lost was possibly executed", function()
    with_client(function(redis)
      local result
      server:pause()
      local task = moonpool.spawn(function()
        result = { redis:transaction(function(tx) tx:incr "n" end) }
      end)
      moonpool.sleep(0.02) -- it is written at the end of the loop's turn
      server:kill()
      task:await()
      server:start()
      assert_fails("ECONN", "possibly executed", table.unpack(result, 1, 3))
      loop.wait_until(function() return redis:state() == "ready" end)
      assert.same({ 1 }, redis:transaction(function(tx) tx:incr "n" end))
    end)
  end)

  it("fails with ECLOSED when the client is closed meanwhile", function()
    with_client(function(redis)
      local result
      server:pause()
      local task = moonpool.spawn(function()
        result = { redis:transaction(function(tx) tx:incr "n" end) }
      end)
      redis:close()
      task:await()
      server:resume()
      assert_fails("ECLOSED", "closed", table.unpack(result, 1, 3))
    end)
  end)
end)
