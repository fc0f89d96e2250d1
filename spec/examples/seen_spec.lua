local bot_room = require "spec.support.bot_room"

describe("examples/bots/seen.lua", function()
  local room

  before_each(function() room = bot_room.open { "examples/bots/seen.lua" } end)
  after_each(function() room:close() end)

  local function answer(text)
    room:say("zoe", text)
    return room:expect("seen").text
  end

  -- The answer, whatever time has passed on a slow machine.
  local function answer_of_now(text)
    return (answer(text):gsub(", %d+ seconds? ago%.$", ", just now."))
  end

  it("tells what a user said and when, whatever the case of the name", function()
    room:say("Ann", "the hatch is open")
    assert.equal("Ann said “the hatch is open”, just now.", answer_of_now "!seen aNN")
  end)

  it("tells who spoke last", function()
    assert.equal("Nobody has spoken yet.", answer "!seen")
    room:say("ann", "one")
    room:act("bob", "waves")
    assert.equal("bob did “waves”, just now.", answer_of_now "!seen")
  end)

  it("follows joins, leaves and new names", function()
    room:join "ann"
    assert.equal("ann joined, just now.", answer_of_now "!seen ann")
    room:rename("ann", "ann_away")
    assert.equal("ann became ann_away, just now.", answer_of_now "!seen ann")
    assert.equal("ann_away was ann before, just now.", answer_of_now "!seen ann_away")
    room:leave "ann_away"
    assert.equal("ann_away left, just now.", answer_of_now "!seen ann_away")
  end)

  it("says when it does not know", function()
    assert.equal("I have not seen nemo.", answer "!seen nemo")
  end)

  it("keeps quotes short, between characters", function()
    room:say("ann", ("ü"):rep(81))
    assert.equal(("ann said “%s…”, just now."):format(("ü"):rep(80)), answer_of_now "!seen ann")
    room:say("ann", ("ü"):rep(80))
    assert.equal(("ann said “%s”, just now."):format(("ü"):rep(80)), answer_of_now "!seen ann")
  end)

  it("names the room when it was another", function()
    room:publish('{"user":"ann","text":"ahoy"}', "room:deck")
    assert.equal("ann said “ahoy” in deck, just now.", answer_of_now "!seen ann")
  end)

  it("counts the seconds", function()
    room:say("ann", "tick")
    local text
    repeat text = answer "!seen ann" until not text:find "just now"
    assert.matches("^ann said “tick”, %d+ seconds? ago%.$", text)
  end)
end)
