local json = require("moonpool").json
local new_session = require "spec.support.session"
local scratch = require "spec.support.scratch"

local ID = "%d+%-%d+%-%x+"

describe("moonpool say", function()
  local session = new_session(before_each, after_each)
  local start, run = session.start, session.run

  -- The bodies in the room's history, oldest first.
  local function bodies(room)
    local list = {}
    for index, entry in ipairs(session.server:call("XRANGE", ("{room:%s}:log"):format(room or "a"),
      "-", "+")) do
      list[index] = entry[2][4]
    end
    return list
  end

  it("stores a text and prints its id", function()
    local result = run { "say", "a", "hi there", "--as", "ann" }
    assert.same({ 0, "" }, { result.status, result.stderr })
    assert.matches("^%d+%-1%-%x+\n$", result.stdout)
    run { "say", "room:a", "waves", "--action", "--as", "ann" }
    run { "say", "a", "--as", "ann", "--", "--redis" }
    run { "say", "a", "", "--as", "ann" }
    assert.same({ '{"user":"ann","text":"hi there"}',
      '{"type":"action","user":"ann","text":"waves"}', '{"user":"ann","text":"--redis"}',
      '{"user":"ann","text":""}' }, bodies())
  end)

  it("says each line of standard input, in order", function()
    local result = run { "say", "a", "--as", "ann", stdin = "one\n\ntwo \"x\"\nb\xFFd\nlast" }
    assert.same({ 0, "" }, { result.status, result.stderr })
    local ids = {}
    for id in result.stdout:gmatch "[^\n]+" do ids[#ids + 1] = id:match("^%d+%-(%d+)%-%x+$") end
    assert.same({ "1", "2", "3", "4", "5" }, ids)
    local texts = {}
    for index, body in ipairs(bodies()) do texts[index] = json.decode(body).text end
    assert.same({ "one", "", 'two "x"', "b\u{FFFD}d", "last" }, texts)
  end)

  it("keeps 20,000 lines in order", function()
    local count, lines = 20000, {}
    for number = 1, count do lines[number] = tostring(number) end
    local result = run { "say", "a", "--as", "ann", "--keep", "0",
      stdin = table.concat(lines, "\n") .. "\n" }
    assert.same({ 0, "" }, { result.status, result.stderr })
    local found = bodies()
    assert.equal(count, #found)
    for number, body in ipairs(found) do
      if body ~= ('{"user":"ann","text":"%d"}'):format(number) then error(body) end
    end
  end)

  it("says a line as soon as it is there, and ends on SIGTERM", function()
    local say = start { "say", "a", "--as", "ann", stdin = "pipe" }
    for number = 1, 3 do
      say:write(number .. "\n")
      say:expect("^%d+%-" .. number .. "%-%x+$")
    end
    say:signal "TERM"
    assert.equal(0, say:wait())
    assert.equal("", say:errors())
  end)

  it("says the same once with a key, a text and lines", function()
    local first = run { "say", "a", "hi", "--as", "ann", "--key", "k" }
    assert.same(first, run { "say", "a", "hi", "--as", "ann", "--key", "k" })
    local lines = run { "say", "a", "--as", "ann", "--key", "k", stdin = "1\n2\n" }
    assert.same(lines, run { "say", "a", "--as", "ann", "--key", "k", stdin = "1\n2\n" })
    assert.equal(3, #bodies())
    local other = run { "say", "a", "ho", "--as", "ann", "--key", "k" }
    assert.equal(1, other.status)
    assert.matches("^moonpool say: .*key was used for another message", other.stderr)
  end)

  it("says how a new room keeps its history", function()
    run { "say", "a", "hi", "--as", "ann", "--history", "list", "--keep", "7", "--keep-for", "1h" }
    assert.matches("^list 7 3600000 %x+$", session.server:call("GET", "{room:a}:config"))
    local result = run { "say", "a", "hi", "--as", "ann", "--history", "stream" }
    assert.equal(1, result.status)
    assert.matches("^moonpool say: .*list, not a stream", result.stderr)
  end)

  it("ends with the first line that fails, and names it", function()
    local result = run { "say", "a", "--as", "ann", stdin = "1\n" .. ("x"):rep(70000) .. "\n" }
    assert.equal(1, result.status)
    assert.matches("^%d+%-1%-%x+\n$", result.stdout)
    assert.matches("^moonpool say: line 2: .", result.stderr)
    session.server:call("ACL", "SETUSER", "default", "-evalsha", "-eval")
    result = run { "say", "a", "--as", "ann", stdin = "3\n4\n" }
    assert.equal(1, result.status)
    assert.equal("", result.stdout)
    assert.matches("^moonpool say: line 1: .*NOPERM.*; so did 1 lines? after it\n$", result.stderr)
  end)

  it("tells what was stored and not announced", function()
    session.server:call("ACL", "SETUSER", "default", "-publish")
    local result = run { "say", "a", "--as", "ann", stdin = "1\n2\n" }
    assert.equal(1, result.status)
    assert.matches(("^%s\n%s\n$"):format(ID, ID), result.stdout)
    assert.matches("^moonpool say: line 1: .*stored, not announced.-\nmoonpool say: line 2: ",
      result.stderr)
    assert.equal(2, #bodies())
  end)

  it("tells of replicas that did not get it", function()
    local result = run { "say", "a", "hi", "--as", "ann", "--durability", "replicas:1" }
    assert.equal(1, result.status)
    assert.matches("^" .. ID .. "\n$", result.stdout)
    assert.matches("stored, not replicated", result.stderr)
  end)

  it("says what was on its way once, when the connection is lost", function()
    local say = start { "say", "a", "--as", "ann", "--keep", "0", stdin = "pipe" }
    say:write "1\n"
    say:expect "%-1%-"
    local lines = {}
    for number = 2, 3000 do lines[#lines + 1] = number .. "\n" end
    say:write(table.concat(lines))
    session.server:call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    say:close_stdin()
    assert.equal(0, say:wait(), say:errors())
    local found = bodies()
    assert.equal(3000, #found)
    for number, body in ipairs(found) do
      assert(body == ('{"user":"ann","text":"%d"}'):format(number), body)
    end
  end)

  it("tells of input that cannot be read", function()
    local program = require "spec.support.program"
    local result = program.run { "sh", "-c",
      ("lua5.4 %s/bin/moonpool say --as ann --redis %s a < /"):format(scratch.shell "pwd",
        session.server.url) }
    assert.equal(1, result.status)
    assert.equal("moonpool say: standard input: read: Is a directory\n", result.stderr)
  end)
end)
