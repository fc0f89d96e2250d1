local text = require "moonpool.text"

-- Bytes, and what they become. The sequences are Unicode's own examples (chapter 3.9, tables 3-8
-- to 3-11).
local CASES = {
  { "", "" },
  { "plain", "plain" },
  { "español 日本 \u{10FFFF}\0", "español 日本 \u{10FFFF}\0" },
  { "\xFF", "\u{FFFD}" },
  { "caf\xE9", "caf\u{FFFD}" },
  { "caf\xE9 olé", "caf\u{FFFD} olé" },
  { "\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", ("\u{FFFD}"):rep(8) .. "A" },
  { "\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", ("\u{FFFD}"):rep(8) .. "A" },
  { "\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42",
    ("\u{FFFD}"):rep(5) .. "A" .. ("\u{FFFD}"):rep(2) .. "B" },
  { "\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", ("\u{FFFD}"):rep(4) .. "A" },
  { "\xF0\x9F\x98", "\u{FFFD}" },
  { "\xE2\x82", "\u{FFFD}" },
}

describe("text.to_utf8", function()
  for index, case in ipairs(CASES) do
    it("makes UTF-8 of case " .. index, function()
      assert.equal(case[2], text.to_utf8(case[1]))
      assert.equal("<" .. case[2] .. ">", text.to_utf8("<" .. case[1] .. ">"))
    end)
  end

  it("gives UTF-8 for any bytes, and keeps it as it is", function()
    math.randomseed(7)
    for _ = 1, 5000 do
      local bytes = {}
      for index = 1, math.random(0, 12) do bytes[index] = string.char(math.random(0, 255)) end
      local clean = text.to_utf8(table.concat(bytes))
      assert.is_truthy(utf8.len(clean))
      assert.equal(clean, text.to_utf8(clean))
    end
  end)

  it("takes time in proportion to the length", function()
    assert.equal(("\u{FFFD}"):rep(300000), text.to_utf8(("\xFF"):rep(300000)))
  end)
end)
