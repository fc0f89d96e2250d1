local loop = require "spec.core.loop"
local moonpool = require "moonpool"

describe("a task", function()
  it("runs up to its first wait before spawn returns", function()
    loop.run(function()
      local order = {}
      local task = moonpool.spawn(function(...)
        order[#order + 1] = select("#", ...)
        moonpool.sleep(0)
        order[#order + 1] = "later"
      end, nil, nil)
      order[#order + 1] = "spawned"
      assert.is_false(task.is_ended)
      task:await()
      assert.is_true(task.is_ended)
      assert.same({ 2, "spawned", "later" }, order)
    end)
  end)

  it("gives its results to everyone who awaits, before and after its end", function()
    loop.run(function()
      local task = moonpool.spawn(function()
        moonpool.sleep(0.005)
        return 1, nil, "three", nil
      end)
      local seen = {}
      local joiners = {}
      for number = 1, 3 do
        joiners[number] = moonpool.spawn(function() seen[number] = table.pack(task:await()) end)
      end
      for number = 1, 3 do joiners[number]:await() end
      seen[4] = table.pack(task:await())
      for number = 1, 4 do assert.same({ n = 4, 1, nil, "three", nil }, seen[number]) end
    end)
  end)

  it("that failed gives nil, its traceback and ESCRIPT", function()
    loop.run(function()
      local function fails()
        moonpool.sleep(0.001)
        error "wrecked"
      end
      local value, traceback, code = moonpool.spawn(fails):await()
      assert.is_nil(value)
      assert.matches("^[^\n]*task_spec%.lua:%d+: wrecked\nstack traceback:\n", traceback)
      assert.matches("task_spec%.lua:%d+: in function", traceback)
      assert.equal("ESCRIPT", code)
    end)
  end)

  it("that failed and that nobody awaits goes to the error hook", function()
    loop.run(function()
      moonpool.spawn(function()
        moonpool.sleep(0)
        error "alone"
      end)
      local errors = {}
      loop.wait_until(function()
        table.move(loop.take_errors(), 1, 1, 1, errors)
        return #errors > 0
      end)
      assert.matches("^[^\n]*task_spec%.lua:%d+: alone\nstack traceback:\n", errors[1])
    end)
  end)

  it("that failed at once can still be awaited, and is not reported then", function()
    loop.run(function()
      local value, traceback, code = moonpool.spawn(function() error "at once" end):await()
      assert.is_nil(value)
      assert.matches("at once\nstack traceback:\n", traceback)
      assert.equal("ESCRIPT", code)
    end)
  end)

  it("that failed at once is reported though the loop stops, or its function ends", function()
    for _, finish in ipairs { moonpool.stop, function() end } do
      local errors = {}
      local before = moonpool.on_error(function(traceback) errors[#errors + 1] = traceback end)
      moonpool.run(function()
        moonpool.spawn(error, "one")
        moonpool.spawn(error, "two")
        finish()
      end)
      moonpool.on_error(before)
      assert.equal(2, #errors)
      assert.matches("^one\n", errors[1])
      assert.matches("^two\n", errors[2])
    end
  end)

  it("cannot await itself, and fails when it yields to nobody", function()
    loop.run(function()
      local task
      task = moonpool.spawn(function()
        moonpool.sleep(0)
        return pcall(task.await, task)
      end)
      local ok, message = task:await()
      assert.is_false(ok)
      assert.matches("a task cannot await itself", message)
      local _, traceback, code = moonpool.spawn(coroutine.yield):await()
      assert.matches("a task yielded, but nothing would resume it", traceback)
      assert.equal("ESCRIPT", code)
    end)
  end)

  it("may use coroutines of its own between its waits", function()
    loop.run(function()
      local numbers = {}
      for number in coroutine.wrap(function()
        for number = 1, 3 do coroutine.yield(number) end
      end) do
        moonpool.sleep(0)
        numbers[#numbers + 1] = number
      end
      assert.same({ 1, 2, 3 }, numbers)
    end)
  end)

  it("may await inside pcall, metamethods and iterators", function()
    loop.run(function()
      local ok, message = pcall(function()
        moonpool.sleep(0)
        error("caught", 0)
      end)
      assert.is_false(ok)
      assert.equal("caught", message)
      local lazy = setmetatable({}, { __index = function(_, key)
        moonpool.sleep(0)
        return key .. "!"
      end })
      assert.equal("x!", lazy.x)
      local sum = 0
      for number in function(_, last)
        moonpool.sleep(0)
        return (last or 0) < 3 and (last or 0) + 1 or nil
      end do
        sum = sum + number
      end
      assert.equal(6, sum)
    end)
  end)

  it("raises before it awaits where a C function could not wait for it", function()
    loop.run(function()
      local compared = 0
      local ok, message = pcall(table.sort, { 3, 2, 1 }, function(a, b)
        compared = compared + 1
        moonpool.sleep(0.01)
        return a < b
      end)
      assert.is_false(ok)
      assert.matches("cannot wait here: a C function has called this one", message)
      assert.equal(1, compared)
      moonpool.sleep(0.02) -- nothing was left behind that would wake the wrong wait
      assert.equal("x", moonpool.spawn(function()
        moonpool.sleep(0)
        return "x"
      end):await())
    end)
  end)

  it("refuses what is no function, and times that are none", function()
    assert.error_matches(function() moonpool.spawn() end, "function expected")
    for _, seconds in ipairs { -1, 0 / 0, math.huge, -math.huge } do
      assert.error_matches(function() moonpool.sleep(seconds) end, "seconds must be")
    end
    assert.error_matches(function() moonpool.sleep "soon" end, "number expected")
    assert.error_matches(function() moonpool.sleep() end, "number expected")
  end)

  it("can be one of 100,000 that sleep at the same time", function()
    loop.run(function()
      local awake, count = 0, 100000
      for number = 1, count do
        moonpool.spawn(function()
          moonpool.sleep(number % 100 / 1000)
          awake = awake + 1
        end)
      end
      loop.wait_until(function() return awake == count end, nil, "all to wake")
    end)
  end)

  it("leaves nothing behind", function()
    local function work()
      loop.run(function()
        for _ = 1, 2000 do
          local task = moonpool.spawn(function(text)
            moonpool.sleep(0)
            return text
          end, ("x"):rep(1000))
          task:await()
          moonpool.spawn(function()
            moonpool.sleep(0)
            error "x"
          end):await()
        end
      end)
    end
    work()
    collectgarbage()
    collectgarbage()
    local before = collectgarbage "count"
    for _ = 1, 3 do work() end
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 100, "over 100 KiB are left")
  end)
end)
