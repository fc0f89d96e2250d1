local loop = require "spec.core.loop"
local redis_server = require "spec.support.redis"

-- Replies that are maps have one form, whatever Redis sends: RESP2 flat lists, RESP3 maps.
describe("a reply that is a map", function()
  local server

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)

  local function with_client(fn)
    loop.with_client(server, function(redis)
      redis:flushall()
      fn(redis)
    end)
  end

  -- The same command in every way in which one can be sent.
  local function each_way(redis, ...)
    local words = table.pack(...)
    local name = words[1]
    local results = {}
    local function keep(way, value) results[#results + 1] = { way = way, value = value } end
    local function method(target)
      return target[name:lower()](target, table.unpack(words, 2, words.n))
    end
    keep("method", method(redis))
    keep("call", redis:call(table.unpack(words, 1, words.n)))
    keep("call in small letters", redis:call(name:lower(), table.unpack(words, 2, words.n)))
    keep("view", method(redis:with { timeout = 5 }))
    keep("view's call", redis:with({ timeout = 5 }):call(table.unpack(words, 1, words.n)))
    local function record(recorder)
      recorder:ping()
      method(recorder)
      recorder:call(table.unpack(words, 1, words.n))
    end
    for _, kind in ipairs { "pipeline", "transaction" } do
      local replies = assert(redis[kind](redis, record))
      assert.equal("PONG", replies[1])
      keep(kind, replies[2])
      keep(kind .. "'s call", replies[3])
    end
    local replies = assert(redis:optimistic("watched", function(view, tx)
      keep("watching", method(view))
      keep("watching, call", view:call(table.unpack(words, 1, words.n)))
      method(tx)
    end))
    keep("watched transaction", replies[1])
    return results
  end

  local function assert_each_way(expected, redis, ...)
    for _, result in ipairs(each_way(redis, ...)) do
      assert.same(expected, result.value, result.way)
    end
  end

  it("is a table by field, however it is asked for", function()
    with_client(function(redis)
      redis:hset("h", "b", "2", "a", "", "1", "one")
      assert_each_way({ a = "", b = "2", ["1"] = "one" }, redis, "HGETALL", "h")
      assert_each_way({}, redis, "HGETALL", "nothing")
      assert_each_way({ maxmemory = "0", ["maxmemory-samples"] = "5" }, redis, "CONFIG", "GET",
        "maxmemory", "maxmemory-samples")
      assert_each_way({ none = 0, other = 0 }, redis, "PUBSUB", "NUMSUB", "none", "other")
      assert_each_way({ none = 0 }, redis, "PUBSUB", "shardnumsub", "none")
    end)
  end)

  it("also inside others", function()
    with_client(function(redis)
      redis:xadd("x", "1-1", "f", "v")
      redis:xgroup("CREATE", "x", "g", "0")
      assert_each_way({ x = { { "1-1", { "f", "v" } } } }, redis, "XREAD", "STREAMS", "x", "0")
      assert.same({ x = { { "1-1", { "f", "v" } } } },
        redis:xreadgroup("GROUP", "g", "ann", "STREAMS", "x", ">"))
      for _, way in ipairs(each_way(redis, "XINFO", "STREAM", "x")) do
        assert.equal(1, way.value.length, way.way)
        assert.same({ "1-1", { "f", "v" } }, way.value["first-entry"], way.way)
      end
      for _, way in ipairs(each_way(redis, "XINFO", "STREAM", "x", "FULL")) do
        local group = way.value.groups[1]
        assert.equal("g", group.name, way.way)
        assert.equal("1-1", group.pel and group.pel[1][1] or group.pending[1][1], way.way)
        assert.equal("ann", group.consumers[1].name, way.way)
      end
      for _, way in ipairs(each_way(redis, "XINFO", "GROUPS", "x")) do
        assert.equal("g", way.value[1].name, way.way)
        assert.equal(1, way.value[1].pending, way.way)
      end
      assert.equal("ann", redis:xinfo("consumers", "x", "g")[1].name)
      redis:set("s1", "ohmytext")
      redis:set("s2", "mynewtext")
      assert_each_way({ matches = { { { 4, 7 }, { 5, 8 } }, { { 2, 3 }, { 0, 1 } } }, len = 6 },
        redis, "LCS", "s1", "s2", "IDX")
      assert_each_way("mytext", redis, "LCS", "s1", "s2")
    end)
  end)

  it("of the server's own affairs", function()
    with_client(function(redis)
      redis:acl("setuser", "ann", "on", ">pw", "~a:*", "+@read", "(~b:* +set)")
      local user = redis:acl("getuser", "ann")
      assert.equal("~a:*", user.keys)
      assert.same({ { commands = "-@all +set", keys = "~b:*", channels = "" } }, user.selectors)
      assert.equal(-1, redis:client("trackinginfo").redirect)
      assert.is_number(redis:memory("stats")["peak.allocated"])
      assert.is_number(redis:memory("stats")["db.0"] and
        redis:memory("stats")["db.0"]["overhead.hashtable.main"] or 0)
      redis:call("FUNCTION", "LOAD", "REPLACE", "#!lua name=lib\nredis.register_function('f', " ..
        "function() return 1 end)")
      local stats = redis["function"](redis, "stats")
      assert.equal(1, stats.engines.LUA.libraries_count)
      local library = redis:call("function", "list")[1]
      assert.equal("lib", library.library_name)
      assert.equal("f", library.functions[1].name)
      redis:set("k", "v")
      local histogram = redis:latency("histogram", "set").set
      assert.is_true(histogram.calls > 0)
      assert.equal("table", type(histogram.histogram_usec))
      local docs, _, code = redis:command("docs", "set", "client")
      if code ~= "ENOSUPPORT" then -- hiredis 0.14 cannot read replies nested so deep
        assert.equal("string", docs.set.group)
        assert.equal("key", docs.set.arguments[1].name)
        assert.equal("string", type(docs.client.subcommands["client|list"].since))
      end
    end)
  end)

  it("is none where it only looks like one", function()
    with_client(function(redis)
      redis:rpush("l", "a", "1")
      redis:hset("h", "a", "1")
      assert_each_way({ "a", "1" }, redis, "LRANGE", "l", 0, -1)
      assert_each_way({ "a" }, redis, "HKEYS", "h")
      assert_each_way(0, redis, "PUBSUB", "NUMPAT")
      assert_each_way({}, redis, "PUBSUB", "CHANNELS")
      assert.equal("string", type(redis:xinfo("help")[1]))
      assert.equal("string", type(redis:config("help")[1]))
      assert_each_way({ "a", "1" }, redis, "EVAL", "return { 'a', '1' }", 0)
    end)
  end)

  it("may be an error or nothing", function()
    with_client(function(redis)
      redis:set("s", "x")
      local value, message, code = redis:hgetall("s")
      assert.is_nil(value)
      assert.matches("^WRONGTYPE", message)
      assert.equal("EREDIS", code)
      assert.same({ nil, nil }, { redis:xread("STREAMS", "none", "0") })
      assert.equal("EREDIS", (select(3, redis:hgetall())))
      local replies = assert(redis:pipeline(function(p)
        p:hgetall "s"
        p:xread("STREAMS", "none", "0")
      end))
      assert.matches("^WRONGTYPE", replies[1].message)
      assert.equal("HGETALL", replies[1].command)
      assert.equal(require("moonpool").null, replies[2])
    end)
  end)
end)
