local loop = require "spec.core.loop"
local moonpool = require "moonpool"

describe("moonpool.timer", function()
  it("calls its function again and again, until it is closed", function()
    loop.run(function()
      local ticks = 0
      local timer = moonpool.timer(0.002, function() ticks = ticks + 1 end)
      loop.wait_until(function() return ticks >= 5 end)
      assert.is_true(timer:close())
      assert.is_true(timer:close())
    end)
  end)

  it("keeps run going, and may be closed by its own function", function()
    local ticks, timer = 0, nil
    timer = moonpool.timer(0.001, function()
      ticks = ticks + 1
      if ticks == 3 then timer:close() end
    end)
    moonpool.run(function() end)
    assert.equal(3, ticks)
  end)

  it("lets the call that closed it go on", function()
    local order = {}
    local timer
    timer = moonpool.timer(0.001, function()
      timer:close()
      timer = nil
      collectgarbage()
      order[#order + 1] = "closed"
      moonpool.sleep(0.003)
      order[#order + 1] = "awaited"
    end)
    moonpool.run(function() end)
    assert.same({ "closed", "awaited" }, order)
  end)

  it("skips ticks while the last call still waits", function()
    loop.run(function()
      local running, most, calls = 0, 0, 0
      local timer = moonpool.timer(0.001, function()
        running = running + 1
        most = math.max(most, running)
        moonpool.sleep(0.01)
        running = running - 1
        calls = calls + 1
      end)
      loop.wait_until(function() return calls >= 3 end)
      timer:close()
      assert.equal(1, most)
    end)
  end)

  it("ticks on when a call fails; the error goes to the hook", function()
    loop.run(function()
      local calls = 0
      local timer = moonpool.timer(0.001, function()
        calls = calls + 1
        error("tick " .. calls)
      end)
      loop.wait_until(function() return calls >= 3 end)
      timer:close()
      local errors = loop.take_errors()
      assert.equal(calls, #errors)
      assert.matches("timer_spec%.lua:%d+: tick 1\nstack traceback:", errors[1])
    end)
  end)

  it("refuses an interval of 0 and what is no function", function()
    assert.error_matches(function() moonpool.timer(0, print) end, "the interval must be above 0")
    assert.error_matches(function() moonpool.timer(1) end, "function expected")
    assert.error_matches(function() moonpool.timer(-1, print) end, "seconds must be")
  end)

  it("is collected once it is closed", function()
    local collected = setmetatable({}, { __mode = "k" })
    for _ = 1, 100 do
      local timer = moonpool.timer(60, print)
      collected[timer] = true
      timer:close()
    end
    moonpool.run(function() end)
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(collected))
  end)
end)
