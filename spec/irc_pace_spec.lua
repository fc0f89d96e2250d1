local irc_pace = require "moonpool.irc_pace"
local irc_reader = require "moonpool.irc_reader"
local scratch = require "spec.support.scratch"

local function write(text) return scratch.write(scratch.folder() .. "/a.log", text) end

-- When the events of logs with these texts are due, rounded to a tenth of a second.
local function dues(...)
  local paths = {}
  for index, text in ipairs { ... } do paths[index] = write(text) end
  local pace, list = irc_pace.new(assert(irc_reader.open(paths))), {}
  for _, due in function() return pace:next() end do list[#list + 1] = ("%.1f"):format(due) end
  return table.concat(list, " ")
end

local function at(...)
  local lines = {}
  for index, time in ipairs { ... } do lines[index] = ("[%s] <a> x\n"):format(time) end
  return table.concat(lines)
end

describe("irc_pace", function()
  it("spreads the events of a minute evenly over it", function()
    assert.equal("0.0 20.0 40.0 60.0 90.0 120.0",
      dues(at("10:00", "10:00", "10:00", "10:01", "10:01", "10:02")))
  end)

  it("keeps silent minutes", function()
    assert.equal("0.0 7200.0", dues(at("10:00", "12:00")))
  end)

  it("counts lines without a time to the minute before them", function()
    local join = "=== b [b@b]  has joined #pool\n"
    assert.equal("0.0 30.0 60.0", dues(at "10:00" .. join .. at "10:01"))
    assert.equal("0.0 20.0 40.0 60.0", dues(join .. join .. at("10:00", "10:01")))
    assert.equal("0.0 30.0", dues(join .. join))
  end)

  it("goes past midnight, and past noon where hours are 1 to 12", function()
    assert.equal("0.0 60.0", dues(at("23:59", "00:00")))
    assert.equal("0.0 1260.0", dues(at("23:50", "00:11")))
    assert.equal("0.0 60.0", dues(at("12:59", "01:00")))
    assert.equal("0.0 25200.0", dues(at("22:00", "05:00")))
  end)

  it("takes a small step back for a line out of order", function()
    assert.equal("0.0 60.0 120.0", dues(at("10:05", "10:03", "10:05")))
  end)

  it("goes on a minute later in the next file", function()
    assert.equal("0.0 60.0 120.0", dues(at("10:00", "10:01"), at "07:00"))
    assert.equal("0.0 60.0", dues(at "10:00", "", at "10:00"))
  end)

  it("has nothing in an empty log", function()
    assert.equal("", dues "")
    assert.equal("", dues "=== nothing happens\n")
  end)

  it("passes on that a file cannot be read", function()
    local first, second = write(at "10:00"), write(at "10:00")
    local pace = irc_pace.new(assert(irc_reader.open { first, second }))
    assert(os.remove(second))
    assert.is_truthy(pace:next())
    local event, message = pace:next()
    assert.is_nil(event)
    assert.equal(second .. ": No such file or directory", message)
  end)
end)
