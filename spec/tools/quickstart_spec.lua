local program = require "spec.support.program"
local scratch = require "spec.support.scratch"

describe("quickstart", function()
  local running

  -- All that it starts and makes is in the folder.
  local function start(options)
    local folder = scratch.folder()
    options[1] = "./quickstart"
    options.env = { TMPDIR = folder, REDIS_URL = "redis://not.used.invalid" }
    running = program.start(options)
    return running, folder
  end

  local function assert_nothing_left(folder)
    assert.same({}, scratch.processes(folder))
    assert.equal("", scratch.shell("ls -A " .. folder))
  end

  after_each(function()
    if running then
      running:stop()
      running = nil
    end
  end)

  it("explains itself", function()
    local result = program.run { "./quickstart", "--help" }
    assert.equal(0, result.status)
    assert.matches("Usage: ./quickstart", result.stdout, 1, true)
  end)

  it("refuses what it does not know", function()
    local result = program.run { "./quickstart", "tset" }
    assert.equal(2, result.status)
    assert.matches("Usage", result.stderr)
  end)

  it("shows the conversation with the bots' answers, and ends", function()
    local demo, folder = start { pipe = true }
    assert.equal(0, demo:wait())
    demo:expect("^<greeter> Welcome to moonpool, selene!$")
    demo:expect("^%* selene climbs down the ladder$")
    demo:expect("^<selene> !roll 2d6$")
    demo:expect("^<dice> selene rolls 2d6: %d %+ %d = %d+$")
    demo:expect("^%-%- cousteau is now known as cousteau_diving$")
    demo:expect("^<seen> cousteau became cousteau_diving")
    demo:expect("^<nemo> !stats$")
    demo:expect("^<stats> %d+ messages and %d+ words by %d+ users")
    assert.equal("", demo:errors())
    assert_nothing_left(folder)
  end)

  it("leaves nothing behind when it is interrupted", function()
    for signal, status in pairs { INT = 130, TERM = 143 } do
      local demo, folder = start {}
      demo:expect("^<cousteau> always")
      demo:signal(signal, signal == "INT")
      assert.equal(status, demo:wait())
      assert_nothing_left(folder)
    end
  end)

  it("lets one in on a terminal, and talk to the bots", function()
    local demo, folder = start { tty = true, stdin = "pipe", columns = 200 }
    local _, url = demo:expect("moonpool chat moonpool %-%-as ann %-%-redis (unix:%g+)")
    local joined = program.run_moonpool { "rooms", "--redis", url }
    assert.same({ 0, "" }, { joined.status, joined.stderr })
    demo:expect("^<stats>")
    demo:write("!roll 3d6\n")
    demo:expect("^<dice> guest rolls 3d6: %d %+ %d %+ %d = %d+")
    demo:write("\4")
    assert.equal(0, demo:wait())
    assert_nothing_left(folder)
  end)

  it("leaves nothing behind when one leaves at once", function()
    for _ = 1, 2 do
      local demo, folder = start { tty = true, stdin = "pipe" }
      demo:write("\4")
      assert.equal(0, demo:wait())
      assert.is_nil(demo:output():match "demo%.sh[^\n]*")
      assert_nothing_left(folder)
    end
  end)
end)
