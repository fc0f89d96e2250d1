-- The collector, while calls wait whose arguments and results nobody else has.
local moonpool = require "moonpool"
local loop = require "spec.core.loop"
local redis_server = require "spec.support.redis"

describe("what waits", function()
  local server

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)

  it("keeps its client, and what it makes", function()
    loop.run(function()
      local is_over, url = false, server.url
      moonpool.spawn(function()
        while not is_over do
          collectgarbage()
          moonpool.sleep(0)
        end
      end)
      for number = 1, 20 do
        assert.equal("OK", assert(moonpool.connect(url)):set("a", number))
        assert.equal(tostring(number),
          assert(moonpool.connect(url)):pipeline(function(p) p:get "a" end)[1])
        assert.equal(7, assert(assert(moonpool.connect(url)):prepare("return 7"))())
        local sub = assert(assert(moonpool.connect(url)):subscribe("channel" .. number))
        assert.is_true(sub:close())
        local room = assert(assert(moonpool.connect(url)):room("room" .. number))
        assert.truthy(room:say("hello", { user = "ann" }))
        room:close()
      end
      is_over = true
    end)
  end)
end)
