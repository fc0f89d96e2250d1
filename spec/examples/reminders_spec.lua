local host_run = require "spec.support.host_run"
local moonpool = require "moonpool"
local system = require("moonpool.core").system
local testing = require "moonpool.testing"

local PATH = "examples/bots/reminders.lua"
local NOON = 1767268800 -- 2026-01-01T12:00:00Z

describe("examples/bots/reminders.lua", function()
  local bot

  before_each(function() bot = testing.bot(PATH, { time = NOON }) end)
  after_each(function() bot:close() end)

  it("reminds in a while", function()
    assert.same({ "ann: in 10 minutes. (1)" }, bot:says("ann", "!remind me in 10m to stir"))
    assert.same({}, bot:advance(599))
    assert.same({ "ann: stir" }, bot:advance(1))
    assert.same({}, bot:advance(100000))
    assert.is_nil(bot:stored().r000001)
  end)

  it("knows units, long and short, one after the other", function()
    for words, told in pairs { ["1h30m x"] = "1 hour", ["2 hours x"] = "2 hours",
      ["1 week x"] = "7 days", ["3d x"] = "3 days", ["90 secs x"] = "1 minute",
      ["1 day 2 hours x"] = "1 day" } do
      local answer = bot:says("ann", "!remind me in " .. words)[1]
      assert.equal(("ann: in %s."):format(told), answer:match "^(.*) %(%d+%)$")
    end
  end)

  it("reminds at a time of day, tomorrow when that is past, in a zone", function()
    assert.same({ "ann: in 6 hours. (1)" }, bot:says("ann", "!remind me at 18:30 to go"))
    assert.same({ "ann: in 23 hours. (2)" }, bot:says("ann", "!remind me at 11:00 that it is"))
    assert.same({ "ann: go" }, bot:advance(6.5 * 3600))
    assert.same({ "ann: it is" }, bot:advance(86400))
    local east = testing.bot(PATH, { time = NOON, options = { utc_offset = 2 } })
    assert.same({ "ann: in 30 minutes. (1)" }, east:says("ann", "!remind me at 14:30 go"))
    east:close()
  end)

  it("reminds others, in the room where that was asked for", function()
    bot:says("ann", "!remind bob in 5s that it rains", { room = "deck" })
    assert.same({ "bob: it rains (from ann)" }, bot:advance(5))
    assert.equal("deck", bot.said[#bot.said].room)
  end)

  it("understands less words", function()
    assert.same({ "ann: in 10 minutes. (1)" }, bot:says("ann", "!remind 10m tea"))
    assert.same({ "ann: in 20 minutes. (2)" }, bot:says("ann", "!remind in 20m to eat"))
    assert.same({ "ann: in 1 hour. (3)" }, bot:says("ann", "!remind 13:00 go"))
    assert.same({ "ann: tea", "ann: eat", "ann: go" }, bot:advance(3600))
  end)

  it("tells how to ask", function()
    for _, words in ipairs {
      "", "me", "me in 10m", "me in x to y", "me at 25:00 x", "me at 12:60 x", "10m", "tomorrow x",
      "me in 9999999999d x", "me in 400 days x", "me in 0s x", "me on monday x",
    } do
      assert.matches("^ann: Try !remind", bot:says("ann", "!remind " .. words)[1], nil, words)
    end
  end)

  it("lists and forgets one's own", function()
    bot:says("ann", "!remind me in 1h to stir")
    bot:says("bob", "!remind me in 2h to eat")
    assert.same({ "ann: 1 in 1 hour: stir" }, bot:says("ann", "!reminders"))
    assert.same({ "ann: you have no such reminder." }, bot:says("ann", "!forget 2"))
    assert.same({ "ann: you have no such reminder." }, bot:says("ann", "!forget x"))
    assert.same({ "ANN: forgotten: stir" }, bot:says("ANN", "!forget 1"))
    assert.same({ "ann: none." }, bot:says("ann", "!reminders"))
    assert.same({ "bob: eat" }, bot:advance(86400))
  end)

  it("keeps them over a restart, and tells late what was missed", function()
    bot:says("ann", "!remind me in 1h to stir")
    bot:restart()
    assert.same({ "ann: stir" }, bot:advance(3600))
    local back = testing.bot(PATH, { time = NOON, store = { last = 7, r000007 =
      { room = "test", user = "ann", by = "ann", text = "stir", at = NOON - 7200 } } })
    back:advance(0)
    assert.equal("ann: stir (2 hours late)", back.said[1].text)
    assert.equal(1, #back.said)
    assert.same({ "ann: in 1 minute. (8)" }, back:says("ann", "!remind me in 1m x"))
    back:close()
  end)

  it("keeps them over a reload, once", function()
    bot:says("ann", "!remind me in 1h to stir")
    bot:reload()
    assert.same({ "ann: stir" }, bot:advance(7200))
  end)

  it("bounds them by user, in all, and their texts", function()
    for number = 1, 10 do bot:says("ann", "!remind me in 1h " .. ('"'):rep(1000) .. number) end
    assert.same({ "ann: you have 10 reminders already." }, bot:says("ann", "!remind me in 1h x"))
    local answer
    for number = 1, 141 do
      answer = bot:says("user" .. number, "!remind me in 1h " .. ('"'):rep(1000))[1]
    end
    assert.equal("user141: I cannot remember more than I do already.", answer)
    local said = bot:advance(3600)
    assert.is_true(#said >= 100)
    for _, words in ipairs(said) do assert.is_true(#words < 220) end
  end)
end)

describe("examples/bots/reminders.lua in a host", function()
  local run
  after_each(function() run:close() end)

  it("reminds though its worker was killed", function()
    run = host_run.open { scripts = { ["echo.lua"] = host_run.ECHO },
      "examples/bots/reminders.lua" }
    moonpool.run(function()
      run:command "!remind me in 2s to stir"
      run:await_text("reminders", "^ann: in 2 seconds")
      local key = "moonpool:store:bot:reminders"
      while not run.redis:hget(key, "last") do moonpool.sleep(0.01) end
      system.kill(run:worker(), "SIGKILL")
      run:await_text("reminders", "^ann: stir")
    end)
  end)
end)
