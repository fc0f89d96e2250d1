local json = require("moonpool").json
local new_session = require "spec.support.session"
local scratch = require "spec.support.scratch"

describe("moonpool watch", function()
  local session = new_session(before_each, after_each)
  local start, run = session.start, session.run

  local function watch(options)
    local words = { "watch" }
    for name, value in pairs(options) do
      if type(name) == "number" then words[name + 1] = value else words[name] = value end
    end
    local program = start(words)
    -- Subscribed is not yet listening: it has begun when it prints what it hears.
    scratch.wait_until(function()
      session.server:call("PUBLISH", "room:l", '{"type":"join","user":"begun"}')
      return program:output():find("begun", 1, true)
    end)
    return program
  end

  local function say(room, text)
    local result = run { "say", room, text or "hi", "--as", "ann" }
    assert.equal(0, result.status, result.stderr)
  end

  it("prints what is said in every room that matches", function()
    local program = watch { "--count", "3", "l*" }
    say "lobby"
    say "deck"
    say "lounge"
    say "lobby"
    assert.equal(0, program:wait())
    local stamp = "%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d "
    assert.matches("^" .. stamp .. "lobby <ann> hi\n" .. stamp .. "lounge <ann> hi\n" .. stamp
      .. "lobby <ann> hi\n$", (program:output():gsub("[^\n]*begun[^\n]*\n", "")))
    assert.equal("", program:errors())
  end)

  it("prints it as JSON, signals and gaps too", function()
    local program = watch { "--json" }
    say("a", "1")
    program:expect('^{"event":"message","room":"a","id":"[^"]+","at":[%d.]+,'
      .. '"user":"ann","text":"1"}$')
    session.server:call("PUBLISH", "room:b c", '{"type":"join","user":"bob"}')
    program:expect '^{"event":"join","room":"b c","user":"bob"}$'
    program:signal "TERM"
    assert.equal(0, program:wait())
  end)

  it("misses nothing in a room that it knows when its connection is lost", function()
    local program = watch { "--json", "--count", "21" }
    say("a", "0")
    program:expect '"text":"0"'
    session.server:call("CLIENT", "KILL", "TYPE", "pubsub")
    local lines = {}
    for number = 1, 20 do lines[number] = tostring(number) end
    run { "say", "a", "--as", "ann", stdin = table.concat(lines, "\n") }
    assert.equal(0, program:wait())
    local texts = {}
    for line in program:output():gmatch "[^\n]+" do
      local event = json.decode(line)
      assert.not_equal("gap", event.event)
      if event.event == "message" then texts[#texts + 1] = event.text end
    end
    assert.equal("0 " .. table.concat(lines, " "), table.concat(texts, " "))
  end)

  it("tells how much is said", function()
    local program = watch { "--json", "--rates", "1" }
    say "a"
    say "a"
    say "b"
    program:expect '^{"event":"rates","total":3,"rooms":2,"rate":[%d.]+,"busiest":%[.*%]}$'
    local text = watch { "--rates", "1" }
    text:expect "^%-%- 0 messages in 0 rooms, 0.0 a second$"
  end)

  it("paints on a terminal, and shows how much is said in its last line", function()
    local program = watch { tty = true, stdin = "pipe", env = {
      REDIS_URL = session.server.url, TERM = "xterm", NO_COLOR = false } }
    say "lobby"
    program:expect "lobby\27%[0m \27%[38;5;%d+m<ann>\27%[0m hi"
    scratch.wait_until(function()
      return program:output():find("1 message in 1 room, ", 1, true)
    end)
    program:write "\3"
    assert.equal(0, program:wait())
  end)

  it("names what it may not do", function()
    session.server:call("ACL", "SETUSER", "default", "resetchannels", "&other")
    local result = run { "watch" }
    assert.equal(1, result.status)
    assert.matches("^moonpool watch: cannot watch %*: .", result.stderr)
  end)
end)
