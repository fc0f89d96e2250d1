local program = require "spec.support.program"
local new_session = require "spec.support.session"
local scratch = require "spec.support.scratch"

describe("moonpool pub", function()
  local session = new_session(before_each, after_each)
  local start, run = session.start, session.run

  local function start_sub(...)
    local sub = start { "sub", "--json", ... }
    sub:expect '"event":"subscribe"'
    return sub
  end

  it("publishes a text and prints who received it", function()
    assert.same({ status = 0, stdout = "0\n", stderr = "" }, run { "pub", "a", "hi" })
    local sub = start_sub "a"
    assert.same({ status = 0, stdout = "1\n", stderr = "" }, run { "pub", "a", "hi there" })
    sub:expect '"payload":"hi there"'
    run { "pub", "a", "" }
    sub:expect '"payload":""'
    run { "pub", "a", "--", "--redis" }
    sub:expect '"payload":"%-%-redis"'
  end)

  it("publishes each line of standard input, in order, bytes as they are", function()
    local sub = start_sub "a"
    local result = run { "pub", "a", stdin = "one\n\ntwo\r\n\0\xFF\nlast" }
    assert.same({ status = 0, stdout = "1\n1\n1\n1\n1\n", stderr = "" }, result)
    sub:expect '"payload":"last"'
    local payloads = {}
    for rest in sub:output():gmatch '"payload([^}]*)' do payloads[#payloads + 1] = rest end
    assert.same({ '":"one"', '":""', '":"two\\r"', '_base64":"AP8="', '":"last"' }, payloads)
  end)

  it("publishes nothing for empty input", function()
    assert.same({ status = 0, stdout = "", stderr = "" }, run { "pub", "a" })
  end)

  it("keeps 100,000 lines in order", function()
    local count, lines = 100000, {}
    for number = 1, count do lines[number] = tostring(number) end
    local sub = start { "sub", "--count", tostring(count), "a" }
    scratch.wait_until(function() return session.server:subscribers "a" == 1 end)
    local result = run { "pub", "a", stdin = table.concat(lines, "\n") .. "\n" }
    assert.equal(0, result.status)
    assert.equal(("1\n"):rep(count), result.stdout)
    assert.equal(0, sub:wait())
    assert.equal("a " .. table.concat(lines, "\na ") .. "\n", sub:output())
  end)

  it("carries a line of megabytes", function()
    local sub = start { "sub", "--count", "1", "a" }
    scratch.wait_until(function() return session.server:subscribers "a" == 1 end)
    local payload = ("0123456789"):rep(500000)
    assert.equal("1\n", run({ "pub", "a", stdin = payload }).stdout)
    assert.equal(0, sub:wait())
    assert.is_true(sub:output() == "a " .. payload .. "\n")
  end)

  it("publishes a line as soon as it is there", function()
    local sub = start_sub "a"
    local pub = start { "pub", "a", stdin = "pipe" }
    for number = 1, 3 do
      pub:write(number .. "\n")
      pub:expect "^1$"
      sub:expect('"payload":"' .. number .. '"')
    end
    pub:close_stdin()
    assert.equal(0, pub:wait())
  end)

  it("ends on SIGTERM while it waits for input", function()
    local pub = start { "pub", "a", stdin = "pipe" }
    pub:write "x\n"
    pub:expect "^0$"
    pub:signal "TERM"
    assert.equal(0, pub:wait())
    assert.equal("", pub:errors())
  end)

  it("ends with the first message that fails, and names its line", function()
    session.server:call("ACL", "SETUSER", "default", "resetchannels", "&other")
    local result = run { "pub", "a", stdin = "x\ny\n" }
    assert.equal(1, result.status)
    assert.equal("", result.stdout)
    assert.matches("^moonpool pub: line 1: .*NOPERM", result.stderr)
    result = run { "pub", "a", "x" }
    assert.equal(1, result.status)
    assert.matches("^moonpool pub: .*NOPERM", result.stderr)
  end)

  it("fails when the connection goes, rather than wait", function()
    local pub = start { "pub", "a", stdin = "pipe" }
    pub:write "x\n"
    pub:expect "^0$"
    session.server:kill()
    pub:write "y\n"
    assert.equal(1, pub:wait())
    assert.matches("^moonpool pub: line 2: ", pub:errors())
  end)

  it("tells of input that cannot be read", function()
    local result = run { "pub", "a", cwd = "/", stdin = nil }
    assert.equal(0, result.status)
    result = program.run { "sh", "-c", ("lua5.4 %s/bin/moonpool pub --redis %s a < /"):format(
      scratch.shell "pwd", session.server.url) }
    assert.equal(1, result.status)
    assert.equal("moonpool pub: standard input: read: Is a directory\n", result.stderr)
  end)
end)
