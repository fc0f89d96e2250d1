local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local program = require "spec.support.program"

-- A program of its own: what it does to its loop must not meet the other specs.
local function run_script(text)
  return program.run { program.LUA, "-", stdin = text,
    env = { LUA_PATH = package.path, LUA_CPATH = package.cpath } }
end

describe("moonpool.run", function()
  it("returns what its function returns, nils included", function()
    assert.same({ n = 4, 1, nil, "x", nil }, table.pack(moonpool.run(function(...)
      return ...
    end, 1, nil, "x", nil)))
    assert.same({ n = 0 }, table.pack(moonpool.run(function() end)))
  end)

  it("returns when the last task has ended, with the first one's results", function()
    local order = {}
    local result = moonpool.run(function()
      for number = 3, 1, -1 do
        moonpool.spawn(function()
          moonpool.sleep(number / 100)
          order[#order + 1] = number
        end)
      end
      return "first"
    end)
    assert.equal("first", result)
    assert.same({ 1, 2, 3 }, order)
  end)

  it("raises its function's error with file, line and traceback", function()
    local ok, message = pcall(moonpool.run, function()
      moonpool.sleep(0)
      error "boom"
    end)
    assert.is_false(ok)
    assert.matches("^[^\n]*run_spec%.lua:%d+: boom\nstack traceback:\n", message)
    local shown = setmetatable({}, { __tostring = function() return "an object" end })
    ok, message = pcall(moonpool.run, function() error(shown) end)
    assert.is_false(ok)
    assert.matches("^an object\nstack traceback:\n", message)
  end)

  it("refuses a second loop inside the first", function()
    local ok, message = moonpool.run(function()
      return pcall(moonpool.run, print)
    end)
    assert.is_false(ok)
    assert.matches("moonpool.run: the loop runs already", message)
  end)

  it("refuses what is no function", function()
    assert.error_matches(function() moonpool.run() end, "function expected")
    assert.error_matches(function() moonpool.run "x" end, "function expected")
  end)

  it("returns after stop, at once, and can run again", function()
    local is_awake, may_end = false, false
    moonpool.run(function()
      moonpool.spawn(function()
        moonpool.sleep(0.001)
        moonpool.stop()
      end)
      while not may_end do moonpool.sleep(0.001) end
      is_awake = true
    end)
    assert.is_false(is_awake)
    may_end = true
    assert.equal("again", moonpool.run(function() return "again" end))
    assert.is_true(is_awake)
  end)

  it("runs in any coroutine", function()
    local results = table.pack(coroutine.wrap(function()
      return moonpool.run(function()
        moonpool.sleep(0.001)
        return "inside"
      end)
    end)())
    assert.same({ n = 1, "inside" }, results)
  end)

  it("raises when every task waits for what cannot come", function()
    local result = run_script [[
      local moonpool = require "moonpool"
      print(pcall(moonpool.run, function()
        local one, other
        one = moonpool.spawn(function() moonpool.sleep(0) other:await() end)
        other = moonpool.spawn(function() one:await() end)
        other:await()
      end))
      print(moonpool.run(function() -- those that wait in vain do not keep it
        return moonpool.spawn(function()
          moonpool.sleep(0)
          return "again"
        end):await()
      end))
      print(pcall(function() moonpool.spawn(coroutine.running):await() end))
    ]]
    assert.equal("", result.stderr)
    assert.equal("false\tmoonpool: every task waits, and nothing is left that could wake one\n" ..
      "again\ntrue\n", result.stdout)
  end)

  it("lets a program end with tasks that wait, timers and clients that are open", function()
    local result = run_script [[
      local moonpool = require "moonpool"
      moonpool.run(function()
        moonpool.spawn(function() moonpool.sleep(60) print "never" end)
        moonpool.timer(60, print)
        moonpool.spawn(function() moonpool.connect "redis://127.0.0.1:1" end)
        moonpool.stop()
      end)
      print "end"
    ]]
    assert.same({ status = 0, stdout = "end\n", stderr = "" }, result)
  end)
end)

describe("outside run, on the main state", function()
  it("what awaits runs the loop until its answer is there", function()
    local began = moonpool.now()
    moonpool.sleep(0.01)
    assert.is_true(moonpool.now() - began >= 0.009) -- the loop counts whole milliseconds
    assert.equal("done", moonpool.spawn(function()
      moonpool.sleep(0.001)
      return "done"
    end):await())
  end)
end)

describe("a coroutine that moonpool did not start", function()
  it("cannot await: the error says why and what to do", function()
    local function foreign(fn)
      return select(2, coroutine.resume(coroutine.create(fn)))
    end
    local why = "cannot wait here: this coroutine was not started by moonpool "
      .. "%(use moonpool.spawn, or call from a handler%)"
    assert.matches(why, foreign(function() moonpool.sleep(0) end))
    loop.run(function()
      assert.matches(why, foreign(function() moonpool.sleep(0) end))
      assert.matches(why, foreign(function() moonpool.connect "redis://127.0.0.1:1" end))
      local task = moonpool.spawn(function() moonpool.sleep(0.001) end)
      assert.matches(why, foreign(function() task:await() end))
    end)
  end)

  it("can spawn a task that awaits", function()
    local order = {}
    moonpool.run(function()
      coroutine.wrap(function()
        moonpool.spawn(function()
          order[#order + 1] = "spawned"
          moonpool.sleep(0)
          order[#order + 1] = "awaited"
        end)
      end)()
      order[#order + 1] = "back"
    end)
    assert.same({ "spawned", "back", "awaited" }, order)
  end)
end)

describe("the clocks", function()
  it("now goes on steadily, time is the time of day", function()
    local before = moonpool.now()
    assert.equal("float", math.type(before))
    assert.is_true(moonpool.now() >= before)
    local early = os.time()
    local time = moonpool.time()
    assert.is_true(early <= time and time < os.time() + 1)
  end)
end)

describe("on_error", function()
  it("gives the hook that was there before, and takes nil for none", function()
    local function one() end
    local function other() end
    local first = moonpool.on_error(one)
    assert.equal(one, moonpool.on_error(other))
    assert.equal(other, moonpool.on_error(nil))
    assert.is_nil(moonpool.on_error(first))
    assert.error_matches(function() moonpool.on_error "x" end, "function expected")
  end)

  it("prints what failed on standard error when there is no hook", function()
    local result = run_script [[
      local moonpool = require "moonpool"
      moonpool.run(function()
        moonpool.spawn(function() moonpool.sleep(0) error "unseen" end)
      end)
    ]]
    assert.equal(0, result.status)
    assert.matches("^moonpool: stdin:3: unseen\nstack traceback:\n", result.stderr)
  end)

  it("prints both errors when the hook itself fails", function()
    local result = run_script [[
      local moonpool = require "moonpool"
      moonpool.on_error(function() error "worse" end)
      moonpool.run(function()
        moonpool.spawn(function() error "bad" end)
      end)
    ]]
    assert.equal(0, result.status)
    assert.matches("the error hook failed: stdin:2: worse\n", result.stderr)
    assert.matches("\nmoonpool: stdin:4: bad\nstack traceback:\n", result.stderr)
  end)
end)
