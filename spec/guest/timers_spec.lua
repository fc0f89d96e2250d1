local guest_box = require "spec.support.guest_box"

describe("guest timers", function()
  after_each(guest_box.close_all)

  it("are asked of the host, and called by number", function()
    local box = guest_box.bot([[
      bot:every(5, function() bot:say("a", "every") end)
      bot:after(3, function() bot:say("a", "after") end)
      bot:after(-1, function() bot:say("a", "at once") end)
      bot:at(1010, function() bot:say("a", "at") end)
      bot:at(990, function() bot:say("a", "past") end)
    ]], { clock = 1000 })
    assert.same({
      { seconds = 5, is_repeated = true }, { seconds = 3, is_repeated = false },
      { seconds = 0, is_repeated = false }, { seconds = 10, is_repeated = false },
      { seconds = 0, is_repeated = false },
    }, box.timers)
    box:set_clock(1010)
    for _, id in ipairs { 1, 2, 2, 3, 4, 4, 5, 1 } do box:event("timer", id) end
    assert.same({ "every", "after", "at once", "at", "past", "every" }, box:texts())
  end)

  it("that are closed are cancelled, and not called any more", function()
    local box = guest_box.bot [[
      timer = bot:every(5, function() bot:say("a", "tick") timer:close() timer.close() end)
      local other = bot:after(5, function() bot:say("a", "never") end)
      other:close()
    ]]
    assert.same({ [1] = { seconds = 5, is_repeated = true } }, box.timers)
    box:event("timer", 1)
    box:event("timer", 1)
    box:event("timer", 2)
    assert.same({ "tick" }, box:texts())
    assert.same({}, box.timers)
  end)

  it("are skipped while the last call runs", function()
    local box = guest_box.bot [[
      bot:every(5, function() bot:say("a", "begin") bot.sleep(9) bot:say("a", "end") end)
    ]]
    local call = box:begin("timer", 1)
    box:event("timer", 1)
    assert.same({ "begin" }, box:texts())
    box:wake(call)
    assert.same({ "end" }, box:texts())
    box:wake(box:begin("timer", 1))
    assert.same({ "begin", "end" }, box:texts())
  end)

  it("that fail go on", function()
    local box = guest_box.bot [[ bot:every(5, function() error "no" end) ]]
    box:event("timer", 1)
    box:event("timer", 1)
    assert.equal(2, #box.failures)
    assert.matches("^timer: script.lua:1: no", box.failures[2])
  end)

  it("at a time look at the clock again, which may be set", function()
    local box = guest_box.bot([[
      bot:at(10000, function() bot:say("a", "at") end)
    ]], { clock = 1000 })
    assert.same({ seconds = 3600, is_repeated = false }, box.timers[1])
    box:set_clock(4600)
    box:event("timer", 1)
    assert.same({ seconds = 3600, is_repeated = false }, box.timers[1])
    box:set_clock(9000)
    box:event("timer", 1)
    assert.same({ seconds = 1000, is_repeated = false }, box.timers[1])
    assert.same({}, box:texts())
    box:set_clock(10000)
    box:event("timer", 1)
    box:event("timer", 1)
    assert.same({ "at" }, box:texts())
  end)

  it("tell whether a store was touched", function()
    local box = guest_box.bot [[
      bot:every(1, function() bot.store.n = (bot.store.n or 0) + 1 end)
      bot:every(1, function() end)
    ]]
    assert.is_false(box:event("timer", 2))
    assert.is_true(box:event("timer", 1))
    assert.same({ ["own.n"] = "1" }, box:commit())
  end)

  it("have a limit", function()
    local ok, problem = pcall(guest_box.bot,
      "for n = 1, 1000 do bot:after(1, print) end\nbot:every(1, print)")
    assert.is_false(ok)
    assert.matches("script.lua:2: bot:every: there are 1000 timers already", problem, 1, true)
    guest_box.bot "for n = 1, 2000 do bot:after(1, print):close() end"
  end)
end)
