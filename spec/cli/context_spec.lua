local peer = require "spec.support.peer"
local program = require "spec.support.program"
local new_session = require "spec.support.session"
local scratch = require "spec.support.scratch"

describe("a program that is told to end", function()
  local session = new_session(before_each, after_each)
  local start = session.start

  it("does not wait for a script that sleeps", function()
    local bot = scratch.write(scratch.folder() .. "/sleeper.lua",
      'bot:on("start", function() require("moonpool").sleep(600) end)')
    local run = start { "run", bot }
    run:expect_error "ready"
    run:signal "TERM"
    assert.equal(0, run:wait())
  end)

  it("does not wait for a Redis that does not answer", function()
    local silent = peer.start { script = { { silence = true } } }
    finally(function() silent:stop() end)
    local sub = start { "sub", "--redis", silent.url, "a" }
    silent:wait_for(function() return silent:connections() > 0 end, nil, "a connection")
    sub:signal "TERM"
    assert.equal(0, sub:wait())
  end)

  it("ends in order on SIGHUP too", function()
    local sub = start { "sub", "--json", "a" }
    sub:expect '"event":"subscribe"'
    sub:signal "HUP"
    assert.equal(0, sub:wait())
    assert.matches('"event":"unsubscribe"', sub:output())
  end)

  it("takes a signal that is sent twice at once for one", function()
    local sub = start { "sub", "--json", "a" }
    sub:expect '"event":"subscribe"'
    scratch.shell(("kill -TERM %d; kill -HUP %d"):format(sub.pid, sub.pid))
    assert.equal(0, sub:wait())
    assert.matches('"event":"unsubscribe"', sub:output())
  end)

  it("does not wait for a reader that has stopped reading", function()
    local fifo = scratch.folder() .. "/fifo"
    scratch.shell("mkfifo " .. fifo)
    local reader = program.start { "sh", "-c", "exec sleep 600 < " .. fifo }
    session.keep(reader)
    local writer = program.start {
      "sh", "-c", ("exec lua5.4 %s/bin/moonpool sub --redis %s a > %s"):format(
        scratch.shell "pwd", session.server.url, fifo),
    }
    session.keep(writer)
    scratch.wait_until(function() return session.server:subscribers "a" == 1 end)
    session.server:call("EVAL", "for i = 1, 3000 do redis.call('PUBLISH', 'a', ARGV[1]) end", "0",
      ("x"):rep(1000))
    scratch.wait_until(function()
      local written = scratch.read(("/proc/%d/io"):format(writer.pid)):match "wchar: (%d+)"
      return tonumber(written) >= 65536
    end, nil, "a full pipe")
    writer:signal "TERM"
    assert.equal(0, writer:wait())
  end)
end)
