local testing = require "moonpool.testing"

describe("examples/services/link.lua", function()
  local bot
  after_each(function() bot:close() end)

  it("says in each room what is said in the other", function()
    bot = testing.bot("examples/services/link.lua", { options = { rooms = { "north", "south" } } })
    bot:says("ann", "hi", { room = "north" })
    bot:says("bob", "waves", { room = "south", type = "action" })
    bot:says("dice", "4", { room = "south", bot = true })
    local said = {}
    for index, message in ipairs(bot.said) do said[index] = message.room .. " " .. message.text end
    assert.same({ "south <ann@north> hi", "north * bob@south waves" }, said)
  end)
end)

describe("examples/services/archiver.lua", function()
  local bot
  after_each(function() bot:close() end)

  local function archived()
    local list = {}
    for _, message in ipairs(bot.said) do
      if message.room:find "^archive" then list[#list + 1] = { message.room, message.text } end
    end
    return list
  end

  it("archives by the day, after a minute at most, and tells where", function()
    bot = testing.bot("examples/services/archiver.lua", { time = 1798761590 }) -- 23:59:50
    bot:says("ann", "one", { room = "pool" })
    bot:says("bob", "waves", { room = "pool", type = "action" })
    bot:advance(20)
    bot:says("ann", "two", { room = "pool" })
    bot:advance(60)
    assert.same({
      { "archive-pool-2026-12-31", "23:59:50 <ann> one\n23:59:50 * bob waves" },
      { "archive-pool-2027-01-01", "00:00:10 <ann> two" },
    }, archived())
    assert.same({ "archive-pool-2026-12-31, archive-pool-2027-01-01" },
      bot:says("ann", "!archive", { room = "pool" }))
  end)

  it("archives full blocks at once, and keeps the rest over a restart", function()
    bot = testing.bot("examples/services/archiver.lua", {})
    for number = 1, 21 do bot:says("ann", tostring(number), { room = "pool" }) end
    assert.equal(1, #archived())
    bot:restart()
    bot:says("ann", "22", { room = "pool" })
    bot:advance(60)
    local list = archived()
    assert.matches("<ann> 21", list[2][2])
    assert.matches("<ann> 22", list[#list][2])
  end)
end)

describe("examples/services/moderator.lua", function()
  local bot
  after_each(function() bot:close() end)

  it("tells the rules and who leads, not too often", function()
    bot = testing.bot("examples/services/moderator.lua", {
      options = { rules = { "Be kind." }, moderators = { "zoe", "ann" } } })
    assert.same({ "1. Be kind." }, bot:says("bob", "!rules"))
    assert.same({}, bot:says("bob", "!rules"))
    bot:advance(10)
    assert.same({ "1. Be kind." }, bot:says("bob", "!rules"))
    assert.same({ "Ask ann, zoe." }, bot:says("bob", "!moderators"))
  end)
end)
