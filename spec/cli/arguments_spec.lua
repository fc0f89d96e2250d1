local arguments = require "moonpool.cli.arguments"

describe("arguments", function()
  local function refused(convert, text, why)
    local value, message = arguments[convert](text)
    assert.is_nil(value, text)
    assert.is_truthy(message:find(why, 1, true), message)
  end

  it("takes counts", function()
    assert.equal(7, arguments.positive "7")
    assert.equal(0, arguments.count "0")
    for _, text in ipairs { "0", "-1", "1.5", "x", "", "inf" } do
      refused("positive", text, ("not '%s'"):format(text))
    end
    refused("count", "-1", "a whole number from 0 on is needed, not '-1'")
  end)

  it("takes ids", function()
    for _, id in ipairs { "1795365705683-2-9f3a7c1e04b1d2aa", "0-0-0000000000000000",
      "1795365705683-000000000002-9f3a7c1e04b1d2aa" } do
      assert.equal(id, arguments.id(id))
    end
    for _, text in ipairs { "", "7", "1795365705683-2", "1-2-9f3a", "1-2-9F3A7C1E04B1D2AA",
      "-1-2-9f3a7c1e04b1d2aa", "1-2-9f3a7c1e04b1d2aax" } do
      refused("id", text, ("'%s' is not the id of a message"):format(text))
    end
    refused("id", "\27[31m", "'␛[31m' is not")
  end)

  it("takes lengths of time", function()
    assert.equal(600, arguments.duration "10m")
    assert.equal(604800, arguments.duration "7d")
    for _, text in ipairs { "", "10", "now", "2026-11-23", "10y" } do
      refused("duration", text, ("not '%s'"):format(text))
    end
  end)

  it("takes names", function()
    assert.equal("ann é", arguments.user "ann é")
    refused("user", "", "a name is needed")
    refused("user", ("x"):rep(257), "longer than 256 bytes")
    refused("user", "\xFF", "no UTF-8")
    refused("user", "a\nb", "control characters")
  end)
end)
