local moonpool = require "moonpool"
local system = require("moonpool.core").system

describe("system.latch", function()
  it("lets all go on who wait, in order, when it is opened", function()
    local order = {}
    moonpool.run(function()
      local latch = system.latch()
      for index = 1, 3 do
        moonpool.spawn(function()
          latch:wait()
          order[#order + 1] = index
        end)
      end
      moonpool.sleep(0.001)
      assert.same({}, order)
      latch:open()
      assert.same({}, order)
    end)
    assert.same({ 1, 2, 3 }, order)
  end)

  it("stays open", function()
    local latch = system.latch()
    latch:open()
    latch:open()
    latch:wait()
    moonpool.run(function() latch:wait() end)
  end)
end)
