local testing = require "moonpool.testing"

local PATH = "examples/bots/karma.lua"

describe("examples/bots/karma.lua", function()
  local bot

  before_each(function() bot = testing.bot(PATH) end)
  after_each(function() bot:close() end)

  it("counts thanks and blame, whatever the case of the name", function()
    assert.same({ "bob has 1" }, bot:says("ann", "bob++"))
    assert.same({ "BOB has 2" }, bot:says("cat", "thanks, BOB++!"))
    assert.same({ "Bob has 1" }, bot:says("cat", "(Bob--)"))
    assert.same({ "bob has 1" }, bot:says("ann", "!karma bob"))
    assert.same({ "nemo has 0" }, bot:says("ann", "!karma nemo"))
  end)

  it("refuses one's own, and counts a name once a message", function()
    assert.same({ "nobody changes their own karma, Ann" }, bot:says("Ann", "ann++"))
    assert.same({ "bob has 1; cat has -1" }, bot:says("ann", "bob++ bob++ cat-- Bob--"))
    assert.same({}, bot:stored("test").ann and { "ann" } or {})
  end)

  it("leaves other words alone", function()
    for _, words in ipairs { "C++", "a--b", "rm --force", "i++j", "bob+-", "bob+", "++", "-- bob",
      ("x"):rep(33) .. "++", "http://x/bob++y" } do
      assert.same({}, bot:says("ann", words), words)
    end
    assert.same({}, bot:says("other", "bob++", { bot = true }))
  end)

  it("changes five names a message at most", function()
    assert.same({ "n1 has 1; n2 has 1; n3 has 1; n4 has 1; n5 has 1" },
      bot:says("ann", "n1++ n2++ n3++ n4++ n5++ n6++"))
  end)

  it("tells the best and the worst, by room", function()
    assert.same({ "Nobody has any karma yet." }, bot:says("ann", "!karma"))
    for number = 1, 7 do
      for _ = 1, number do bot:says("ann", "n" .. number .. "++") end
    end
    bot:says("ann", "n9--")
    assert.same({ "Best: n7 7, n6 6, n5 5, n4 4, n3 3; worst: n9 -1, n1 1, n2 2" },
      bot:says("bob", "!karma"))
    assert.same({ "Nobody has any karma yet." }, bot:says("ann", "!karma", { room = "deck" }))
  end)

  it("keeps it over a restart, and no more names than fit", function()
    local full = {}
    for number = 1, 1000 do full[("n%04d"):format(number)] = number == 500 and 1 or 2 end
    local other = testing.bot(PATH, { room_stores = { test = full } })
    assert.same({ "bob has 1" }, other:says("ann", "bob++"))
    other:restart()
    assert.same({ "bob has 1" }, other:says("ann", "!karma bob"))
    assert.same({ "n0500 has 0" }, other:says("ann", "!karma n0500"))
    assert.same({ "n0501 has 2" }, other:says("ann", "!karma n0501"))
    other:close()
  end)
end)
