local room_name = require "moonpool.room_name"

local function assert_refused(text, reason)
  local name, message, code = room_name(text)
  assert.is_nil(name)
  assert.matches(reason, message, 1, true)
  assert.equal("EARG", code)
end

describe("room_name", function()
  it("takes a plain name as it is", function()
    assert.equal("chatty", room_name "chatty")
    assert.equal("a*[b]?\\ c", room_name "a*[b]?\\ c")
    assert.equal("Küche-日本", room_name "Küche-日本")
    assert.equal(1, select("#", room_name "chatty"))
  end)

  it("drops one leading room:", function()
    assert.equal("chatty", room_name "room:chatty")
    assert.equal("room:chatty", room_name "room:room:chatty")
    assert.equal("my room:chatty", room_name "my room:chatty")
  end)

  it("refuses an empty name", function()
    assert_refused("", "empty")
    assert_refused("room:", "empty")
  end)

  it("refuses braces", function()
    assert_refused("a{b", "brace at byte 2")
    assert_refused("room:}", "brace at byte 1")
  end)

  it("refuses control characters", function()
    for byte = 0, 31 do assert_refused("ab" .. string.char(byte), "control character at byte 3") end
    assert_refused("\127", "control character at byte 1")
    assert_refused("x\u{9B}31m", "control character at byte 2")
  end)

  it("keeps UTF-8 whose bytes are in C1's range", function()
    assert.equal("à\u{4E80}", room_name "à\u{4E80}")
  end)

  it("allows 512 bytes after the prefix and no more", function()
    local longest = ("x"):rep(512)
    assert.equal(longest, room_name("room:" .. longest))
    assert_refused(longest .. "x", "it has 513 bytes; at most 512")
  end)

  it("refuses what is no string", function()
    assert_refused(nil, "a string is needed, not nil")
    assert_refused(12, "a string is needed, not number")
  end)
end)
