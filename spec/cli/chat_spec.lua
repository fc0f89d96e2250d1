local chat = require "moonpool.cli.chat"
local new_session = require "spec.support.session"
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

  -- The payloads that a sub has printed.
  local function payloads(sub)
    local json = require("moonpool").json
    local found = {}
    for line in sub:output():gmatch "[^\n]+" do
      local event = assert(json.decode(line))
      if event.event == "message" then found[#found + 1] = event.payload end
    end
    return found
  end

  it("says what is typed, between a join and a leave", function()
    local sub = listen()
    local ann = join("ann", { stdin = "hello \"you\"\n\n/me waves\r\n//shrug\nlast" })
    assert.equal(0, ann:wait())
    sub:expect '"type\\":\\"leave'
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
    scratch.wait_until(function() return session.server:subscribers "room:lobby" == 1 end)
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
    scratch.wait_until(function() return session.server:subscribers "room:lobby" == 1 end)
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
    session.server:call("ACL", "SETUSER", "default", "-publish")
    local ann = join("ann", { stdin = "hello\n" })
    assert.equal(1, ann:wait())
    assert.matches("^moonpool chat: not sent: NOPERM", ann:errors())
  end)

  describe("format", function()
    it("shows each kind of message", function()
      assert.equal("<ann> hi", chat.format '{"user":"ann","text":"hi"}')
      assert.equal("* ann waves", chat.format '{"type":"action","user":"ann","text":"waves"}')
      assert.equal("-- ann joined", chat.format '{"type":"join","user":"ann"}')
      assert.equal("-- ann left", chat.format '{"type":"leave","user":"ann"}')
      assert.equal("-- ann is now known as bo",
        chat.format '{"type":"rename","user":"ann","to":"bo"}')
      assert.equal("-- ann: typing", chat.format '{"type":"typing","user":"ann"}')
    end)

    it("shows what is no message of a room", function()
      assert.equal("<somebody> plain words", chat.format "plain words")
      assert.equal("<somebody> [1,2]", chat.format "[1,2]")
      assert.equal("<somebody> \u{FFFD}\u{FFFD}", chat.format "\xFF\xFE")
      assert.equal("<somebody> ", chat.format "{}")
      assert.equal("<somebody> ", chat.format "")
      assert.equal("<somebody> hi", chat.format '{"user":12,"text":"hi"}')
      assert.equal("-- somebody is now known as somebody else",
        chat.format '{"type":"rename","to":{}}')
    end)

    it("does not let others steer the terminal", function()
      assert.equal("<a␛[2J> ␛]0;x␇ ␊ ␡", chat.format
        '{"user":"a\\u001b[2J","text":"\\u001b]0;x\\u0007 \\n \\u007f"}')
      assert.equal("-- x: ␛c", chat.format '{"type":"\\u001bc","user":"x"}')
      assert.equal("<somebody> ␛[31mred", chat.format "\27[31mred")
    end)
  end)
end)
