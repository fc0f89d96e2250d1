local new_session = require "spec.support.session"
local json = require("moonpool").json
local room_frame = require "moonpool.room_frame"
local scratch = require "spec.support.scratch"

describe("moonpool chat", function()
  local session = new_session(before_each, after_each)
  local start = session.start

  local function join(user, options)
    local words = { "chat", "lobby", "--as", user, stdin = "pipe" }
    for name, value in pairs(options or {}) do words[name] = value end
    return start(words)
  end

  local function listen()
    local sub = start { "sub", "--json", "room:lobby" }
    sub:expect '"event":"subscribe"'
    return sub
  end

  -- The bodies of what a sub has printed.
  local function payloads(sub)
    local found = {}
    for line in sub:output():gmatch "[^\n]+" do
      local event = assert(json.decode(line))
      if event.event == "message" then
        found[#found + 1] = room_frame.open(event.payload)
      end
    end
    return found
  end

  local function wait_for_member(user)
    scratch.wait_until(function()
      return session.server:call("HEXISTS", "{room:lobby}:who", user) == 1
    end)
  end

  -- What was said last.
  local function last_body()
    local entry = session.server:call("XREVRANGE", "{room:lobby}:log", "+", "-", "COUNT", "1")[1]
    return entry and entry[2][4] or ""
  end

  it("says what is typed, between a join and a leave", function()
    local sub = listen()
    local ann = join("ann", { stdin = "hello \"you\"\n\n/me waves\r\n//shrug\nlast" })
    assert.equal(0, ann:wait())
    sub:expect '"payload":"{\\"type\\":\\"leave'
    assert.same({
      '{"type":"join","user":"ann"}',
      '{"user":"ann","text":"hello \\"you\\""}',
      '{"type":"action","user":"ann","text":"waves"}',
      '{"user":"ann","text":"/shrug"}',
      '{"user":"ann","text":"last"}',
      '{"type":"leave","user":"ann"}',
    }, payloads(sub))
    assert.equal("", ann:output())
    assert.equal("", ann:errors())
  end)

  it("prints what others say", function()
    local ann = join "ann"
    wait_for_member "ann"
    local bob = join "bob"
    ann:expect "^%-%- bob joined$"
    bob:write "hi ann\n"
    ann:expect "^<bob> hi ann$"
    ann:write "hi bob\n"
    bob:expect "^<ann> hi bob$"
    bob:write "/me waves\n"
    ann:expect "^%* bob waves$"
    bob:write "/quit\nnot said\n"
    ann:expect "^%-%- bob left$"
    assert.equal(0, bob:wait())
    ann:close_stdin()
    assert.equal(0, ann:wait())
    assert.is_nil(ann:output():find("not said", 1, true))
    assert.is_nil(ann:output():find("<ann>", 1, true))
  end)

  it("prints another's message that equals ours", function()
    local ann = join "ann"
    wait_for_member "ann"
    ann:write "hi\n"
    local payload = '{"user":"ann","text":"hi"}'
    local sub = listen()
    ann:write "marker\n"
    sub:expect "marker"
    session.server:call("PUBLISH", "room:lobby", payload)
    ann:expect "^<ann> hi$"
  end)

  it("leaves on Ctrl-C and on SIGTERM", function()
    local sub = listen()
    for _, signal in ipairs { "INT", "TERM" } do
      local ann = join "ann"
      sub:expect "join"
      ann:signal(signal)
      sub:expect '"payload":"{\\"type\\":\\"leave\\",\\"user\\":\\"ann\\"}"'
      assert.equal(0, ann:wait())
      assert.equal("", ann:errors())
    end
  end)

  it("greets on a terminal, and leaves at Ctrl-D", function()
    local ann = join("ann", { tty = true, stdin = "pipe" })
    ann:expect "you are ann in lobby"
    ann:write "hello\n"
    ann:write "\4"
    assert.equal(0, ann:wait())
  end)

  it("takes the room's channel for its name", function()
    local sub = listen()
    start { "chat", "room:lobby", "--as", "ann", stdin = "hi\n" }
    sub:expect "hi"
  end)

  it("explains commands that it does not know, and says nothing", function()
    local sub = listen()
    local ann = join("ann", { stdin = "/dance now\n" })
    assert.equal(0, ann:wait())
    assert.matches("^moonpool chat: there is no /dance", ann:errors())
    sub:expect "leave"
    assert.equal(2, #payloads(sub))
  end)

  it("tells what was not sent, and goes on", function()
    local ann = join "ann"
    wait_for_member "ann"
    session.server:call("ACL", "SETUSER", "default", "-evalsha", "-eval")
    ann:write "hello\n"
    ann:expect_error "^moonpool chat: not sent: .*NOPERM"
    session.server:call("ACL", "SETUSER", "default", "+evalsha", "+eval")
    ann:write "again\n"
    ann:close_stdin()
    assert.equal(1, ann:wait())
    assert.equal("again", json.decode(last_body()).text)
  end)

  it("tells what was stored and not announced", function()
    local ann = join "ann"
    wait_for_member "ann"
    session.server:call("ACL", "SETUSER", "default", "-publish")
    ann:write "hello\n"
    ann:expect_error "^moonpool chat: sent, but .*stored, not announced"
    assert.equal("hello", json.decode(last_body()).text)
  end)

  it("tells why it cannot enter", function()
    session.server:call("ACL", "SETUSER", "default", "resetchannels", "&other")
    local ann = join "ann"
    assert.equal(1, ann:wait())
    assert.matches("^moonpool chat: cannot enter lobby: ", ann:errors())
  end)

  it("prints what was said before, ten messages unless told otherwise", function()
    local lines = {}
    for number = 1, 12 do lines[number] = tostring(number) end
    session.run { "say", "lobby", "--as", "ann", stdin = table.concat(lines, "\n") }
    local function shown(...)
      local bob = start { "chat", "lobby", "--as", "bob", stdin = "pipe", ... }
      wait_for_member "bob"
      session.run { "say", "lobby", "now", "--as", "ann" }
      bob:expect "^<ann> now$"
      bob:close_stdin()
      assert.equal(0, bob:wait())
      return bob:output()
    end
    local texts = {}
    for stamp, text in shown():gmatch "(%[[^%]]*%]) <ann> (%d+)\n" do
      assert.matches("%d%d:%d%d%]$", stamp)
      texts[#texts + 1] = text
    end
    assert.equal("3 4 5 6 7 8 9 10 11 12", table.concat(texts, " "))
    assert.equal("<ann> now\n", shown("--last", "0"))
  end)

  it("prints our own messages of before and of elsewhere, and not those of now", function()
    session.run { "say", "lobby", "before", "--as", "ann" }
    local ann = join "ann"
    wait_for_member "ann"
    local texts = {}
    for number = 1, 50 do texts[number] = "now " .. number end
    ann:write(table.concat(texts, "\n") .. "\n")
    scratch.wait_until(function() return last_body():find("now 50", 1, true) end)
    session.run { "say", "lobby", "elsewhere", "--as", "ann" }
    ann:expect "^%[.*%] <ann> before$"
    ann:expect "^<ann> elsewhere$"
    assert.is_nil(ann:output():find("now", 1, true))
  end)

  it("tells who is there", function()
    local ann = join "ann"
    wait_for_member "ann"
    ann:write "/who\n"
    ann:expect "^%-%- here: ann$"
    local bob = join "bob"
    ann:expect "^%-%- bob joined$"
    bob:write "/who\n"
    bob:expect "^%-%- here: ann, bob$"
    for number = 1, 60 do
      session.server:call("HSET", "{room:lobby}:who", "u" .. number, 1e12 + number)
    end
    bob:write "/who\n"
    bob:expect "^%-%- here: .* and %d+ more$"
  end)

  it("misses nothing when its connection is lost", function()
    local ann = join "ann"
    wait_for_member "ann"
    for round = 1, 3 do
      session.server:call("CLIENT", "KILL", "TYPE", "pubsub")
      session.run { "say", "lobby", "round " .. round, "--as", "bob" }
      ann:expect("^<bob> round " .. round .. "$")
    end
    assert.is_nil(ann:output():find("missed", 1, true))
  end)

  it("shows what is no message of a room, and lets none of it steer the terminal", function()
    local ann = join "ann"
    wait_for_member "ann"
    local cases = {
      { "plain words", "<somebody> plain words" }, { "[1,2]", "<somebody> [1,2]" },
      { "\xFF\xFE", "<somebody> \u{FFFD}\u{FFFD}" }, { "{}", "<somebody> " },
      { '{"user":12,"text":"hi"}', "<somebody> hi" },
      { '{"type":"rename","to":{}}', "-- somebody is now known as somebody else" },
      { '{"user":"a\\u001b[2J","text":"\\u001b]0;x\\u0007 \\n \\u007f"}',
        "<a␛[2J> ␛]0;x␇ ␊ ␡" },
      { '{"type":"\\u001bc","user":"x"}', "-- x: ␛c" },
      { "\27[31mred", "<somebody> ␛[31mred" },
    }
    local expected = {}
    for index, case in ipairs(cases) do
      session.server:call("PUBLISH", "room:lobby", case[1])
      expected[index] = case[2] .. "\n"
    end
    session.server:call("PUBLISH", "room:lobby", "the end")
    ann:expect "the end"
    assert.equal(table.concat(expected) .. "<somebody> the end\n", ann:output())
  end)
end)
