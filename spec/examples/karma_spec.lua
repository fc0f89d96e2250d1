local testing = require "moonpool.testing"

describe("examples/bots/karma.lua", function()
  local bot

  before_each(function() bot = testing.bot "examples/bots/karma.lua" end)
  after_each(function() bot:close() end)

  it("counts thanks and the contrary, whatever the case", function()
    assert.same({ "ann has 1." }, bot:says("bob", "Ann++ for the tea"))
    assert.same({ "ann has 2." }, bot:says("zoe", "so kind, ann++"))
    assert.same({ "ann has 1." }, bot:says("eve", "ann--"))
    assert.same({ "ann has 1." }, bot:says("bob", "!karma ANN"))
  end)

  it("counts several names in one message", function()
    assert.same({ "ann has 1.", "eve has 1." }, bot:says("bob", "ann++ and eve++"))
  end)

  it("lets nobody thank himself", function()
    assert.same({ "bob: nobody gives karma to himself." }, bot:says("bob", "BOB++"))
    assert.same({ "bob has 0." }, bot:says("ann", "!karma bob"))
  end)

  it("takes no arithmetic for thanks", function()
    assert.same({}, bot:says("bob", "1 + 1 - 2, i+++j, a -- b"))
  end)

  it("tells who has most, each room for itself, also after a restart", function()
    bot:says("bob", "ann++ ann++ eve++")
    bot:restart()
    assert.same({ "ann 2, eve 1" }, bot:says("bob", "!karma"))
    assert.same({ "Nobody has any karma yet." }, bot:says("bob", "!karma", { room = "deck" }))
  end)
end)
