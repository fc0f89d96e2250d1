local scratch = require "spec.support.scratch"
local socket = require "socket.unix"
local supervised = require "spec.support.supervised"
local system = require("moonpool.core").system

local READY = "worker:ready()"

describe("a supervisor", function()
  local running, folder

  before_each(function()
    running, folder = nil, scratch.folder()
  end)
  after_each(function()
    if running then running:stop() end
    scratch.wait_until(function() return #scratch.processes(folder) == 0 end, nil, "no process")
  end)

  local function start(options, work, env)
    running = supervised.start(options, work, { env = env, cwd = folder })
    return running
  end

  local function next_worker() return supervised.next_worker(running) end

  it("starts a worker anew that was killed", function()
    start("{}", READY .. " tell 'runs'")
    local first = next_worker()
    running:expect "^runs$"
    system.kill(first, "SIGKILL")
    running:expect(("^log worker %d was ended by SIGKILL; starting another one$"):format(first))
    assert.not_equal(first, next_worker())
    running:expect "^runs$"
  end)

  it("kills a worker that gives no sign of life", function()
    start("{ stall = 1.5 }", READY .. " tell 'runs'")
    local first = next_worker()
    running:expect "^runs$"
    system.kill(first, "SIGSTOP")
    running:expect(("^log worker %d gave no sign of life for 1.5 s and was killed;"):format(first))
    next_worker()
  end)

  it("names the script that its worker was killed for, and goes on without it", function()
    start("{ grace = 0.05, retry_min = 7, settings = { redis = 'somewhere' } }", [[
      worker:ready()
      tell("aside", #worker.settings.set_aside, worker.settings.redis)
      local entry = worker.set_aside["bad one"]
      if entry then
        tell(entry.reason, entry.times, entry.retry_in > 6 and entry.retry_in <= 7)
      else
        worker.stream:write "stuck fine\nfree fine\nstuck bad one\n"
      end
    ]])
    running:expect "^aside\t0\tsomewhere$"
    running:expect("^log bad one: stuck for more than 0.05 s; worker %d+ was killed; going on "
      .. "without it for 7 s$")
    running:expect "^aside\t1\tsomewhere$"
    running:expect "^it was stuck\t1\ttrue$"
  end)

  it("learns from an isolate that it is stuck inside a C function", function()
    start("{ grace = 0.2 }", [[
      worker:ready()
      local isolate = require("moonpool.core").isolate
      local iso = isolate.new { name = "slow", budget = 0.05 }
      iso:boot("return function() return ('a'):rep(30000):find(('.-'):rep(6) .. 'b') end", "=slow")
      if not worker.set_aside.slow then iso:start "go" end
      tell "runs"
    ]])
    running:expect "^log slow: stuck for more than 0.2 s;"
    running:expect "^runs$"
  end)

  it("gives up when workers fail too often", function()
    start("{ max_restarts = 2, backoff_min = 0.01 }", READY .. " return 1")
    for _ = 1, 3 do next_worker() end
    assert.equal(70, running:wait())
    assert.matches("in 0.01 s\n.*more than 2 failures within 60 s: giving up\n$",
      running:output())
  end)

  it("ends as its first worker does that was never ready, or with a bad configuration", function()
    start("{}", "return 3")
    assert.equal(3, running:wait())
    start("{}", READY .. " return 78")
    assert.equal(78, running:wait())
  end)

  it("has its worker end in order", function()
    start("{}", READY .. " tell 'runs'")
    running:expect "^runs$"
    running:signal "TERM"
    assert.equal(0, running:wait())
    assert.matches("runs\nstopped\n$", running:output())
  end)

  it("kills a worker that does not end in time", function()
    start("{ drain = 0.05 }", READY .. " tell 'runs' while true do end")
    running:expect "^runs$"
    running:signal "TERM"
    assert.equal(70, running:wait())
    assert.matches("did not end within 0.05 s and was killed\n$", running:output())
  end)

  it("ends while it waits before the next start", function()
    start("{ backoff_min = 600, backoff_max = 600 }", READY .. " return 1")
    running:expect "in 600 s$"
    running:signal "TERM"
    assert.equal(0, running:wait())
  end)

  it("has its worker end when it is killed itself", function()
    start("{}", READY .. " tell 'runs'")
    running:expect "^runs$"
    running:signal "KILL"
    scratch.wait_until(function() return running:output():find "\nstopped\n" end, nil,
      "its worker's end") -- which comes after its own; after_each sees to it that nothing is left
  end)

  it("tells a service manager", function()
    local path = folder .. "/notify"
    local manager = assert(socket.dgram())
    assert(manager:bind(path))
    manager:settimeout(60)
    local function expect(text)
      local message
      repeat message = assert(manager:receive()) until message ~= "WATCHDOG=1"
      assert.matches(text, message)
    end
    start("{}", [[
      worker.handlers.reload = function() worker:reloaded() end
      assert(not os.getenv "NOTIFY_SOCKET")
      worker:status "two bots"
      worker:ready()
    ]], { NOTIFY_SOCKET = path, WATCHDOG_USEC = "20000" })
    expect "^STATUS=two bots$"
    expect "^READY=1$"
    assert.equal("WATCHDOG=1", manager:receive())
    running:signal "HUP"
    expect "^RELOADING=1\nMONOTONIC_USEC=%d+$"
    expect "^READY=1$"
    running:signal "TERM"
    expect "^STOPPING=1$"
    assert.equal(0, running:wait())
    manager:close()
  end)
end)
