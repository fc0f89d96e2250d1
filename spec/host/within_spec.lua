local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local within = require "moonpool.host.within"

describe("a call within a time", function()
  it("gives its results, or its error", function()
    loop.run(function()
      assert.same({ true, 1, nil, 3, n = 4 }, table.pack(within.call(60, function(...)
        return ...
      end, 1, nil, 3)))
      assert.same({ true, "later" }, { within.call(60, function()
        moonpool.sleep(0.001)
        return "later"
      end) })
      assert.same({ false, "oh" }, { within.call(60, function() error("oh", 0) end) })
      local problem = {}
      local ok, raised = within.call(60, function()
        moonpool.sleep(0.001)
        error(problem)
      end)
      assert.is_false(ok)
      assert.equal(problem, raised)
    end)
  end)

  it("is left when it takes longer, and its error is dropped", function()
    local is_ended = false
    loop.run(function()
      assert.is_nil((within.call(0.01, function()
        moonpool.sleep(0.05)
        is_ended = true
        error "too late"
      end)))
      assert.is_false(is_ended)
    end)
    assert.is_true(is_ended)
  end)

  it("may take longer in several steps", function()
    loop.run(function()
      local steps = {}
      assert.is_true((within.steps(0.5, steps, function()
        moonpool.sleep(0)
        steps.began = moonpool.now() + 3600
        moonpool.sleep(0.6)
      end)))
    end)
  end)
end)
