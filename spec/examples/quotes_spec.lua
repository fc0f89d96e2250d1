local testing = require "moonpool.testing"

local PATH = "examples/bots/quotes.lua"

describe("examples/bots/quotes.lua", function()
  local bot

  before_each(function() bot = testing.bot(PATH, { options = { moderators = { "mod" } } }) end)
  after_each(function() bot:close() end)

  it("keeps quotes and tells them, by number, by words, or any", function()
    assert.same({ "There is no such quote." }, bot:says("ann", "!quote"))
    assert.same({ "Quote 1 is kept." }, bot:says("ann", "!addquote <bob> the  hatch is open"))
    assert.same({ "Quote 2 is kept." }, bot:says("ann", "!addquote <cat> so is the pool"))
    assert.same({ "1: <bob> the hatch is open" }, bot:says("cat", "!quote 1"))
    assert.same({ "2: <cat> so is the pool" }, bot:says("cat", "!quote POOL"))
    assert.matches("^[12]: ", bot:says("cat", "!quote")[1])
    assert.same({ "There is no such quote." }, bot:says("cat", "!quote 3"))
    assert.same({ "There is no such quote." }, bot:says("cat", "!quote %a"))
    assert.same({}, bot:says("cat", "!addquote"))
  end)

  it("grabs what somebody said last", function()
    bot:says("bob", "one")
    bot:says("Bob", "waves", { type = "action" })
    bot:says("cat", "two")
    assert.same({ "Quote 1 is kept." }, bot:says("ann", "!grab bOb"))
    assert.same({ "1: * Bob waves" }, bot:says("ann", "!quote 1"))
    assert.same({ "I do not remember anything of nemo." }, bot:says("ann", "!grab nemo"))
    assert.matches("^ann: somebody else", bot:says("ann", "!grab Ann")[1])
  end)

  it("lets who added it and moderators delete a quote", function()
    bot:says("ann", "!addquote one")
    bot:says("ann", "!addquote two")
    assert.same({ "bob: ann has added it." }, bot:says("bob", "!delquote 1"))
    assert.same({ "Quote 1 is deleted." }, bot:says("ANN", "!delquote 1"))
    assert.same({ "Quote 2 is deleted." }, bot:says("Mod", "!delquote 2"))
    assert.same({ "There is no such quote." }, bot:says("mod", "!delquote 2"))
    assert.same({ "Quote 3 is kept." }, bot:says("ann", "!addquote three"))
  end)

  it("keeps them over a restart, by room", function()
    bot:says("ann", "!addquote one")
    bot:restart()
    assert.same({ "1: one" }, bot:says("ann", "!quote"))
    assert.same({ "There is no such quote." }, bot:says("ann", "!quote", { room = "deck" }))
  end)

  it("lets the oldest make place", function()
    local last
    for _ = 1, 310 do last = bot:says("ann", "!addquote " .. ('\\"'):rep(1000))[1] end
    assert.equal("Quote 310 is kept.", last)
    assert.same({ "There is no such quote." }, bot:says("ann", "!quote 10"))
    assert.matches('^310: ', bot:says("ann", "!quote 310")[1])
  end)
end)
