local json = require("moonpool").json
local new_session = require "spec.support.session"
local scratch = require "spec.support.scratch"

describe("moonpool rooms", function()
  local session = new_session(before_each, after_each)
  local run = session.run

  local function say(room, ...)
    local result = run { "say", room, "hi", "--as", "ann", ... }
    assert.equal(0, result.status, result.stderr)
  end

  it("prints the rooms that match", function()
    assert.same({ status = 0, stdout = "", stderr = "" }, run { "rooms" })
    say "lobby"
    say "help-me"
    say("help us", "--history", "list")
    assert.equal("help us\nhelp-me\nlobby\n", run({ "rooms" }).stdout)
    assert.equal("help us\nhelp-me\n", run({ "rooms", "help*" }).stdout)
    assert.equal("lobby\n", run({ "rooms", "room:lob?y" }).stdout)
    assert.equal("", run({ "rooms", "deck" }).stdout)
  end)

  it("prints those that are followed and were never spoken in", function()
    session.start { "follow", "quiet" }
    scratch.wait_until(function() return session.server:subscribers "room:quiet" == 1 end)
    assert.equal("quiet\n", run({ "rooms" }).stdout)
    assert.equal("", run({ "rooms", "loud" }).stdout)
    assert.same({ room = "quiet", history = nil, people = 0 },
      (function(room) return { room = room.room, people = room.people } end)(
        json.decode(run({ "rooms", "--json" }).stdout)))
    assert.matches("^quiet\t0 messages\t0 people\tno history\tnever\n$",
      run({ "rooms", "-l" }).stdout)
  end)

  it("tells more about each", function()
    say "lobby"
    say "lobby"
    say("list", "--history", "list", "--keep", "7", "--keep-for", "90s")
    say("sorted", "--history", "sorted", "--keep", "0")
    local ann = session.start { "chat", "lobby", "--as", "ann", stdin = "pipe" }
    scratch.wait_until(function() return run({ "who", "lobby", "--count" }).stdout == "1\n" end)
    local found = {}
    for line in run({ "rooms", "--json" }).stdout:gmatch "[^\n]+" do
      local room = json.decode(line)
      assert.is_true(math.abs(room.last - require("moonpool").time()) < 600)
      room.last = nil
      found[#found + 1] = room
    end
    assert.same({
      { room = "list", history = "list", keep = 7, keep_for = 90, messages = 1, people = 0 },
      { room = "lobby", history = "stream", keep = 1000, keep_for = 0, messages = 2, people = 1 },
      { room = "sorted", history = "sorted", keep = 0, keep_for = 0, messages = 1, people = 0 },
    }, found)
    assert.matches("\nlobby\t2 messages\t1 people\tstream\t%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d\n",
      run({ "rooms", "--long" }).stdout)
    ann:close_stdin()
    assert.equal(0, ann:wait())
  end)

  it("finds each of thousands", function()
    session.server:call("EVAL", [[for number = 1, 2500 do
      redis.call("SET", ("{room:r%04d}:config"):format(number), "stream 1000 0 0123456789abcdef")
    end]], "0")
    local lines = {}
    for number = 1, 2500 do lines[number] = ("r%04d\n"):format(number) end
    assert.equal(table.concat(lines), run({ "rooms" }).stdout)
    local _, count = run({ "rooms", "--json" }).stdout:gsub("\n", "")
    assert.equal(2500, count)
  end)
end)
