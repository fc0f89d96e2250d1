-- examples/tail.c, the core without Lua; built beside the tests.
local program = require "spec.support.program"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"

describe("examples/tail.c", function()
  local server, tail

  before_each(function() server = redis_server.start() end)
  after_each(function()
    if tail then tail:stop() end
    tail = nil
    server:stop()
  end)

  local function start(...)
    tail = program.start { "build/examples/tail", "-u", server.url, ... }
    return tail
  end

  local function say(text)
    local said = program.run_moonpool { "say", "galley", text, "--as", "ann",
      "--redis", server.url }
    assert.equal(0, said.status, said.stderr)
  end

  it("prints every message of its channels, until Ctrl-C", function()
    start("a", "b"):expect_error "listening"
    server:call("PUBLISH", "a", "one")
    server:call("PUBLISH", "b", "two words")
    server:call("PUBLISH", "c", "nobody's")
    server:call("PUBLISH", "a", "")
    tail:expect "^a\tone$"
    tail:expect "^b\ttwo words$"
    tail:expect "^a\t$"
    tail:signal "INT"
    assert.equal(0, tail:wait())
    assert.equal(0, server:subscribers "a")
  end)

  it("prints what matches its patterns, with the channel", function()
    start("-p", "tides:*", "winds:*"):expect_error "listening"
    server:call("PUBLISH", "winds:north", "5")
    server:call("PUBLISH", "tides:dover", "high")
    tail:expect "^winds:north\t5$"
    tail:expect "^tides:dover\thigh$"
    tail:signal "TERM"
    assert.equal(0, tail:wait())
  end)

  it("tells that messages may be missing, and goes on", function()
    start("a"):expect_error "listening"
    server:call("CLIENT", "KILL", "TYPE", "pubsub")
    tail:expect_error "connected again; what was published meanwhile is missing"
    server:call("PUBLISH", "a", "later")
    tail:expect "^a\tlater$"
  end)

  it("follows a room: the last messages, then what is said, once over a lost link", function()
    for _, text in ipairs { "one", "two", "three" } do say(text) end
    start("-r", "-n", "2", "galley")
    local _, first = tail:expect '^([%d]+%-2%-%x+)\t{"user":"ann","text":"two"}$'
    assert.truthy(first)
    tail:expect '"text":"three"}$'
    server:call("CLIENT", "KILL", "TYPE", "pubsub")
    say "four"
    tail:expect '^%d+%-4%-%x+\t{"user":"ann","text":"four"}$'
    tail:expect_error "connected again"
    server:call("PUBLISH", "room:galley", '{"type":"typing"}')
    tail:expect '^%-\t{"type":"typing"}$'
    tail:signal "INT"
    assert.equal(0, tail:wait())
    local _, lines = tail:output():gsub("\n", "")
    assert.equal(4, lines)
  end)

  it("tells what is missing when the room was destroyed meanwhile", function()
    say "one"
    start("-r", "galley"):expect '"text":"one"}$'
    server:call("FLUSHALL")
    say "two"
    tail:expect_error "missing here"
    tail:expect '"text":"two"}$'
  end)

  it("ends when its reader has gone", function()
    tail = program.start { "bash", "-c",
      ("build/examples/tail -u %s a | head -n 1; echo ${PIPESTATUS[0]} >&2")
        :format(scratch.quote(server.url)) }
    tail:expect_error "listening"
    server:call("PUBLISH", "a", "first")
    tail:expect "^a\tfirst$"
    scratch.wait_until(function()
      server:call("PUBLISH", "a", "more")
      return not tail:is_running()
    end)
    tail:expect_error "^141$"
  end)

  it("tells of errors", function()
    local function failed(status, message, ...)
      local result = program.run { "build/examples/tail", ... }
      assert.equal(status, result.status)
      assert.equal("", result.stdout)
      assert.matches(message, result.stderr, 1, true)
    end
    failed(1, "tail: cannot connect: connect to unix:/none", "-u", "unix:///nonexistent", "a")
    failed(1, 'tail: cannot begin: bad URL: unknown scheme "ftp"', "-u", "ftp://here", "a")
    failed(1, "tail: cannot begin: bad room name: a brace", "-u", server.url, "-r", "a{b}")
    failed(2, "usage: tail", "-u", server.url)
    failed(2, "usage: tail", "-r", "one", "two")
    failed(2, "usage: tail", "-x")
    server:call("ACL", "SETUSER", "default", "resetchannels")
    failed(1, "tail: cannot subscribe: ", "-u", server.url, "a")
  end)
end)
