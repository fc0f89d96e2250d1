-- Times and letters: what policies of the library share.
local duration = dofile "lua/moonpool/policies/support/duration.lua"
local fold = dofile "lua/moonpool/policies/support/fold.lua"

describe("a duration", function()
  it("is read as people write it", function()
    for text, seconds in pairs {
      ["10s"] = 10, ["10m"] = 600, ["1h30m"] = 5400, ["2d"] = 172800, ["1w"] = 604800,
      ["1m1m"] = 120,
    } do
      assert.equal(seconds, duration.parse(text))
    end
    for _, text in ipairs { "", "10", "m", "10 m", "10min", "-1m", "1.5h", "0s", "9999999s",
      "999999d" } do
      assert.is_nil(duration.parse(text), text)
    end
  end)

  it("is written with its two largest units, rounded up", function()
    for seconds, text in pairs {
      [0] = "1s", [0.2] = "1s", [59] = "59s", [59.5] = "1m", [60] = "1m", [61] = "1m1s",
      [3599] = "59m59s", [3600] = "1h", [3601] = "1h1m", [86399] = "1d", [90000] = "1d1h",
      [604800] = "1w",
    } do
      assert.equal(text, duration.format(seconds))
    end
  end)
end)

describe("a folded text", function()
  it("is in lower case", function()
    assert.equal("äöü àéî łžÿ привет ёж αβγω ß", fold.lower "ÄÖÜ ÀÉÎ ŁŽŸ ПРИВЕТ ЁЖ ΑΒΓΩ ß")
    assert.equal("a×÷1", fold.lower "A×÷1")
    assert.equal("\xC3 \xC3\xA9\xA9 \xF4", fold.lower "\xC3 \xC3\xA9\xA9 \xF4")
  end)

  it("has plain letters, and nothing invisible", function()
    assert.equal("resume aesthetik strasse", fold.plain "Résumé Æsthetik Straße")
    assert.equal("paypal.com", fold.plain "ｐаypаl。com")
    assert.equal("abc", fold.plain "a\u{200B}b\u{AD}\u{301}c\u{FEFF}")
    assert.equal("日本語 😀", fold.plain "日本語 😀")
    for code = 0x4E00, 0x4F00 do fold.plain(utf8.char(code)) end
    assert.equal("a", fold.plain "Ａ")
  end)

  it("keeps the places of its letters", function()
    local folded, places = fold.mapped "xÆ\u{301}y"
    assert.equal("xaey", folded)
    assert.same({ 1, 2, 2, 6, 7 }, places)
  end)
end)
