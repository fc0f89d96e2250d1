-- What LuaJIT's numbers, which are doubles, make of integers: `luajit /usr/bin/busted` runs it.
local moonpool = require "moonpool"
local loop = require "spec.core.loop"
local redis_server = require "spec.support.redis"

describe("with LuaJIT, an integer", function()
  local server

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)

  it("of a reply is a number up to 2^53, and a string of its digits beyond", function()
    loop.with_client(server, function(redis)
      for _, text in ipairs { "0", "-1", "9007199254740992", "-9007199254740992" } do
        redis:set("n", text)
        assert.equal(tonumber(text), redis:incrby("n", 0))
      end
      for _, text in ipairs { "9007199254740993", "-9007199254740993", "9223372036854775807" } do
        redis:set("n", text)
        assert.equal(text, redis:incrby("n", 0))
        assert.equal(text, redis:transaction(function(tx) tx:incrby("n", 0) end)[1])
        assert.equal(text, redis:pipeline(function(p) p:incrby("n", 0) end)[1])
      end
    end)
  end)

  it("that is an argument is sent with all of its digits", function()
    loop.with_client(server, function(redis)
      for number, text in pairs {
        [2 ^ 53] = "9007199254740992", [1795370768235123] = "1795370768235123",
        [-2 ^ 62] = "-4611686018427387904", [0.1] = "0.1", [1e300] = "1e+300",
      } do
        assert.equal(text, redis:echo(number))
      end
    end)
  end)

  it("in JSON is the nearest number, and is written without a fraction", function()
    local json = moonpool.json
    assert.equal(1795370768235123, json.decode "1795370768235123")
    assert.equal("[1795370768235123,9007199254740992,0.5]",
      json.encode { 1795370768235123, 2 ^ 53, 0.5 })
    assert.equal(9007199254740992, json.decode "9007199254740993")
    assert.equal(9223372036854775807, json.decode "9223372036854775807")
  end)
end)
