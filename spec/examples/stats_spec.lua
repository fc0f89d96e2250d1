local testing = require "moonpool.testing"

describe("examples/bots/stats.lua", function()
  local bot

  before_each(function() bot = testing.bot "examples/bots/stats.lua" end)
  after_each(function() bot:close() end)

  -- What the bot has printed since it was asked for last.
  local function printed()
    local lines = {}
    for index, entry in ipairs(bot.logs) do
      lines[index] = entry.text
      bot.logs[index] = nil
    end
    return lines
  end

  local function row(name, messages, words)
    return ("%-24s %9s %9s"):format(name, messages, words)
  end

  it("prints who said how much when it is told to stop", function()
    bot:says("ann", "one two")
    bot:says("bob", "a")
    bot:says("bob", "waves", { type = "action" })
    bot:says("ann", "three  four ")
    bot:says("bob", "b")
    bot:says(nil, "plain text")
    bot:event "stop"
    assert.same({
      row("user", "messages", "words"), row("bob", 3, 3), row("ann", 2, 4), row("?", 1, 2),
      row("total", 6, 9), "6 messages, 1 of them actions, by 3 users",
    }, printed())
  end)

  it("answers !stats with the busiest, and prints the table", function()
    for number = 1, 24 do
      for _ = 1, math.max(1, number - 20) do bot:says("u" .. number, "a b") end
    end
    assert.same({ "31 messages and 61 words by 24 users; most from u24 5, u23 3, u22 2" },
      bot:says("u24", "!stats"))
    local lines = printed()
    assert.equal(row("u24", 5, 9), lines[2])
    assert.equal("… and 4 more", lines[#lines - 2])
    assert.equal("31 messages, 0 of them actions, by 24 users", lines[#lines])
  end)

  it("counts on after a restart", function()
    bot:says("ann", "one two")
    bot:says("bob", "waves", { type = "action" })
    bot:restart()
    assert.same({ "3 messages and 4 words by 2 users; most from ann 2, bob 1" },
      bot:says("ann", "!stats"))
    assert.equal("3 messages, 1 of them actions, by 2 users", bot.logs[#bot.logs].text)
  end)

  it("keeps those who say most, as many as fit", function()
    for number = 1, 501 do bot:says(("%064d"):format(number), "x") end
    bot:says(("0"):rep(63) .. "1", ("y "):rep(100))
    for _ = 1, 2 do bot:says("ann", "x") end
    bot:restart()
    bot:advance(1)
    assert.matches("^505 messages and 604 words by 503 users; most from 0+1 2, ann 2, 0+2 1$",
      bot:says("bob", "!stats")[1])
  end)

  it("only prints when messages rush by", function()
    for _ = 1, 220 do bot:says("ann", "x") end
    assert.same({}, bot:says("ann", "!stats"))
    local lines = printed()
    assert.matches("^221 messages", lines[#lines])
  end)

  it("shows names on one line, whatever is in them", function()
    bot:says("a\27[31m\nb", "x")
    bot:says("ü", "x")
    bot:event "stop"
    local lines = printed()
    assert.equal("a?[31m?b                         1         1", lines[2])
    assert.equal("ü                                1         1", lines[3])
  end)
end)
