local instant = require "moonpool.cli.instant"

describe("instant.parse", function()
  local function at(text) return assert(instant.parse(text)).at end
  local function ago(text) return assert(instant.parse(text)).ago end

  it("takes seconds since 1970", function()
    assert.equal(0, at "0")
    assert.equal(1795365705, at "1795365705")
    assert.equal(1795365705.683, at "1795365705.683")
  end)

  it("takes ISO 8601", function()
    assert.equal(0, at "1970-01-01T00:00:00Z")
    assert.equal(951827696.5, at "2000-02-29T12:34:56.5Z")
    assert.equal(951827696.5, at "2000-02-29 12:34:56,5Z")
    assert.equal(951827640, at "2000-02-29T12:34Z")
    assert.equal(951827640, at "2000-02-29T13:34+01:00")
    assert.equal(951827640, at "2000-02-29T07:04-0530")
    assert.equal(951827640, at "2000-02-29T14:34+02")
    assert.equal(253402300799, at "9999-12-31T23:59:59Z")
  end)

  it("takes a time without a zone as this machine's", function()
    local function here(hour, min, sec)
      return os.time { year = 2026, month = 7, day = 14, hour = hour, min = min, sec = sec }
    end
    assert.equal(here(0, 0, 0), at "2026-07-14")
    assert.equal(here(14, 3, 0), at "2026-07-14T14:03")
    assert.equal(here(14, 3, 5), at "2026-07-14 14:03:05")
    assert.equal(here(14, 3, 5) + 0.25, at "2026-07-14T14:03:05.25")
  end)

  it("takes how long ago", function()
    assert.equal(600, ago "10m")
    assert.equal(5400, ago "1h30m")
    assert.equal(5400, ago "1.5h")
    assert.equal(0.25, ago "250ms")
    assert.equal(604800 + 2 * 86400 + 3, ago "1w2d3s")
    assert.equal(0, ago "now")
    assert.equal(0, ago "0s")
  end)

  it("says what is wrong", function()
    local cases = {
      [""] = "is needed", ["soon"] = "is needed", ["-5"] = "is needed", ["10"] = false,
      ["1795365705683"] = "milliseconds?",
      ["10y"] = "no unit 'y'", ["10M"] = "no unit 'M'",
      ["10m5"] = "is needed", ["1e3"] = "no unit 'e'", ["nan"] = "is needed",
      ["0x10"] = "no unit 'x'",
      ["2026-02-29"] = "no such day", ["2026-13-01"] = "no such day",
      ["2026-00-10"] = "no such day",
      ["2026-04-31T00:00"] = "no such day", ["2026-11-23T"] = "after the date",
      ["2026-11-23T24:00"] = "after the date", ["2026-11-23T14:60"] = "after the date",
      ["2026-11-23T14:03:61"] = "after the date", ["2026-11-23T14"] = "after the date",
      ["2026-11-23T14:03 UTC"] = "' UTC' is no zone", ["2026-11-23T14:03+25:00"] = "is no zone",
      ["2026-11-23T14:03+1"] = "is no zone", ["1969-12-31T00:00Z"] = "before 1970",
    }
    for text, why in pairs(cases) do
      local moment, message = instant.parse(text)
      if why then
        assert.is_nil(moment, text)
        assert.is_truthy(message:find(("bad time '%s': "):format(text), 1, true), message)
        assert.is_truthy(message:find(why, 1, true), message)
      else
        assert.is_table(moment)
      end
    end
  end)
end)

describe("instant.resolve", function()
  local function client(reply)
    return { call = function(_, name)
      assert.equal("TIME", name)
      return reply
    end }
  end

  it("counts by Redis's clock", function()
    assert.equal(940.5, instant.resolve({ ago = 60 }, client { "1000", "500000" }))
    assert.equal(0, instant.resolve({ ago = 2000 }, client { "1000", "0" }))
    assert.equal(7, instant.resolve({ at = 7 }, nil))
  end)

  it("counts by this machine's where Redis does not tell", function()
    local now = require("moonpool").time()
    local moment = instant.resolve({ ago = 60 }, client(nil))
    assert.is_true(moment >= now - 61 and moment <= now + 600)
  end)
end)
