local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

describe("an argument", function()
  local server

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)
  before_each(function() server:call("FLUSHALL") end)

  local function with_client(fn) loop.with_client(server, fn) end

  it("may hold any byte", function()
    with_client(function(redis)
      local bytes = {}
      for byte = 0, 255 do bytes[#bytes + 1] = string.char(byte) end
      for _, text in ipairs { table.concat(bytes), "", "\0", "\r\n", "$5\r\n%s%n" } do
        redis:set("key" .. text, text)
        assert.equal(text, redis:get("key" .. text))
        assert.equal(text, redis:echo(text))
      end
      assert.is_nil((redis:call("")))
      assert.equal("PONG", redis:ping())
    end)
  end)

  it("may be an integer of 64 bits", function()
    with_client(function(redis)
      for _, number in ipairs { 0, -7, math.maxinteger, math.mininteger } do
        assert.equal(("%d"):format(number), redis:echo(number))
        redis:set("n", number)
        assert.equal(number, redis:incrby("n", 0))
      end
    end)
  end)

  it("may be a float: the shortest text that reads back the same", function()
    with_client(function(redis)
      for number, text in pairs {
        [0.1] = "0.1", [-2.5] = "-2.5", [5e-324] = "4.94065645841247e-324",
        [1795370768.235123] = "1795370768.235123", [1e300] = "1e+300",
        [math.huge] = "inf", [-math.huge] = "-inf",
      } do
        assert.equal(text, redis:echo(number))
      end
      for _, number in ipairs { 1 / 3, 2 ^ -1074, 2 ^ 53 + 2, math.pi, 123456789.123456789 } do
        assert.equal(number, tonumber(redis:echo(number)))
        assert.equal(-number, tonumber(redis:echo(-number)))
      end
      assert.equal("-0", redis:echo(-0.0))
    end)
  end)

  it("that is a whole float is one to Redis, too #integers", function()
    with_client(function(redis)
      for _, case in ipairs { { 100.0, "100" }, { 1e15, "1000000000000000" }, { 0.0, "0" },
        { 1e18, "1000000000000000000" }, { -2.0 ^ 63, "-9223372036854775808" },
        { 2.0 ^ 62, "4611686018427387904" } } do
        assert.equal(case[2], redis:echo(case[1]))
        redis:set("n", 0)
        assert.equal(math.tointeger(case[1]), redis:incrby("n", case[1]))
      end
      assert.equal("1e+19", redis:echo(1e19))
    end)
  end)

  it("is a float that Redis reads back exactly", function()
    with_client(function(redis)
      for index, score in ipairs { 0.1, 1 / 3, 1e300, -1e-300, 2 ^ 53 + 2, 1e18, 123.456 } do
        redis:zadd("z", score, index)
        assert.equal(score, tonumber(redis:zscore("z", index)))
      end
      assert.equal(1, redis:zadd("z", math.huge, "most"))
      assert.same({ "most" }, redis:zrangebyscore("z", "(" .. 1e300, math.huge))
    end)
  end)

  it("may be one of many", function()
    with_client(function(redis)
      local words = {}
      for number = 1, 5000 do words[number] = number end
      assert.equal(5000, redis:rpush("list", table.unpack(words)))
      assert.equal("5000", redis:lindex("list", -1))
      for count = 60, 70 do
        assert.equal(count, redis:del(table.unpack(words, 1, count)) + count)
        assert.equal(count, redis:rpush("l" .. count, table.unpack(words, 1, count)))
      end
    end)
  end)

  it("that is none raises, by command and place", function()
    with_client(function(redis)
      local function assert_raises(text, fn)
        local ok, message = pcall(fn)
        assert.is_false(ok)
        assert.equal(text, message:match "^%S+: (.*)$")
      end
      assert_raises("SET: argument 2 must be a string or a number, not boolean",
        function() redis:set("a", true) end)
      assert_raises("SET: argument 1 must be a string or a number, not nil",
        function() redis:set(nil, "b") end)
      assert_raises("MGET: argument 3 must be a string or a number, not table",
        function() redis:call("MGET", "a", "b", {}) end)
      assert_raises("GET: argument 1 must be a string or a number, not moonpool.null",
        function() redis:get(moonpool.null) end)
      assert_raises("GET: argument 1 must be a string or a number, not userdata",
        function() redis:get(io.stdout) end)
      assert_raises("ZADD: argument 2 is not a number (NaN), which Redis has none of",
        function() redis:zadd("z", 0 / 0, "a") end)
      assert.error_matches(function() redis:call() end, "string expected")
      assert.error_matches(function() redis:call(true) end, "string expected")
      assert.error_matches(function() redis.get("a") end, "moonpool.client expected")
      assert.equal("PONG", redis:ping())
    end)
  end)
end)
