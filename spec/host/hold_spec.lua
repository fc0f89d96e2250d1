local moonpool = require "moonpool"
local actors = require "moonpool.host.actor"
local loop = require "spec.core.loop"

local run = loop.run

-- A script's calls while its stores are committed, or its next version is loaded.
describe("an actor that is held", function()
  local actor, said

  local asks = {
    load_store = function() return {} end,
    sleep = function(instance, _, seconds) instance.actor:sleep(seconds) end,
    say = function(_, _, _, text) said[#said + 1] = text end,
    wait = function() moonpool.sleep(0.02) end,
  }
  asks.count = asks.wait -- something that is awaited, other than a sleep

  local function load(text)
    said = {}
    actor = actors.new({
      kind = "bot", name = "script", path = "script.lua", text = text, options = {}, grants = {},
      memory = 16 << 20, budget = 1,
    }, { asks = asks, log = { write = function() end }, commit = function() end,
      on_version = function() end })
    assert(actor:load())
  end

  local SCRIPT = [[
    bot:on("start", function() bot.sleep(0.3) bot:say("a", "slept") end)
    bot:on("stop", function() bot:count "a" bot:say("a", "counted") end)
    bot:on("reconnect", function() bot:say("a", "reconnected") end)
  ]]

  after_each(function() actor.instance:close() end)

  it("does not wait for calls that sleep", function()
    run(function()
      load(SCRIPT)
      moonpool.spawn(actor.start, actor)
      local was_quiet
      actor:hold(function(is_quiet) was_quiet = is_quiet end)
      assert.is_true(was_quiet)
      assert.same({}, said)
      actor:deliver({}, "reconnect")
      assert.equal("reconnected", said[1])
    end)
  end)

  it("waits for calls that await something else, and lets none begin", function()
    run(function()
      load(SCRIPT)
      moonpool.spawn(actor.start, actor)
      moonpool.spawn(actor.deliver, actor, {}, "stop")
      actor:hold(function(is_quiet)
        assert.is_true(is_quiet)
        moonpool.spawn(actor.deliver, actor, {}, "reconnect")
        assert.equal("counted", said[1])
        assert.is_nil(said[2])
      end)
      loop.wait_until(function() return said[2] end)
      assert.equal("reconnected", said[2])
    end)
  end)

  it("waits for calls that sleep, too, when it is reloaded", function()
    run(function()
      load(SCRIPT)
      moonpool.spawn(actor.start, actor)
      actor:hold(function(is_quiet)
        assert.is_true(is_quiet)
        assert.same({ "slept" }, said)
      end, true)
    end)
  end)
end)
