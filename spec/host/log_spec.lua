local json = require("moonpool").json
local log = require "moonpool.host.log"
local moonpool = require "moonpool"

describe("host.log", function()
  local lines, clock, timers

  before_each(function() lines, clock, timers = {}, 0, {} end)

  local function new(options)
    local all = {
      write = function(line) lines[#lines + 1] = line end,
      time = function() return 1795442585.2509 + clock end, now = function() return clock end,
      later = function(seconds, fn)
        local timer = { seconds = seconds, fn = fn, is_open = true }
        function timer.close() timer.is_open = false end
        timers[#timers + 1] = timer
        return timer
      end,
    }
    for name, value in pairs(options or {}) do all[name] = value end
    return log.new(all)
  end

  describe("as text", function()
    it("has time, level, script, message and fields in one line", function()
      new():write("warning", "cannot say it", { script = "dice", room = "chatty", code = "ECONN",
        id = "1795-1-9f", zeal = 3, alarm = true })
      assert.same({ "2026-11-23T14:03:05.250Z warning dice: cannot say it room=chatty "
        .. "id=1795-1-9f code=ECONN alarm=true zeal=3\n" }, lines)
    end)

    it("puts values into quotes that are no plain word", function()
      new():write("info", "rejected", { user = "ann lee", reason = 'no "x=1"', room = "",
        event = "a\\b" })
      assert.same({ '2026-11-23T14:03:05.250Z info rejected room="" user="ann lee" event=a\\b '
        .. 'reason="no \\"x=1\\""\n' }, lines)
    end)

    it("shows a traceback as indented lines", function()
      new():write("error", "bots/dice.lua:3: no dice\nstack traceback:\n\tbots/dice.lua:3: in f",
        { script = "dice" })
      assert.same({ "2026-11-23T14:03:05.250Z error dice: bots/dice.lua:3: no dice\n"
        .. "    stack traceback:\n      bots/dice.lua:3: in f\n" }, lines)
    end)

    it("lets nobody make lines of his own, nor steer a terminal", function()
      new():write("error", "a\27[2J\n2026-11-23T14:03:05.250Z info all is well\r\n\tb\u{9b}c",
        { user = "a\nb", script = "x\ny", room = "\u{202e}r" })
      assert.same({ "2026-11-23T14:03:05.250Z error x␊y: a␛[2J room=\u{FFFD}r user=a␊b\n"
        .. "    2026-11-23T14:03:05.250Z info all is well␍\n      b\u{FFFD}c\n" }, lines)
    end)
  end)

  describe("as JSON", function()
    it("has one object a line, the fields in a fixed order", function()
      new({ format = "json" }):write("error", "no dice\n\tat 3", { script = "dice", id = "1-2-3",
        room = "chatty", seconds = 0.25, count = 3, is_dead = false })
      assert.same({ '{"time":"2026-11-23T14:03:05.250Z","level":"error","script":"dice",'
        .. '"message":"no dice","room":"chatty","id":"1-2-3","count":3,"is_dead":false,'
        .. '"seconds":0.25,"trace":"\\tat 3"}\n' }, lines)
    end)

    it("keeps texts whole, and steers no terminal", function()
      local text = 'a"\\\27[2J\127\u{9b}\u{202e}\u{2066}é'
      new({ format = "json" }):write("info", text, { user = "\xff" })
      assert.is_nil(lines[1]:find "[\127\27]")
      for _, char in ipairs { "\u{9b}", "\u{202e}", "\u{2066}" } do
        assert.is_nil(lines[1]:find(char, 1, true))
      end
      local object = json.decode(lines[1])
      assert.same({ text, "\u{FFFD}" }, { object.message, object.user })
    end)
  end)

  it("leaves out what is below its level, which can be changed", function()
    local own = new { level = "warning" }
    own:write("info", "a")
    own:write("warning", "b")
    assert.equal("warning", own:level "debug")
    own:write("debug", "c")
    assert.equal("debug", own:level())
    assert.equal(2, #lines)
  end)

  it("refuses levels and formats that there are not", function()
    assert.has_error(function() new():write("loud", "a") end, 'log: there is no level "loud"')
    assert.has_error(function() new { level = "loud" } end)
    assert.has_error(function() new { format = "xml" } end)
  end)

  describe("of lines that come again and again", function()
    local function fail(own, count, script, number)
      for index = 1, count do
        own:write("error", ("bots/dice.lua:%d: no die %d"):format(number or 3, index),
          { script = script or "dice", event = "publish", room = "r" .. index })
      end
    end

    it("writes ten, then how many were left out", function()
      local own = new()
      fail(own, 25)
      assert.equal(10, #lines)
      assert.same({ 1, 10, true }, { #timers, timers[1].seconds, timers[1].is_open })
      clock = 10
      timers[1].fn()
      assert.equal(11, #lines)
      assert.equal("2026-11-23T14:03:15.250Z error dice: 15 more like it were left out: "
        .. "bots/dice.lua:3: no die 1 event=publish\n", lines[11])
      assert.same({ 1, false }, { #timers, timers[1].is_open })
      fail(own, 3)
      assert.equal(14, #lines)
    end)

    it("counts anew when the time is over, whether its timer has come or not", function()
      local own = new()
      fail(own, 11)
      clock = 11
      fail(own, 1)
      assert.equal(12, #lines)
      assert.matches("1 more like it were left out", lines[11])
      assert.matches("no die 1 room=r1", lines[12])
    end)

    it("keeps scripts, events and places apart", function()
      local own = new()
      fail(own, 10)
      fail(own, 10, "other")
      fail(own, 10, "dice", 4)
      own:write("error", "bots/dice.lua:3: no die 1", { script = "dice", event = "timer" })
      own:write("info", "something else", { script = "dice" })
      assert.equal(32, #lines)
    end)

    it("keeps what scripts print apart by its numbers, too", function()
      local own = new()
      for index = 1, 25 do own:write("info", "row " .. index, { script = "stats" }) end
      for index = 1, 25 do own:write("warning", "missed " .. index, { script = "stats" }) end
      assert.equal(35, #lines)
    end)

    it("goes on waiting for those that began later", function()
      local own = new()
      fail(own, 11)
      clock = 5
      fail(own, 12, "other")
      clock = 10
      timers[1].fn()
      assert.equal(21, #lines)
      assert.same({ 2, true }, { #timers, timers[2].is_open })
      clock = 20
      timers[2].fn()
      assert.matches("error other: 2 more like it", lines[22])
      assert.same({ 2, false }, { #timers, timers[2].is_open })
    end)

    it("tells what was left out at once when it is asked to", function()
      local own = new()
      fail(own, 12)
      own:flush()
      assert.matches("2 more like it", lines[11])
      assert.is_false(timers[1].is_open)
    end)

    it("remembers a bounded number of kinds", function()
      local own = new()
      fail(own, 11)
      for index = 1, 1000 do
        own:write("info", ("%q"):format(string.char(index % 32 + 64, index // 32 + 64)))
      end
      assert.is_truthy(table.concat(lines):find("1 more like it", 1, true))
    end)

    it("writes all when it is told to, or other numbers", function()
      fail(new { repeats = 0 }, 25)
      assert.equal(25, #lines)
      fail(new { repeats = 2, within = 3 }, 25)
      assert.same({ 27, 3 }, { #lines, timers[1].seconds })
    end)
  end)

  it("uses moonpool's clocks and timers", function()
    local own = log.new { within = 0.01, write = function(line) lines[#lines + 1] = line end }
    moonpool.run(function()
      for _ = 1, 12 do own:write("info", "x") end
    end)
    assert.equal(11, #lines)
    assert.matches("^20%d%d%-.*Z info 2 more like it were left out: x\n$", lines[11])
  end)
end)
