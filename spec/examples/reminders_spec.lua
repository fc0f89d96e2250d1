local host_run = require "spec.support.host_run"
local moonpool = require "moonpool"
local system = require("moonpool.core").system
local testing = require "moonpool.testing"

describe("examples/bots/reminders.lua", function()
  local bot

  before_each(function() bot = testing.bot "examples/bots/reminders.lua" end)
  after_each(function() bot:close() end)

  it("reminds after a while", function()
    assert.same({ "ann: in 1h30m, as number 1." }, bot:says("ann", "!remind 1h30m tea is ready"))
    assert.same({}, bot:advance(5399))
    assert.same({ "ann: tea is ready" }, bot:advance(1))
    assert.same({}, bot:advance(86400))
  end)

  it("reminds at a time of day", function()
    assert.same({ "ann: in 18h30m, as number 1." }, bot:says("ann", "!remind 18:30 go home"))
    assert.same({ "ann: go home" }, bot:advance(18.5 * 3600))
  end)

  it("outlives a restart, and tells late what was due meanwhile", function()
    bot:says("ann", "!remind 10s soon")
    bot:says("ann", "!remind 1d later")
    bot:restart()
    assert.same({ "ann: soon" }, bot:advance(10))
    assert.same({ "ann: later" }, bot:advance(86400))
  end)

  it("lists and forgets one's own", function()
    bot:says("ann", "!remind 10m tea")
    bot:says("bob", "!remind 20m coffee")
    assert.same({ "ann: 1 in 10m: tea" }, bot:says("ann", "!reminders"))
    assert.same({ "ann: you have no such reminder." }, bot:says("ann", "!forget 2"))
    assert.same({ "ann: forgotten." }, bot:says("ann", "!forget #1"))
    assert.same({ "ann: you have none." }, bot:says("ann", "!reminders"))
    assert.same({ "bob: coffee" }, bot:advance(3600))
  end)

  it("refuses what it cannot do", function()
    for text, answer in pairs {
      ["!remind"] = "ann: Try ", ["!remind tomorrow tea"] = "ann: Try ",
      ["!remind 10m"] = "ann: Try ", ["!remind 25:00 tea"] = "ann: Try ",
      ["!remind 2000d tea"] = "ann: that is more than a year ahead",
      ["!remind 1s " .. ("x"):rep(201)] = "ann: that is longer than 200 bytes",
    } do
      assert.equal(1, (bot:says("ann", text)[1] or ""):find(answer, 1, true), text)
    end
    for _ = 1, 20 do bot:says("ann", "!remind 1h x") end
    assert.matches("you have 20 reminders already", bot:says("ann", "!remind 1h x")[1])
  end)
end)

describe("examples/bots/reminders.lua in a host", function()
  local run
  after_each(function() run:close() end)

  it("reminds though its worker was killed", function()
    local text = assert(io.open "examples/bots/reminders.lua"):read "a"
    run = host_run.open { scripts = { ["reminders.lua"] = text } }
    moonpool.run(function()
      run:command "!remind 1s tea is ready"
      run:await_text("reminders", "^ann: in 1s, as number 1")
      local key = "moonpool:store:bot:reminders"
      while not run.redis:hget(key, "list") do moonpool.sleep(0.01) end
      system.kill(run:worker(), "SIGKILL")
      run:await_text("reminders", "^ann: tea is ready$")
    end)
  end)
end)
