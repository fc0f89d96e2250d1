local assert_fails = require "spec.support.assert_fails"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

describe("a command", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function with_client(fn, options) loop.with_client(server, fn, options) end

  describe("names", function()
    it("are methods in any case, or the first argument of call", function()
      with_client(function(redis)
        assert.equal("a", redis:echo "a")
        assert.equal("a", redis:ECHO "a")
        assert.equal("a", redis:call("eCho", "a"))
        assert.equal("OK", redis:config("set", "maxclients", 99))
        assert.same({ "maxclients", "99" }, server:call("CONFIG", "GET", "maxclients"))
        assert.equal("b", redis:call("ECHO", "b"))
        assert.equal("integer", math.type(redis:client "id"))
        assert.matches("^OBJECT", redis:object("help")[1])
        assert_fails("EREDIS", "unknown command 'JSON.GET'", redis["JSON.GET"](redis, "k"))
        assert_fails("EREDIS", "unknown command 'FT._LIST'", redis["ft._list"](redis))
        assert_fails("EREDIS", "wrong number .*restore%-asking", redis["restore-asking"](redis))
        assert.is_nil(redis["no method"])
        assert.is_nil(redis[1])
      end)
    end)

    it("that would change the shared link are refused with what to use instead", function()
      with_client(function(redis)
        for _, case in ipairs {
          { "MULTI", "transaction" }, { "EXEC", "transaction" }, { "DISCARD", "transaction" },
          { "WATCH", "optimistic", "k" }, { "UNWATCH", "optimistic" },
          { "SELECT", "in the URL", 1 }, { "AUTH", "in the URL", "x" },
          { "HELLO", "in the URL", 3 }, { "RESET", "another library" },
          { "MONITOR", "another library" }, { "CLIENT", "another library", "reply", "off" },
          { "SYNC", "another library" }, { "PSYNC", "another library", "?", -1 },
          { "QUIT", "close the client" }, { "SUBSCRIBE", "use subscribe", "a" },
          { "PSUBSCRIBE", "use subscribe", "a" }, { "SSUBSCRIBE", "use subscribe", "a" },
          { "UNSUBSCRIBE", "close the subscription" }, { "PUNSUBSCRIBE", "close the subscription" },
          { "SUNSUBSCRIBE", "close the subscription" },
        } do
          assert_fails("ENOSUPPORT", "^" .. case[1] .. ": .*" .. case[2],
            redis:call(case[1], table.unpack(case, 3)))
          assert_fails("ENOSUPPORT", case[2],
            redis:call(case[1]:lower(), table.unpack(case, 3)))
        end
        assert.equal("PONG", redis:ping())
        assert.same({}, loop.client_ids(server, "pubsub"))
      end)
    end)

    it("that look like refused ones are not", function()
      with_client(function(redis)
        assert.equal("integer", math.type(redis:client "id"))
        assert.equal("OK", redis:client("setname", "replyer"))
        assert.equal("OK", redis:set("multi", "exec"))
        assert_fails("EREDIS", "unknown command", redis:multiply())
      end)
    end)
  end)

  describe("of many tasks", function()
    it("travel in shared writes, and each gets its own reply", function()
      with_client(function(redis)
        local before, done = redis:stats(), 0
        for number = 1, 100 do
          moonpool.spawn(function()
            assert(redis:echo("word " .. number) == "word " .. number)
            done = done + 1
          end)
        end
        loop.wait_until(function() return done == 100 end)
        local after = redis:stats()
        assert.equal(100, after.commands - before.commands)
        assert.is_true(after.writes - before.writes <= 2)
      end)
    end)

    it("are answered in order, 50,000 of them", function()
      with_client(function(redis)
        local order, count = {}, 50000
        for _ = 1, count do
          moonpool.spawn(function()
            local number = redis:incr "n"
            order[#order + 1] = number
          end)
        end
        loop.wait_for(order, count)
        for number = 1, count do
          if order[number] ~= number then assert.equal(number, order[number]) end
        end
      end)
    end)

    it("do not wait for a command that blocks on another client", function()
      with_client(function(redis)
        local other = loop.connect(server.url)
        local popped
        local task = moonpool.spawn(function() popped = other:blpop("queue", 0) end)
        assert.equal("PONG", redis:ping())
        redis:rpush("queue", "job")
        task:await()
        assert.same({ "queue", "job" }, popped)
      end)
    end)
  end)

  describe("with a deadline", function()
    it("fails with ETIMEOUT; its late reply is dropped and the link lives on", function()
      with_client(function(redis)
        server:call("SET", "here", "yes")
        local id = loop.wait_until(function() return redis:client "id" end)
        server:pause()
        local began = moonpool.now()
        assert_fails("ETIMEOUT", "^unix:.*: no reply before the deadline", redis:echo "late")
        assert.is_true(moonpool.now() - began >= 0.095)
        server:resume()
        -- A slow Redis may be late for this deadline again and again: what comes then is right.
        local value = loop.wait_until(function() return redis:get "here" end)
        assert.equal("yes", value)
        assert.equal(id, loop.wait_until(function() return redis:client "id" end))
        assert.equal(0, redis:stats().reconnects)
      end, { command_timeout = 0.1 })
    end)

    it("of 0 waits as long as it takes", function()
      with_client(function(redis)
        server:call("CLIENT", "PAUSE", 100)
        assert.equal("late", redis:echo "late")
      end, { command_timeout = 0 })
    end)

    it("that blocks by nature adds the time that it may block", function()
      with_client(function(redis)
        local read = moonpool.spawn(function()
          return redis:call("XREAD", "BLOCK", 2100, "STREAMS", "none", "$")
        end)
        assert.same({ n = 1 }, table.pack(redis:blpop("none", 2.1)))
        assert.same({ n = 1 }, table.pack(read:await()))
      end, { command_timeout = 2 })
    end)
  end)

  describe("limits", function()
    it("refuse more commands than max_queue with EQUEUE", function()
      with_client(function(redis)
        local replies, refused = 0, 0
        for _ = 1, 15 do
          moonpool.spawn(function()
            local value, message, code = redis:ping()
            replies = replies + (value == "PONG" and 1 or 0)
            if code == "EQUEUE" then
              refused = refused + 1
              assert(message == "too many commands waiting", message)
            end
          end)
        end
        assert.equal(5, refused)
        loop.wait_until(function() return replies == 10 end)
        assert.equal("PONG", redis:ping())
      end, { max_queue = 10 })
    end)

    it("refuse more bytes than max_queue_bytes with EQUEUE", function()
      with_client(function(redis)
        assert_fails("EQUEUE", "too many", redis:set("key", ("x"):rep(2000)))
        assert.equal("OK", redis:set("key", ("x"):rep(500)))
      end, { max_queue_bytes = 1000 })
    end)

    it("end the link on a reply over max_reply_bytes, and only on that", function()
      with_client(function(redis)
        redis:set("small", ("x"):rep(900))
        redis:set("large", ("x"):rep(5000))
        assert.equal(900, #redis:get "small")
        assert_fails("ECONN", "5000 bytes is over the limit of 1000; the command was possibly",
          redis:get "large")
        assert.equal("PONG", redis:ping())
      end, { max_reply_bytes = 1000, backoff_min = 0.001 })
    end)
  end)
end)
