local moonpool = require "moonpool"
local instances = require "moonpool.host.instance"
local loop = require "spec.core.loop"

-- A call that asks its host for something has its budget, too, and does not keep others from their
-- turn.
describe("a call that asks", function()
  local instance, asked

  local function count(answer)
    return function(...)
      asked = asked + 1
      return answer(...)
    end
  end

  local asks = {
    load_store = function() return {} end,
    log = count(function() end), timer = count(function() end), cancel = count(function() end),
    say = count(function() return nil, "refused", "EPERM" end),
    sleep = count(function(_, _, seconds) moonpool.sleep(seconds) end),
    fail = function() end,
  }

  local function run(script, budget)
    asked = 0
    loop.run(function()
      instance = assert(instances.load({
        kind = "bot", name = "script", path = "script.lua", options = {}, grants = {},
        memory = 16 << 20, budget = budget,
        text = ("bot:on('start', function() %s end)"):format(script),
      }, asks))
      local turns, is_over = 0, false
      moonpool.spawn(function()
        while not is_over do
          turns = turns + 1
          moonpool.sleep(0)
        end
      end)
      instance.outcome = instance:call({}, "start")
      is_over, instance.turns = true, turns
    end)
    return instance.outcome, instance.where
  end

  after_each(function() instance:close() end)

  for what, script in pairs {
    prints = "while true do print 'x' end",
    ["sets timers"] = "while true do bot:every(1, print):close() end",
    ["is refused something"] = "while true do bot:say('a', 'x') end",
    ["does so in pcall"] = "while true do pcall(print, 'x') end",
  } do
    it(("and does nothing but that comes to its end: %s"):format(what), function()
      local outcome, where = run(script, 0.02)
      assert.same({ "killed", "script.lua:1" }, { outcome, where })
      assert.is_true(asked > 64)
      assert.is_true(instance.turns > 1)
    end)
  end

  it("has its budget anew when it has waited", function()
    local outcome = run([[
      for _ = 1, 20 do
        local till = bot.now() + 0.005
        while bot.now() < till do end
        bot.sleep(0)
      end
    ]], 0.05)
    assert.equal("done", outcome)
    assert.equal(20, asked)
  end)

  it("and may ask often", function()
    assert.equal("done", (run("for _ = 1, 1000 do print 'x' end", 0.5)))
    assert.equal(1000, asked)
    assert.is_true(instance.turns > 1000 / 64)
  end)
end)
