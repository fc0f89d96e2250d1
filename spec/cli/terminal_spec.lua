local terminal = require "moonpool.cli.terminal"

describe("terminal.neutralise", function()
  it("leaves text as it is", function()
    local text = "Grüße, 日本 \u{1F600} e\u{301} – “ok” àÀ"
    assert.equal(text, terminal.neutralise(text))
  end)

  it("shows control characters instead of obeying them", function()
    assert.equal("␛[31mred␇ a␊b␀␡", terminal.neutralise "\27[31mred\7 a\nb\0\127")
    assert.equal("\u{FFFD}31m", terminal.neutralise "\u{9B}31m")
  end)

  it("does not let text be reordered or broken into lines", function()
    assert.equal("a\u{FFFD}b\u{FFFD}c\u{FFFD}\u{FFFD}d", terminal.neutralise
      "a\u{202E}b\u{2066}c\u{2028}\u{200F}d")
  end)

  it("replaces what is no UTF-8", function()
    assert.equal("a\u{FFFD}b", terminal.neutralise "a\xFFb")
    assert.equal("\u{FFFD}31m", terminal.neutralise "\x9B31m")
  end)
end)
