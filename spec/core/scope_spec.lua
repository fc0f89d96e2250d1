-- Handles that close with their scope: Lua 5.4 and newer.
local moonpool = require "moonpool"
local loop = require "spec.core.loop"
local redis_server = require "spec.support.redis"

describe("a handle of a scope", function()
  it("closes with it: a client", function()
    local server = redis_server.start()
    do
      local client <close> = assert(moonpool.connect(server.url))
      assert.equal("OK", client:set("a", "b"))
      assert.equal(1, server:clients "normal")
    end
    loop.run(function()
      loop.wait_until(function() return server:clients "normal" == 0 end)
    end)
    server:stop()
  end)

  it("closes with it: a timer", function()
    loop.run(function()
      local ticks = 0
      do
        local timer <close> = moonpool.timer(0.001, function() ticks = ticks + 1 end)
        loop.wait_until(function() return ticks >= 2 end)
        assert.truthy(timer)
      end
      local before = ticks
      moonpool.sleep(0.01) -- in which it would have ticked
      assert.equal(before, ticks)
    end)
  end)
end)
