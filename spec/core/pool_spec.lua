-- The pool in a loop that is not moonpool's: LuaSocket's select stands for any.
local moonpool = require "moonpool"
local program = require "spec.support.program"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"
local system = require("moonpool.core").system
local socket = require "socket"

local pool = moonpool.pool
local SECONDS = 30

-- One round of a program's loop: true when the descriptor was ready.
local function round(most)
  local seconds = math.min(pool:timeout() or SECONDS, most or SECONDS)
  local ready = socket.select({ { getfd = function() return pool:pollfd() end } }, nil, seconds)
  pool:step()
  return #ready > 0
end

local function rounds_until(condition)
  local deadline = scratch.now() + SECONDS
  while not condition() do
    assert(scratch.now() < deadline, "it went on for too long")
    round()
  end
end

describe("a pool that another loop polls", function()
  local server

  setup(function() server = redis_server.start() end)
  teardown(function()
    pool:close()
    server:stop()
  end)

  it("tells its descriptor, for what and for how long it is to be polled", function()
    assert.equal("integer", math.type(pool:pollfd()))
    assert.equal(pool:pollfd(), pool:pollfd())
    assert.equal("r", pool:events())
    rounds_until(function() return pool:timeout() == nil end)
    local is_over = false
    local task = moonpool.spawn(function()
      moonpool.sleep(0.02)
      is_over = true
    end)
    assert.equal(0, pool:timeout()) -- it has been used: a step is due
    pool:step()
    assert.is_true(pool:timeout() > 0 and pool:timeout() <= 0.02)
    rounds_until(function() return is_over end)
    assert.is_true(task.is_ended)
    assert.is_false(pool:is_active())
    assert.is_false(pool:step())
  end)

  it("is woken by what is asked of it outside of a step", function()
    rounds_until(function() return pool:timeout() == nil end)
    local redis
    moonpool.spawn(function() redis = assert(moonpool.connect(server.url)) end)
    local before = scratch.now()
    assert.is_true(round()) -- at once, although it might have slept for half a minute
    assert.is_true(scratch.now() - before < SECONDS / 2)
    rounds_until(function() return redis end)
    redis:close()
  end)

  it("runs handlers and tasks that await", function()
    local got, answers, redis = {}, {}, nil
    moonpool.spawn(function()
      redis = assert(moonpool.connect(server.url))
      assert(redis:subscribe("pool", function(payload)
        got[#got + 1] = payload
        answers[#answers + 1] = redis:incr "count"
      end))
      for number = 1, 100 do redis:publish("pool", tostring(number)) end
    end)
    rounds_until(function() return #answers == 100 end)
    for number = 1, 100 do
      assert.equal(tostring(number), got[number])
      assert.equal(number, answers[number])
    end
    assert.is_true(pool:is_active()) -- a handler is there
    redis:close()
  end)

  it("refuses a step inside of a step", function()
    local message
    moonpool.spawn(function()
      message = select(2, pcall(pool.step, pool))
    end)
    assert.matches("pool:step was called from inside of a step", message)
    local inside
    moonpool.spawn(function()
      moonpool.sleep(0)
      inside = select(2, pcall(pool.close, pool))
    end)
    rounds_until(function() return inside end)
    assert.matches("pool:close was called from inside of a step", inside)
  end)

  it("is stopped by a task, or between two steps: the next one says so, once", function()
    local timer = moonpool.timer(60, function() end)
    assert.is_true(pool:step())
    pool:stop()
    assert.is_false(pool:is_active())
    assert.is_false(pool:step())
    assert.is_true(pool:step())
    moonpool.spawn(function()
      moonpool.sleep(0)
      moonpool.stop()
    end)
    assert.is_false(pool:step())
    assert.is_true(pool:step())
    timer:close()
  end)

  it("closes its clients, ends what waits, and begins anew", function()
    local function descriptors() return #assert(system.files_in("/proc/self/fd", "")) end
    pool:close()
    local before, redis, results = descriptors(), nil, nil
    moonpool.spawn(function()
      redis = assert(moonpool.connect(server.url))
      results = { redis:blpop("nothing", 0) }
    end)
    rounds_until(function() return server:clients "normal" == 2 end) -- the second one is blocked
    assert.is_true(pool:close())
    rounds_until(function() return results end)
    assert.same({ nil, "ECLOSED" }, { results[1], results[3] })
    assert.is_true(pool:close())
    assert.equal(before, descriptors())
    local again
    moonpool.spawn(function()
      local other = assert(moonpool.connect(server.url))
      again = other:ping()
      other:close()
    end)
    rounds_until(function() return again end)
    assert.equal("PONG", again)
  end)
end)

describe("a host", function()
  local function run_script(text)
    return program.run { program.LUA, "-", stdin = text,
      env = { LUA_PATH = package.path, LUA_CPATH = package.cpath } }
  end

  it("is installed once a Lua state, and before moonpool's own loop runs", function()
    local result = run_script [[
      local hosted, moonpool = require "moonpool.hosted", require "moonpool"
      local function nothing() end
      local function host(name)
        return { name = name, spawn = nothing, token = nothing, wait = nothing, wake = nothing,
          poll = nothing, run = nothing }
      end
      moonpool.run(function() print(select(2, pcall(hosted.install, host "early"))) end)
      hosted.install(host "one")
      print(select(2, pcall(hosted.install, host "two")))
      print(select(2, pcall(moonpool.pool.step, moonpool.pool)))
    ]]
    assert.same({ 0, "" }, { result.status, result.stderr })
    local early, second, step = result.stdout:match "^([^\n]+)\n([^\n]+)\n([^\n]+)\n$"
    assert.matches("a host is installed before that", early)
    assert.matches("has the host 'one' already, and cannot have 'two' too: one a Lua state", second)
    assert.matches("called by the host", step)
  end)
end)
