local program = require "spec.support.program"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"

describe("moonpool sub", function()
  local server, sub

  before_each(function() server = redis_server.start() end)
  after_each(function()
    if sub then sub:stop() end
    sub = nil
    server:stop()
  end)

  local function start(options)
    local words = { "sub", "--redis", server.url }
    table.move(options, 1, #options, #words + 1, words)
    for _, name in ipairs { "pipe", "tty", "stdin" } do words[name] = options[name] end
    return program.moonpool(words)
  end

  local function start_json(...)
    sub = start { "--json", ... }
    sub:expect '"event":"subscribe"'
    return sub
  end

  it("prints channel and payload", function()
    sub = start { "--count", "2", "a", "b" }
    scratch.wait_until(function() return server:subscribers "b" == 1 end)
    server:call("PUBLISH", "a", "hello there")
    server:call("PUBLISH", "b", "")
    assert.equal(0, sub:wait())
    assert.equal("a hello there\nb \n", sub:output())
  end)

  it("gives a payload's own bytes to pipes and files, in text mode too", function()
    sub = start { "--count", "1", "a", pipe = true }
    scratch.wait_until(function() return server:subscribers "a" == 1 end)
    server:call("PUBLISH", "a", "\27[31m\xFF\0\r\n%s")
    assert.equal(0, sub:wait())
    assert.equal("a \27[31m\xFF\0\r\n%s\n", sub:output())
  end)

  it("does not let messages steer a terminal", function()
    sub = start { "--count", "1", "a", tty = true }
    scratch.wait_until(function() return server:subscribers "a" == 1 end)
    server:call("PUBLISH", "a", "\27[31mred")
    assert.equal(0, sub:wait())
    assert.matches("a ␛%[31mred", sub:output())
  end)

  it("with --json prints one object a line", function()
    sub = start { "--json", "--pattern", "r*", "--pattern", "s*", "a b", "c" }
    sub:expect '^{"event":"subscribe","action":"psubscribe","channel":"s%*","count":4}$'
    server:call("PUBLISH", "a b", 'say "hi"\n')
    server:call("PUBLISH", "room", "\xFFbin")
    sub:expect '"payload_base64"'
    sub:signal "TERM"
    assert.equal(0, sub:wait())
    assert.equal([[
{"event":"subscribe","action":"subscribe","channel":"a b","count":1}
{"event":"subscribe","action":"subscribe","channel":"c","count":2}
{"event":"subscribe","action":"psubscribe","channel":"r*","count":3}
{"event":"subscribe","action":"psubscribe","channel":"s*","count":4}
{"event":"message","channel":"a b","pattern":null,"payload":"say \"hi\"\n"}
{"event":"message","channel":"room","pattern":"r*","payload_base64":"/2Jpbg=="}
{"event":"unsubscribe","action":"unsubscribe","channel":"a b","count":3}
{"event":"unsubscribe","action":"unsubscribe","channel":"c","count":2}
{"event":"unsubscribe","action":"punsubscribe","channel":"r*","count":1}
{"event":"unsubscribe","action":"punsubscribe","channel":"s*","count":0}
]], sub:output())
  end)

  it("keeps names byte-exact", function()
    local name = "%s \r\n*[x]?\\ \xFF"
    start_json(name)
    assert.equal(1, server:subscribers(name))
    server:call("PUBLISH", name, "here")
    sub:expect '"channel_base64":"JXMgDQoqW3hdP1wg/w==","pattern":null,"payload":"here"'
  end)

  it("exits after --count messages, and prints no more", function()
    sub = start { "--json", "--count", "3", "a" }
    sub:expect '"event":"subscribe"'
    for number = 1, 5 do server:call("PUBLISH", "a", tostring(number)) end
    assert.equal(0, sub:wait())
    local _, messages = sub:output():gsub('"event":"message"', "")
    assert.equal(3, messages)
    scratch.wait_until(function() return server:subscribers "a" == 0 end)
  end)

  it("loses nothing of a long stream into a slow pipe", function()
    local count, payload = 100000, ("x"):rep(100)
    local root = scratch.shell "pwd"
    sub = program.start { "sh", "-c", ("lua5.4 %s/bin/moonpool sub --redis %s --count %d a | "
      .. "{ sleep 0.3; cat; }"):format(root, server.url, count) }
    scratch.wait_until(function() return server:subscribers "a" == 1 end)
    server:call("EVAL", ("for i = 1, %d do redis.call('PUBLISH', 'a', i .. '%s') end"):format(
      count, payload), "0")
    assert.equal(0, sub:wait())
    local expected = 0
    for line in sub:output():gmatch "[^\n]+" do
      expected = expected + 1
      if line ~= "a " .. expected .. payload then error("line " .. expected .. ": " .. line) end
    end
    assert.equal(count, expected)
  end)

  it("ends quietly when nobody reads its output any more", function()
    local root = scratch.shell "pwd"
    sub = program.start { "sh", "-c", ("{ lua5.4 %s/bin/moonpool sub --json --redis %s a; "
      .. "echo status $? >&2; } | { read -r line; echo \"$line\"; }"):format(root, server.url) }
    sub:expect '"event":"subscribe"'
    scratch.wait_until(function()
      server:call("PUBLISH", "a", "2") -- its reader has gone: one of these meets a closed pipe
      return not sub:is_running()
    end)
    assert.equal("status 0\n", sub:errors())
  end)

  it("tells of an output that cannot be written", function()
    local root = scratch.shell "pwd"
    local result = program.run { "sh", "-c", ("lua5.4 %s/bin/moonpool sub --json --redis %s a "
      .. "> /dev/full"):format(root, server.url) }
    assert.equal(1, result.status)
    assert.matches("^moonpool sub: standard output: .*No space left", result.stderr)
  end)

  it("goes on after its connection was lost, and says so", function()
    start_json "a"
    server:call("CLIENT", "KILL", "TYPE", "pubsub")
    sub:expect '^{"event":"gap","reason":"reconnect"}$'
    sub:expect '^{"event":"reconnect"}$'
    server:call("PUBLISH", "a", "again")
    sub:expect '"payload":"again"'
  end)

  it("says so on standard error without --json", function()
    sub = start { "a" }
    scratch.wait_until(function() return server:subscribers "a" == 1 end)
    server:call("CLIENT", "KILL", "TYPE", "pubsub")
    sub:expect_error "^moonpool sub: connected again; what was published meanwhile is missed$"
    assert.equal("", sub:output())
    assert.not_matches("missed some", sub:errors())
  end)

  it("ends in order on Ctrl-C", function()
    sub = start { "--json", "a", tty = true, stdin = "pipe" }
    sub:expect '"event":"subscribe"'
    sub:write "\3"
    sub:expect '"event":"unsubscribe","action":"unsubscribe","channel":"a","count":0'
    assert.equal(0, sub:wait())
    scratch.wait_until(function() return server:subscribers "a" == 0 end)
  end)

  it("names a channel that it may not subscribe to", function()
    server:call("ACL", "SETUSER", "default", "resetchannels", "&allowed")
    local result = program.run_moonpool { "sub", "--redis", server.url, "allowed", "secret" }
    assert.equal(1, result.status)
    assert.matches("^moonpool sub: .*secret", result.stderr)
  end)
end)
