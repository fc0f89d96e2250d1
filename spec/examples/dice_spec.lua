local bot_room = require "spec.support.bot_room"

describe("examples/bots/dice.lua", function()
  local room

  setup(function() room = bot_room.open { "examples/bots/dice.lua" } end)
  teardown(function() room:close() end)

  local function answer(text)
    room:say("ann", text)
    return room:expect("dice").text
  end

  it("rolls one die with six sides unless told more", function()
    local face = tonumber(answer("!roll"):match "^ann rolls 1d6: (%d)$")
    assert.is_true(face >= 1 and face <= 6)
  end)

  it("adds up the dice and what comes on top", function()
    local a, b, total = answer("!roll 2d6+1"):match "^ann rolls 2d6%+1: (%d) %+ (%d) %+ 1 = (%d+)$"
    assert.equal(a + b + 1, tonumber(total))
    local face, rest = answer("!ROLL D1000-3"):match "^ann rolls d1000%-3: (%d+) %- 3 = (%-?%d+)$"
    assert.equal(face - 3, tonumber(rest))
  end)

  it("tells how to ask when it is asked for something else", function()
    local usage = "ann: Try !roll 2d6+1: at most 20 dice with 2 to 1000 sides."
    for _, roll in ipairs { "x", "0d6", "21d6", "1d1", "1d1001", "2d6+", "2d6*2", "1d6+9999999",
      ("9"):rep(400) .. "d6", "-1d6" } do
      assert.equal(usage, answer("!roll " .. roll))
    end
  end)

  it("says that it is a bot", function()
    room:say("ann", "!roll")
    assert.is_true(room:expect("dice").bot)
  end)

  it("answers neither other bots nor other words", function()
    room:publish '{"user":"other","text":"!roll","bot":true}'
    room:say("ann", "roll 2d6")
    room:say("ann", "!rolling 2d6")
    room:act("ann", "!roll 2d6")
    assert.matches("^bob rolls d2: ", (function()
      room:say("bob", "!roll d2")
      return room:expect("dice").text
    end)())
  end)
end)
