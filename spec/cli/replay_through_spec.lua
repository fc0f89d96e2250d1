local program = require "spec.support.program"
local scratch = require "spec.support.scratch"

local LOG = [[
=== ann [~ann@example]  has joined #pool
[23:58] <ann> !echo one
[23:58]  * ann waves
=== ann is now known as lee
[23:59] <bob> http://evil.example
[23:59] <lee> ALL OF THIS IS LOUD, IS IT NOT
[00:01] <lee> !fail
[00:02] <lee> !echo two
=== lee [~ann@example]  has left #pool
]]

describe("moonpool replay --through", function()
  local folder

  before_each(function() folder = scratch.folder() end)

  local function write(text, name) return scratch.write(folder .. "/" .. name, text) end

  local function write_bot()
    return write([[
      bot:command("echo", function(m, args) m:reply(args.text) end)
      bot:command("fail", function() local x = nil; return x.y end)
      bot:on("subscribe", function(m) m:reply("hello " .. m.user) end)
      bot:on("rename", function(m) bot:say("log", m.user .. ">" .. m.to) end)
      bot:on("unsubscribe", function(m) bot:say(m.room, "waves", { type = "action" }) end)
      bot:on("stop", function() print "the end" end)
      bot:every(60, function() bot:say("log", os and "os" or bot.time() % 86400 .. "") end)
    ]], "tell.lua")
  end

  -- No Redis may be used: this one does not answer.
  local function replay(...)
    local words = table.pack("replay", ...)
    words.n, words.env = nil, { REDIS_URL = "unix:///nonexistent" }
    return program.run_moonpool(words)
  end

  it("prints what bots would have said, at the log's times", function()
    local result = replay("--through", write_bot(), "--room", "pool", write(LOG, "x.log"))
    assert.equal([[
[23:58] <tell> hello ann
[23:58] <tell> one
[23:58] (log) <tell> ann>lee
[23:59] (log) <tell> 86340.0
[00:00] (log) <tell> 0.0
[00:01] (log) <tell> 60.0
[00:02] (log) <tell> 120.0
[00:02] <tell> two
[00:02]  * tell waves
]], result.stdout)
  end)

  it("tells failures with their traceback, totals, and fails itself", function()
    local log = write(LOG, "x.log")
    local result = replay("--through", write_bot(), log, log)
    assert.equal(1, result.status)
    assert.matches("2026%-01%-02T00:01:00.000Z error tell: .-/tell.lua:2: attempt to index a nil "
      .. "value %(local 'x'%) event=command\n    stack traceback:\n", result.stderr)
    assert.matches("info tell: the end\n", result.stderr)
    assert.matches("18 events of 2 files\n  bot tell: %d+ calls, said %d+, 2 failed\n$",
      result.stderr)
  end)

  it("has policies judge, and prints their verdicts when it is asked to", function()
    local log = write(LOG, "x.log")
    local result = replay("--policy", "links", "--policy", "caps", "--verdicts", log)
    assert.equal(0, result.status, result.stderr)
    assert.equal("[23:59] -- links rejected <bob> http://evil.example (links to evil.example are "
      .. "not allowed here)\n"
      .. "[23:59] -- caps rewritten <lee> ALL OF THIS IS LOUD, IS IT NOT\n", result.stdout)
    assert.matches("9 events of 1 file\n"
      .. "  policy links: %d judged, 1 rejected, 0 rewritten, 0 failed\n"
      .. "  policy caps: %d judged, 0 rejected, 1 rewritten, 0 failed\n$", result.stderr)
  end)

  it("prints the same bytes with the same seed", function()
    local bot = write([[
      local words = {}
      for index = 1, 50 do words["w" .. index] = index end
      bot:on("publish", function(m)
        local list = {}
        for word in pairs(words) do list[#list + 1] = word end
        m:reply(("%s %d %s %s"):format(next(words), math.random(1000000), tostring({}) == "" and 1
          or 2, table.concat(list, " ")))
      end)
    ]], "random.lua")
    local log = write(LOG, "x.log")
    local one, same = replay("--through", bot, "--seed", "7", log),
      replay("--through", bot, "--seed", "7", log)
    assert.same(one, same)
    assert.not_equal(one.stdout, replay("--through", bot, "--seed", "8", log).stdout)
  end)

  it("takes folders, and several of them", function()
    write_bot()
    local result = replay("--through", folder, "--through", "examples/bots/dice.lua",
      write("[10:00] <ann> !roll 1d1000\n[10:00] <ann> !echo x\n", "x.log"))
    assert.matches("^%[10:00%] <dice> ann rolls 1d1000: %d+\n%[10:00%] <tell> x\n$", result.stdout)
  end)

  it("takes bots and policies of a configuration, with their options", function()
    write('bot:command("word", function(m) m:reply(bot.options.word) end)', "word.lua")
    local path = write([[
      bots = { { "word.lua", options = { word = "salt" } } }
      policies = { { "length", characters = 10 } }
    ]], "pool.conf.lua")
    local result = replay("--config", path, "--verdicts",
      write("[10:00] <ann> !word\n[10:00] <ann> a long word indeed\n", "x.log"))
    assert.matches("^%[10:00%] <word> salt\n"
      .. "%[10:00%] %-%- length rejected <ann> a long word indeed", result.stdout)
  end)

  it("cannot be steered by what others say", function()
    local result = replay("--through", write_bot(), write("[10:00] <ann> !echo \27[2Jx\n", "x.log"))
    assert.equal("[10:00] <tell> ␛[2Jx\n", result.stdout)
  end)

  it("names what is wrong with scripts, and options that are of no use", function()
    local log = write(LOG, "x.log")
    local broken = replay("--through", write("(", "broken.lua"), log)
    assert.equal(78, broken.status)
    assert.matches("broken.lua:1: unexpected symbol", broken.stderr)
    local missing = replay("--through", folder .. "/none.lua", log)
    assert.equal(78, missing.status)
    assert.equal(("moonpool replay: %s/none.lua: No such file or directory\n"):format(folder),
      missing.stderr)
    for _, options in ipairs { { "--speed", "2" }, { "--history", "list" }, { "--json" },
      { "--seed", "x" } } do
      local words = { "replay", "--policy", "links", log }
      table.move(options, 1, #options, #words + 1, words)
      assert.equal(2, program.run_moonpool(words).status)
    end
  end)

  it("ends when it is told to", function()
    local bot = write('bot:on("publish", function() print "here" end)', "slow.lua")
    local running = program.moonpool { "replay", "--through", bot, "-", stdin = "pipe" }
    running:write("[10:00] <a> x\n[10:01] <a> y\n[10:02] <a> z\n")
    running:expect_error "info slow: here"
    running:signal "INT"
    running:close_stdin()
    assert.equal(0, running:wait())
  end)
end)
