local testing = require "moonpool.testing"

describe("examples/bots/poll.lua", function()
  local bot

  before_each(function() bot = testing.bot "examples/bots/poll.lua" end)
  after_each(function() bot:close() end)

  it("counts a vote of each, the last one", function()
    assert.same({ "Tea? 1) yes: 0, 2) no: 0 (!vote NUMBER)" },
      bot:says("ann", "!poll Tea? yes | no"))
    assert.same({}, bot:says("ann", "!vote 1"))
    bot:says("bob", "!vote 2")
    bot:says("bob", "!vote 1")
    assert.same({ "Tea? 1) yes: 2, 2) no: 0" }, bot:says("zoe", "!poll"))
    bot:restart()
    assert.same({ "Tea? The result: 1) yes: 2, 2) no: 0" }, bot:says("ann", "!close"))
    assert.same({ "There is no poll." }, bot:says("ann", "!close"))
  end)

  it("is closed by whoever opened it", function()
    bot:says("ann", "!poll Where | here | there")
    assert.same({ "bob: ann has opened it." }, bot:says("bob", "!close"))
    assert.same({ "bob: there is a poll already; !close ends it." },
      bot:says("bob", "!poll Tea? yes | no"))
  end)

  it("refuses what is no poll and no vote", function()
    assert.same({ "ann: try !poll Tea? yes | no" }, bot:says("ann", "!poll Tea?"))
    assert.same({ "ann: there is no poll; try !poll Tea? yes | no" }, bot:says("ann", "!poll"))
    assert.same({ "ann: there is no poll." }, bot:says("ann", "!vote 1"))
    assert.same({ "ann: at most 10 answers." }, bot:says("ann", "!poll A? 1|2|3|4|5|6|7|8|9|10|11"))
    bot:says("ann", "!poll Tea? yes | no")
    for _, vote in ipairs { "3", "0", "x", "1.5", "" } do
      assert.same({ "ann: a number from 1 to 2, please." }, bot:says("ann", "!vote " .. vote))
    end
  end)
end)
