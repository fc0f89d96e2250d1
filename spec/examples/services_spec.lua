local program = require "spec.support.program"
local scratch = require "spec.support.scratch"
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

  it("archives what waits in the store when its room stays silent after a restart", function()
    bot = testing.bot("examples/services/archiver.lua", { store = { pool = true, deck = true },
      room_stores = {
        pool = { block = { day = "2025-12-31", lines = { "23:59:59 <ann> hi" }, bytes = 17 } },
        deck = { blocks = 4, closed = { { day = "2025-12-30", number = 4, text = "x" } } },
      } })
    bot:advance(60)
    assert.same({ { "archive-deck-2025-12-30", "x" },
      { "archive-pool-2025-12-31", "23:59:59 <ann> hi" } }, archived())
    assert.same({}, bot:stored())
    assert.same({ blocks = 4, days = { "2025-12-30" } }, bot:stored "deck")
  end)

  it("goes on after a block that a policy rejects, and says so", function()
    bot = testing.bot("examples/services/archiver.lua", { policies = { { "length", lines = 1 } } })
    bot:says("ann", "one", { room = "pool" })
    bot:says("ann", "two", { room = "pool" })
    bot:advance(60)
    bot:says("ann", "three", { room = "pool" })
    bot:advance(60)
    assert.equal(1, #archived())
    assert.matches("<ann> three$", archived()[1][2])
    assert.matches("a block of pool is rejected, and lost: ", bot.logs[1].text)
  end)

  it("cuts long lines between characters", function()
    bot = testing.bot "examples/services/archiver.lua"
    for _ = 1, 30 do bot:says(("ü"):rep(100), "x" .. ("ü"):rep(5000), { room = "pool" }) end
    bot:advance(60)
    local list = archived()
    assert.equal(15, #list)
    for _, block in ipairs(list) do
      assert.is_truthy(utf8.len(block[2]))
      assert.is_true(#block[2] < 7000)
    end
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

describe("examples/moderation.conf.lua", function()
  it("loads, and judges what users say, not what bots do", function()
    local log = scratch.folder() .. "/talk.log"
    scratch.write(log, table.concat({
      "=== cat [~cat@sea.example]  has joined #pool",
      "[10:00] <cat> look at http://spam.example.com/x",
      "[10:01] <cat> you are a badword",
      "[10:02] <cat> WHY IS NOBODY LISTENING",
      "[10:03] <ann> !mute cat 10m spam",
      "[10:04] <cat> hello?",
      "[10:15] <cat> !rules", "" }, "\n"))
    local result = program.run_moonpool { "replay", "--config", "examples/moderation.conf.lua",
      "--verdicts", "--room", "pool", log }
    assert.equal(0, result.status, result.stderr)
    for _, words in ipairs { "links rejected <cat>", "words rewritten <cat>",
      "caps rewritten <cat>", "mute rejected <cat> hello?", "<greeter> Welcome to pool, cat!",
      "<moderator> 1. Be kind." } do
      assert.is_truthy(result.stdout:find(words, 1, true), words .. "\n" .. result.stdout)
    end
  end)
end)
