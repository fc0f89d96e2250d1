local assert_fails = require "spec.support.assert_fails"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local peer = require "spec.support.peer"
local redis_server = require "spec.support.redis"

local has_resp3 = moonpool.features.resp3
local null = moonpool.null

local function assert_integer(expected, value)
  assert.equal(expected, value)
  assert.equal("integer", math.type(value))
end

describe("a reply", function()
  local server

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)
  before_each(function() server:call("FLUSHALL") end)

  local function with_client(fn, options) loop.with_client(server, fn, options) end

  -- What a server that says these bytes to a command makes of it: fn(reply), for each.
  local function with_peer(replies, fn, options)
    local fake = peer.start { script = { { serve = true, replies = replies } } }
    options = options or {}
    options.url = fake.url
    local ok, message = pcall(loop.run, function()
      local redis = loop.connect(options)
      fn(function(name) return redis:call(name) end, redis)
    end)
    fake:stop()
    if not ok then error(message, 0) end
  end

  describe("of Redis", function()
    it("is a string, an integer, nil or a list of them", function()
      with_client(function(redis)
        assert.equal("OK", redis:set("text", "hello"))
        assert.equal("hello", redis:get "text")
        assert.same({ n = 1 }, table.pack(redis:get "missing"))
        assert_integer(1, redis:incr "count")
        redis:rpush("list", "a", "b")
        assert.same({ "a", "b" }, redis:lrange("list", 0, -1))
        assert.same({ "hello", null, "1" }, redis:mget("text", "missing", "count"))
        assert.same({}, redis:lrange("none", 0, -1))
        assert.same({ 1, { "x", null, { 2 } } },
          redis:eval("return { 1, { 'x', false, { 2 } } }", 0))
      end)
    end)

    it("keeps 64 bits", function()
      with_client(function(redis)
        redis:set("n", math.maxinteger - 1)
        assert_integer(math.maxinteger, redis:incr "n")
        redis:set("n", math.mininteger + 1)
        assert_integer(math.mininteger, redis:decr "n")
      end)
    end)

    it("keeps every byte", function()
      with_client(function(redis)
        local bytes = {}
        for byte = 0, 255 do bytes[#bytes + 1] = string.char(byte) end
        local text = table.concat(bytes)
        for _, value in ipairs { text, "", "\0", "\r\n", "$5\r\n%s%n", text:rep(300) } do
          redis:rpush("list", value)
          assert.is_true(redis:lindex("list", -1) == value)
          assert.is_true(redis:lrange("list", -1, -1)[1] == value)
        end
      end)
    end)

    it("may be large", function()
      with_client(function(redis)
        local text = ("0123456789abcdef"):rep(524288) -- 8 MiB
        redis:set("large", text)
        assert.is_true(redis:get "large" == text)
        redis:eval("for i = 1, 100000 do redis.call('RPUSH', 'l', i) end", 0)
        local list = redis:lrange("l", 0, -1)
        assert.equal(100000, #list)
        assert.equal("100000", list[100000])
      end)
    end)

    it("of each type that it has comes as documented", function()
      with_client(function(redis)
        local function protocol(name) return redis:debug("protocol", name) end
        assert.equal("Hello World", protocol "string")
        assert_integer(12345, protocol "integer")
        assert.same({ n = 1 }, table.pack(protocol "null"))
        assert.same({ 0, 1, 2 }, protocol "array")
        assert.same({ 0, 1, 2 }, protocol "set")
        assert.equal("This is a verbatim\nstring", protocol "verbatim")
        assert.equal("1234567999999999999999999999999999999", protocol "bignum")
        assert.equal("Some real reply following the attribute", protocol "attrib")
        if has_resp3 then
          assert.equal(3.141, protocol "double")
          assert.same({ [0] = false, true, false }, protocol "map")
          assert.is_true(protocol "true")
          assert.is_false(protocol "false")
          assert.equal("Some real reply following the push reply", protocol "push")
        else
          assert.equal("3.141", protocol "double")
          assert.same({ 0, 0, 1, 1, 2, 0 }, protocol "map")
          assert_integer(1, protocol "true")
          assert_integer(0, protocol "false")
          assert_fails("EREDIS", "RESP2 is not supported", protocol "push")
        end
        assert.equal("PONG", redis:ping())
      end)
    end)

    it("has infinity", function()
      with_client(function(redis)
        redis:zadd("z", "inf", "high", "-inf", "low")
        if has_resp3 then
          assert.equal(math.huge, redis:zscore("z", "high"))
          assert.same({ { "low", -math.huge }, { "high", math.huge } },
            redis:zrange("z", 0, -1, "withscores"))
        else
          assert.equal("inf", redis:zscore("z", "high"))
          assert.same({ "low", "-inf", "high", "inf" }, redis:zrange("z", 0, -1, "withscores"))
        end
      end)
    end)
  end)

  describe("that is an error", function()
    it("comes as nil, Redis's words and a code", function()
      with_client(function(redis)
        redis:set("text", "x")
        assert_fails("EREDIS", "^WRONGTYPE Operation against a key", redis:lpush("text", "a"))
        assert_fails("EREDIS", "^ERR unknown command", redis:no_such_command())
        assert_fails("EREDIS", "^ERR wrong number of arguments", redis:get())
        assert_fails("EREDIS", "^ERR my own", redis:eval("return { err = 'ERR my own' }", 0))
        assert.equal("x", redis:get "text")
      end)
    end)

    it("inside another is an object that is_error knows", function()
      with_client(function(redis)
        local list = redis:eval(
          "return { 1, { err = 'WRONGTYPE no list' }, { { err = 'NOPERM no' }, 'x' } }", 0)
        assert.equal(1, list[1])
        assert.is_true(moonpool.is_error(list[2]))
        assert.equal("WRONGTYPE no list", list[2].message)
        assert.equal("EREDIS", list[2].code)
        assert.equal("WRONGTYPE no list", tostring(list[2]))
        assert.equal("EPERM", list[3][1].code)
        assert.equal("x", list[3][2])
        local like = { message = "x", code = "EREDIS" }
        for _, value in ipairs { list, like, "ERR x", 1, null, setmetatable({}, {}) } do
          assert.is_false(moonpool.is_error(value))
        end
        assert.is_false(moonpool.is_error())
      end)
    end)
  end)

  describe("in RESP3", function()
    if not has_resp3 then return end

    it("may be a double, with infinities and NaN", function()
      with_peer({ A = ",inf\r\n", B = ",-inf\r\n", C = ",nan\r\n", D = ",5e-324\r\n", E = ",-0\r\n",
        F = ",3\r\n" }, function(call)
        assert.equal(math.huge, call "A")
        assert.equal(-math.huge, call "B")
        local nan = call "C"
        assert.is_true(nan ~= nan)
        assert.equal(5e-324, call "D")
        assert.equal(-math.huge, 1 / call "E")
        assert.equal("float", math.type(call "F"))
      end)
    end)

    it("may be a map with any keys", function()
      with_peer({
        A = "%3\r\n_\r\n:1\r\n#t\r\n_\r\n,nan\r\n$0\r\n\r\n",
        B = "%2\r\n*1\r\n:1\r\n+list\r\n,1\r\n+one\r\n",
        C = "%0\r\n",
        D = "%1\r\n+a\r\n-ERR x\r\n",
      }, function(call)
        assert.same({ [null] = 1, [true] = null, nan = "" }, call "A")
        local found
        local map = call "B"
        assert.equal("one", map[1])
        for key, value in pairs(map) do
          if value == "list" then found = key end
        end
        assert.same({ 1 }, found)
        assert.same({}, call "C")
        assert.is_true(moonpool.is_error(call("D").a))
      end)
    end)

    it("may be an error of any length, or come after attributes, which are dropped", function()
      with_peer({
        A = "!12\r\nERR two\r\nxyz\r\n",
        B = "|1\r\n+ttl\r\n:3600\r\n*1\r\n+b\r\n",
        C = "|1\r\n+a\r\n*1\r\n_\r\n|0\r\n$-1\r\n",
      }, function(call, redis)
        assert_fails("EREDIS", "^ERR two\r\nxyz$", call "A")
        assert.same({ "b" }, call "B")
        assert.same({ n = 1 }, table.pack(call "C"))
        assert.equal("PONG", redis:ping())
      end)
    end)

    it("may be pushed; nobody takes it for the answer", function()
      with_peer({ A = ">2\r\n+invalidate\r\n*1\r\n+key\r\n+OK\r\n" }, function(call, redis)
        assert.equal("OK", call "A")
        assert.equal("PONG", redis:ping())
      end)
    end)

    for what, bytes in pairs {
      ["a streamed string"] = "$?\r\n;1\r\na\r\n;0\r\n",
      ["a streamed list"] = "*?\r\n:1\r\n.\r\n",
      ["an attribute inside a list"] = "*1\r\n|1\r\n+a\r\n+b\r\n+c\r\n",
    } do
      it("that is " .. what .. " ends the link", function()
        with_peer({ A = bytes }, function(call)
          assert_fails("ECONN", "possibly executed", call "A")
        end)
      end)
    end
  end)

  describe("that is nested", function()
    it("is taken as deep as max_reply_depth allows", function()
      local depth = has_resp3 and 128 or 7
      with_peer({ A = ("*1\r\n"):rep(depth) .. ":7\r\n" }, function(call)
        local value, levels = call "A", 0
        while type(value) == "table" do
          value = value[1]
          levels = levels + 1
        end
        assert.equal(7, value)
        assert.equal(depth, levels)
      end, { max_reply_depth = 0 })
    end)

    it("too deep ends the link, never the program", function()
      for _, count in ipairs { 9, 129, 5000, 1000000 } do
        with_peer({ A = ("*1\r\n"):rep(count) .. ":7\r\n" }, function(call)
          assert_fails("ECONN", "possibly executed", call "A")
        end, { max_reply_depth = 8 })
      end
    end)
  end)
end)
