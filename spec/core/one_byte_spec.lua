local forwarder = require "spec.support.forwarder"
local loop = require "spec.core.loop"
local redis_server = require "spec.support.redis"

-- Between it and Redis every byte travels by itself, both ways.
describe("a client whose bytes come one at a time", function()
  local server, proxy

  before_each(function()
    server = redis_server.start()
    proxy = forwarder.start(server.socket, { piece = 1 })
  end)
  after_each(function()
    proxy:stop()
    server:stop()
  end)

  it("gets every reply and every message, byte for byte", function()
    loop.run(function()
      local redis, seen = loop.connect(proxy.url), {}
      local bytes = {}
      for number = 0, 255 do bytes[#bytes + 1] = string.char(number) .. "\r\n" end
      bytes = table.concat(bytes)
      assert.equal("OK", redis:set("key", bytes))
      assert.equal(bytes, redis:get "key")
      assert.equal(4, redis:rpush("list", "a", "", "\r\n", "$-1\r\n"))
      assert.same({ "a", "", "\r\n", "$-1\r\n" }, redis:lrange("list", 0, -1))
      assert.is_nil(redis:get "none")
      assert.equal("EREDIS", select(3, redis:incr "key"))
      assert(redis:subscribe({ "a", "b\r\n*" }, function(payload, channel)
        seen[#seen + 1] = channel .. "|" .. payload
      end))
      for number = 1, 5 do
        server:call("PUBLISH", "a", number .. bytes)
        server:call("PUBLISH", "b\r\n*", "")
      end
      loop.wait_for(seen, 10)
      for number = 1, 5 do
        assert.equal("a|" .. number .. bytes, seen[2 * number - 1])
        assert.equal("b\r\n*|", seen[2 * number])
      end
      assert.equal(0, redis:stats().reconnects)
    end)
  end)
end)
