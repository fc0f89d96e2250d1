local moonpool = require "moonpool"
local system = require("moonpool.core").system

local function raise_signal(name)
  system.kill(system.getpid(), name)
end

describe("system.signal", function()
  it("calls its function in a task, each time", function()
    local count, latch = 0, system.latch()
    moonpool.run(function()
      local handle <close> = assert(system.signal("SIGUSR1", function()
        moonpool.sleep(0.001) -- a task may wait
        count = count + 1
        latch:open()
      end))
      raise_signal "SIGUSR1"
      latch:wait()
      latch = system.latch()
      raise_signal "SIGUSR1"
      latch:wait()
      assert.is_truthy(handle)
    end)
    assert.equal(2, count)
  end)

  it("does not keep the loop going", function()
    local handle
    moonpool.run(function() handle = system.signal("SIGUSR1", function() end) end)
    assert.is_true(handle:close())
    assert.is_true(handle:close())
  end)

  it("hands a failure to the error hook, and goes on", function()
    local failures, latch = {}, system.latch()
    local before = moonpool.on_error(function(trace)
      failures[#failures + 1] = trace
      latch:open()
    end)
    finally(function() moonpool.on_error(before) end)
    moonpool.run(function()
      local handle = system.signal("SIGUSR2", function() error "oops" end)
      for _ = 1, 2 do
        latch = system.latch()
        raise_signal "SIGUSR2"
        latch:wait()
      end
      handle:close()
    end)
    assert.equal(2, #failures)
    assert.matches("signal_spec.lua:%d+: oops", failures[1])
  end)

  it("names a signal that cannot be watched", function()
    local handle, message, code, name = system.signal("SIGKILL", function() end)
    assert.is_nil(handle)
    assert.same({ "watch SIGKILL: Invalid argument", "ESYS", "EINVAL" }, { message, code, name })
    assert.error_matches(function() system.signal("SIGX", print) end, "unknown signal 'SIGX'")
    assert.has_error(function() system.signal("SIGINT", nil) end)
  end)
end)
