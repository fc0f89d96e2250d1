local testing = require "moonpool.testing"

local PATH = "examples/bots/poll.lua"
local OPENED = "What for? !vote with the number: 1 pearls: 0, 2 the pizza: 0 (0 votes)"

describe("examples/bots/poll.lua", function()
  local bot

  before_each(function() bot = testing.bot(PATH, { options = { moderators = { "Mod" } } }) end)
  after_each(function() bot:close() end)

  local function open() return bot:says("ann", '!poll "What for?" pearls "the pizza"') end

  it("counts a vote a user, whatever the case of the name, and lets it be changed", function()
    assert.same({ OPENED }, open())
    assert.same({ "bob: counted for pearls." }, bot:says("bob", "!vote 1"))
    assert.same({ "BOB: changed to the pizza." }, bot:says("BOB", "!vote The Pizza"))
    assert.same({ "cat: counted for the pizza." }, bot:says("cat", "!vote 2"))
    assert.same({ "What for? 1 pearls: 0, 2 the pizza: 2 (2 votes)" }, bot:says("cat", "!poll"))
  end)

  it("is closed by who opened it, or a moderator", function()
    open()
    assert.same({ "bob: the poll is ann's." }, bot:says("bob", "!close"))
    bot:says("bob", "!vote 1")
    assert.same({ "Closed: What for? 1 pearls: 1, 2 the pizza: 0 (1 vote)" },
      bot:says("Ann", "!close"))
    assert.same({ "bob: there is no poll." }, bot:says("bob", "!close"))
    assert.same({ "bob: there is no poll." }, bot:says("bob", "!vote 1"))
    open()
    assert.equal(1, #bot:says("mod", "!close"))
    assert.same({ OPENED }, open())
  end)

  it("is one at a time in a room, and each room has its own", function()
    open()
    assert.same({ "bob: there is a poll already: What for?" }, bot:says("bob", "!poll x a b"))
    assert.same({ "x !vote with the number: 1 a: 0, 2 b: 0 (0 votes)" },
      bot:says("bob", "!poll x a b", { room = "deck" }))
  end)

  it("tells how to ask", function()
    for _, words in ipairs { "x", "x a", "x a A", 'x a ""', "x 1 2 3 4 5 6 7 8 9 10 11" } do
      assert.matches("^ann: Try !poll", bot:says("ann", "!poll " .. words)[1])
    end
    open()
    for _, vote in ipairs { "", "0", "3", "-1", "1.5", "pizza" } do
      assert.matches("^ann: there is no such choice: ", bot:says("ann", "!vote " .. vote)[1])
    end
  end)

  it("goes on after a restart", function()
    open()
    bot:says("bob", "!vote 1")
    bot:restart()
    assert.same({ "bob: changed to the pizza." }, bot:says("bob", "!vote 2"))
    assert.same({ "What for? 1 pearls: 0, 2 the pizza: 1 (1 vote)" }, bot:says("bob", "!poll"))
  end)

  it("counts no more votes than fit", function()
    open()
    for number = 1, 500 do bot:says(("%064d"):format(number), "!vote 1") end
    assert.same({ "bob: no more votes can be counted." }, bot:says("bob", "!vote 1"))
    assert.same({}, bot:says(("x"):rep(65), "!vote 1"))
  end)
end)
