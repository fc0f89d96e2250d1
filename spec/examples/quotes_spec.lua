local testing = require "moonpool.testing"

describe("examples/bots/quotes.lua", function()
  local bot

  before_each(function() bot = testing.bot("examples/bots/quotes.lua", { seed = 7 }) end)
  after_each(function() bot:close() end)

  it("keeps, tells and finds quotes, also after a restart", function()
    assert.same({ "Kept as #1." }, bot:says("ann", "!quote add The hatch is open"))
    assert.same({ "Kept as #2." }, bot:says("bob", "!quote add Mind the step"))
    bot:restart()
    assert.same({ "#1: The hatch is open" }, bot:says("zoe", "!quote 1"))
    assert.same({ "#2: Mind the step" }, bot:says("zoe", "!quote STEP"))
    assert.matches("^#[12]: ", bot:says("zoe", "!quote")[1])
    assert.same({ "There is no such quote." }, bot:says("zoe", "!quote 3"))
    assert.same({ "There is no such quote." }, bot:says("zoe", "!quote nothing"))
  end)

  it("grabs what somebody said last", function()
    bot:says("Ann", "one")
    bot:says("Ann", "two")
    assert.same({ "Kept as #1." }, bot:says("bob", "!grab ann"))
    assert.same({ "#1: <Ann> two" }, bot:says("bob", "!quote 1"))
    assert.same({ "I have not heard that." }, bot:says("bob", "!grab eve"))
  end)

  it("drops a quote for whoever has added it", function()
    bot:says("ann", "!quote add x")
    assert.same({ "ann has added it." }, bot:says("bob", "!quote drop 1"))
    assert.same({ "Dropped." }, bot:says("ann", "!quote drop #1"))
    assert.same({ "There are no quotes yet: !quote add TEXT" }, bot:says("ann", "!quote"))
  end)

  it("refuses what is too much", function()
    assert.matches("longer than 250 bytes", bot:says("ann", "!quote add " .. ("x"):rep(251))[1])
    for _ = 1, 200 do bot:says("ann", "!quote add " .. ("x"):rep(250)) end
    assert.matches("There are 200 already", bot:says("ann", "!quote add y")[1])
  end)
end)
