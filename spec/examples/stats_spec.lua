local bot_room = require "spec.support.bot_room"

local function row(name, messages, words)
  return ("%-24s %9d %9d\n"):format(name, messages, words)
end

describe("examples/bots/stats.lua", function()
  local room

  before_each(function() room = bot_room.open { "examples/bots/stats.lua" } end)
  after_each(function() room:close() end)

  it("prints its table when it ends", function()
    room:say("ann", "  three little\twords ")
    room:say("bob", "one")
    room:act("ann", "waves")
    room:say("bob", "")
    room:say("bob", "!roll 2d6")
    room:join "cat"
    room:publish "plain text"
    local status, output, errors = room:stop()
    assert.equal(0, status, errors)
    assert.equal(("%-24s %9s %9s\n"):format("user", "messages", "words") .. row("bob", 3, 3)
      .. row("ann", 2, 4) .. row("?", 1, 2) .. row("total", 6, 9)
      .. "6 messages, 1 of them actions, by 3 users\n", output)
  end)

  it("answers !stats with the busiest, and prints the table", function()
    for number = 1, 24 do
      for _ = 1, math.max(1, number - 20) do room:say("u" .. number, "a b") end
    end
    room:say("u24", "!stats")
    assert.equal("31 messages and 61 words by 24 users; most from u24 5, u23 3, u22 2",
      room:expect("stats").text)
    room.host:expect "^u24 +5 +9$"
    room.host:expect "^… and 4 more$"
    room.host:expect "^31 messages, 0 of them actions, by 24 users$"
  end)

  it("only prints when messages rush by", function()
    -- Few enough to be read in one go, so that the bot's second does not begin anew among them.
    assert(room.server:call("EVAL", [[for _ = 1, 220 do redis.call("PUBLISH", KEYS[1], "x") end
      redis.call("PUBLISH", KEYS[1], "!stats")]], 1, "room:pool"))
    room.host:expect "^221 messages"
    room:stop()
    room:publish '{"user":"stats","text":"the end"}'
    assert.equal("the end", room:expect("stats").text)
  end)

  it("shows names on one line, whatever is in them", function()
    room:say("a\27[31m\nb", "x")
    room:say("ü", "x")
    local _, output = room:stop()
    assert.is_truthy(output:find("\na?[31m?b                         1         1\n", 1, true))
    assert.is_truthy(output:find("\nü                                1         1\n", 1, true))
  end)
end)
