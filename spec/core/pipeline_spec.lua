local assert_fails = require "spec.support.assert_fails"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local peer = require "spec.support.peer"
local redis_server = require "spec.support.redis"

local null = moonpool.null

describe("a pipeline", function()
  local server

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)
  before_each(function() server:call("FLUSHALL") end)

  local function with_client(fn, options) loop.with_client(server, fn, options) end

  it("gives the list of replies, in order", function()
    with_client(function(redis)
      local replies = assert(redis:pipeline(function(p)
        p:set("a", 1)
        p:get "a"
        p:get "none"
        p:incrby("a", math.maxinteger - 1)
        p:rpush("list", "x", "\0\r\n")
        p:lrange("list", 0, -1)
        p:call("MGET", "a", "none")
        p:ECHO(0.5)
      end))
      assert.same({ "OK", "1", null, math.maxinteger, 2, { "x", "\0\r\n" },
        { ("%d"):format(math.maxinteger), null }, "0.5" }, replies)
      assert.equal("integer", math.type(replies[4]))
    end)
  end)

  it("has an error in the place of a command that failed", function()
    with_client(function(redis)
      redis:set("text", "x")
      local replies, message = redis:pipeline(function(p)
        p:set("a", 1)
        p:lpush("text", "y")
        p:no_such_command()
        p:get "a"
        p:call("eval", "return { 1, { err = 'ERR inside' } }", 0)
      end)
      assert.is_nil(message)
      assert.equal(5, #replies)
      assert.equal("OK", replies[1])
      assert.equal("1", replies[4])
      assert.is_true(moonpool.is_error(replies[2]))
      assert.matches("^WRONGTYPE", replies[2].message)
      assert.matches("^WRONGTYPE", tostring(replies[2]))
      assert.equal("EREDIS", replies[2].code)
      assert.equal("LPUSH", replies[2].command)
      assert.equal(2, replies[2].index)
      assert.matches("^ERR unknown command", replies[3].message)
      assert.equal("NO_SUCH_COMMAND", replies[3].command)
      assert.is_true(moonpool.is_error(replies[5][2]))
      assert.is_nil(replies[5][2].index)
    end)
  end)

  it("travels in one write, and nothing comes between", function()
    with_client(function(redis)
      local before, done = redis:stats().writes, 0
      for task = 1, 20 do
        moonpool.spawn(function()
          local replies = assert(redis:pipeline(function(p)
            for _ = 1, 10 do p:incr "n" end
          end))
          for index = 2, 10 do assert(replies[index] == replies[1] + index - 1) end
          assert(replies[1] == (task - 1) * 10 + 1)
          done = done + 1
        end)
      end
      loop.wait_until(function() return done == 20 end)
      assert.is_true(redis:stats().writes - before <= 2)
    end)
  end)

  it("may have thousands of commands", function()
    with_client(function(redis)
      local count = 50000
      local before = redis:stats().commands
      local replies = assert(redis:pipeline(function(p)
        for number = 1, count do
          p:set("k" .. number, number)
          p:get("k" .. number)
        end
      end))
      assert.equal(2 * count, #replies)
      for number = 1, count do
        if replies[2 * number - 1] ~= "OK" or replies[2 * number] ~= tostring(number) then
          assert.equal(number, replies[2 * number])
        end
      end
      assert.equal(2 * count, redis:stats().commands - before)
    end)
  end)

  it("keeps replies of every length and kind in their places", function()
    local lengths = { 0, 1, 15, 16, 17, 2047, 2048, 2049, 70000 }
    with_client(function(redis)
      local expected = {}
      local replies = assert(redis:pipeline(function(p)
        for round = 1, 40 do
          for _, length in ipairs(lengths) do
            local text = string.char(round % 256):rep(length)
            p:echo(text)
            expected[#expected + 1] = text
          end
          p:set("n", round)
          p:incr "n"
          p:lpush("n", "x")
          p:get "none"
          table.move({ "OK", round + 1, "WRONGTYPE", null }, 1, 4, #expected + 1, expected)
        end
      end))
      for index, reply in ipairs(replies) do
        if moonpool.is_error(reply) then replies[index] = reply.message:match "%u+" end
      end
      assert.is_true(#replies == #expected)
      for index, value in ipairs(expected) do assert.is_true(replies[index] == value, index) end
    end)
  end)

  it("may be empty", function()
    with_client(function(redis)
      assert.same({}, redis:pipeline(function() end))
      assert.same({}, redis:pipeline(function() return false end))
    end)
  end)

  it("records without returning anything", function()
    with_client(function(redis)
      redis:pipeline(function(p)
        assert.equal(0, select("#", p:set("a", 1)))
        assert.equal(0, select("#", p:call("GET", "a")))
        assert.matches("2 commands", tostring(p))
        assert.is_nil(p["no command"])
        assert.is_nil(p[1])
      end)
    end)
  end)

  it("sends nothing when its function fails #tracebacks", function()
    with_client(function(redis)
      local value = { "any value" }
      local ok, message = pcall(redis.pipeline, redis, function(p)
        p:set("a", 1)
        error(value)
      end)
      assert.is_false(ok)
      assert.equal(value, message)
      ok, message = pcall(redis.pipeline, redis, function(p)
        p:set("a", 1)
        p:set("a", true)
      end)
      assert.is_false(ok)
      assert.matches("SET: argument 2 must be a string or a number, not boolean$", message)
      local _, traceback = moonpool.spawn(function()
        redis:pipeline(function() error "where it happened" end)
      end):await()
      assert.matches("where it happened.*in %l+ 'error'.*pipeline_spec", traceback)
      assert.is_nil(redis:get "a")
    end)
  end)

  it("sends nothing when a command cannot be sent, and names it", function()
    with_client(function(redis)
      assert_fails("ENOSUPPORT", "^command 2 %(SUBSCRIBE%): use subscribe",
        redis:pipeline(function(p)
          p:set("a", 1)
          p:subscribe "x"
          p:select(1)
        end))
      assert_fails("ENOSUPPORT", "^command 1 %(multi%): ", redis:pipeline(function(p)
        p:call "multi"
      end))
      assert_fails("ETOOBIG", "^command 4 %(INCR%): ", redis:pipeline(function(p)
        for _ = 1, 10 do p:incr "a" end
      end))
      assert.is_nil(redis:get "a")
    end, { max_queue = 3 })
  end)

  it("is refused as a whole when too much waits", function()
    with_client(function(redis)
      local replies = {}
      for _ = 1, 8 do
        moonpool.spawn(function()
          local number = redis:incr "n"
          replies[#replies + 1] = number
        end)
      end
      assert_fails("EQUEUE", "too many", redis:pipeline(function(p)
        for _ = 1, 3 do p:incr "n" end
      end))
      loop.wait_for(replies, 8)
      assert.equal("8", redis:get "n")
    end, { max_queue = 10 })
  end)

  describe("inside its function", function()
    it("must not await", function()
      with_client(function(redis)
        for what, fn in pairs {
          command = function() redis:get "a" end,
          sleep = function() moonpool.sleep(0) end,
          pipeline = function() redis:pipeline(function() end) end,
          transaction = function() redis:transaction(function() end) end,
        } do
          local ok, message = pcall(redis.pipeline, redis, fn)
          assert.is_false(ok, what)
          assert.matches("cannot wait here: the function of a pipeline or transaction only records",
            message)
        end
        assert.equal("PONG", redis:ping())
      end)
    end)

    it("must not await on the main state either, and after a failure may again", function()
      local redis = assert(moonpool.connect(server.url))
      local ok, message = pcall(redis.pipeline, redis, function() redis:get "a" end)
      assert.is_false(ok)
      assert.matches("cannot wait here: the function of a pipeline", message)
      assert.is_false(pcall(redis.pipeline, redis, error))
      assert.equal("OK", redis:set("a", 1))
      assert.same({ "1" }, redis:pipeline(function(p) p:get "a" end))
      assert.is_false(pcall(redis.pipeline, redis, error))
      local list = redis:pipeline(function(p)
        assert.is_false(pcall(redis.get, redis, "a"))
        p:get "a"
      end)
      assert.same({ "1" }, list)
      redis:close()
    end)

    it("tasks may be spawned, which await", function()
      with_client(function(redis)
        local got
        local replies = redis:pipeline(function(p)
          p:set("a", 1)
          moonpool.spawn(function()
            got = redis:pipeline(function(inner)
              inner:incr "b"
              inner:get "a"
            end)
          end)
          p:incr "b"
        end)
        assert.same({ "OK", 2 }, replies)
        assert.same({ 1, null }, got)
      end)
    end)
  end)

  it("records nothing after its function", function()
    with_client(function(redis)
      local kept
      assert.same({ 1 }, redis:pipeline(function(p)
        p:incr "n"
        kept = p
      end))
      assert.error_matches(function() kept:incr "n" end,
        "INCR: what records commands may only be used inside its function")
      assert.error_matches(function() kept:call("GET", "n") end, "GET: what records")
      assert.error_matches(function() kept.get("n") end, "moonpool.recorder expected")
      assert.equal("1", redis:get "n")
    end)
  end)

  it("checks its arguments", function()
    with_client(function(redis)
      assert.error_matches(function() redis:pipeline() end, "function expected")
      assert.error_matches(function() redis:pipeline(function() end, 5) end, "table expected")
      assert.error_matches(function() redis:pipeline(function() end, { retries = 1 }) end,
        "unknown option 'retries'")
      assert.error_matches(function() redis.pipeline(5, function() end) end, "moonpool.client")
    end)
  end)

  describe("with a deadline", function()
    it("fails as a whole; the link lives on", function()
      with_client(function(redis)
        local function incr_twice(p)
          p:incr "n"
          p:incr "n"
        end
        server:pause()
        local results = {
          { redis:pipeline(incr_twice, { timeout = 0.05 }) },
          { redis:with({ timeout = 0.02 }):pipeline(incr_twice) },
        }
        server:resume()
        for _, result in ipairs(results) do
          assert_fails("ETIMEOUT", "no reply before the deadline", table.unpack(result, 1, 3))
        end
        assert.same({ 5 }, redis:pipeline(function(p) p:incr "n" end, { timeout = 5 }))
        assert.equal(0, redis:stats().reconnects)
      end)
    end)
  end)

  describe("fails as a whole", function()
    local function hurt(fn, how)
      local fake = peer.start { script = { { serve = "GET" }, table.unpack(how) } }
      local ok, message = pcall(loop.run, function() fn(loop.connect(fake.url), fake) end)
      fake:stop()
      if not ok then error(message, 0) end
    end

    it("when the link is lost in the middle of its replies", function()
      hurt(function(redis)
        assert_fails("ECONN", "possibly executed", redis:pipeline(function(p)
          p:get "a"
          p:get "b"
        end))
      end, { "$1\r\na\r\n", { close = true } })
    end)

    it("when the client is closed meanwhile", function()
      hurt(function(redis)
        local result
        local task = moonpool.spawn(function()
          result = { redis:pipeline(function(p)
            p:get "a"
            p:get "b"
          end) }
        end)
        moonpool.sleep(0.02)
        redis:close()
        task:await()
        assert_fails("ECLOSED", "closed", table.unpack(result, 1, 3))
        assert_fails("ECLOSED", "^closed$", redis:pipeline(function(p) p:get "a" end))
      end, { "$1\r\na\r\n", { silence = true } })
    end)

    it("when its function closes the client", function()
      with_client(function(redis)
        assert_fails("ECLOSED", "closed", redis:pipeline(function(p)
          p:get "a"
          redis:close()
          p:get "b"
        end))
        assert.same({ nil, "closed", "ECLOSED" }, { redis:pipeline(function() end) })
      end)
    end)
  end)
end)
