local bot_room = require "spec.support.bot_room"

describe("examples/bots/greeter.lua", function()
  local room

  before_each(function() room = bot_room.open { "examples/bots/greeter.lua" } end)
  after_each(function() room:close() end)

  it("greets who joins, by name and room", function()
    room:join "ann"
    assert.equal("Welcome to pool, ann!", room:expect("greeter").text)
  end)

  it("greets a user once in a while, under any name", function()
    room:join "ann"
    room:expect "greeter"
    room:join "ann"
    room:rename("ann", "ann_away")
    room:join "ann_away"
    room:join "bob"
    assert.equal("Welcome to pool, bob!", room:expect("greeter").text)
  end)

  it("does not flood when many join at once", function()
    -- In one go: a greeting more is allowed every ten seconds.
    assert(room.server:call("EVAL", [[for number = 1, 200 do
      redis.call("PUBLISH", KEYS[1], '{"type":"join","user":"u' .. number .. '"}')
    end]], 1, "room:pool"))
    for number = 1, 5 do
      assert.equal(("Welcome to pool, u%d!"):format(number), room:expect("greeter").text)
    end
    room:stop()
    room:publish("the end", "other")
    local message
    repeat message = room:next() until message.channel == "other" or message.user == "greeter"
    assert.equal("other", message.channel)
  end)
end)
