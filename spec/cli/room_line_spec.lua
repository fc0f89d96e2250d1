local room_line = require "moonpool.cli.room_line"

local function local_time(format, at) return os.date(format, at) end

describe("room_line.plain", function()
  it("shows each kind of message", function()
    local cases = {
      ["<ann> hi"] = { type = "message", text = "hi" },
      ["* ann waves"] = { type = "action", text = "waves" },
      ["-- ann joined"] = { type = "join" },
      ["-- ann left"] = { type = "leave" },
      ["-- ann is now known as bo"] = { type = "rename", to = "bo" },
      ["-- ann is now known as somebody else"] = { type = "rename" },
      ["-- ann cleared the history"] = { type = "clear" },
      ["-- ann deleted the message 1-2-a"] = { type = "delete", target = "1-2-a" },
      ["-- ann: poll: tea?"] = { type = "poll", text = "tea?" },
      ["-- ann: wave"] = { type = "wave" },
    }
    for line, message in pairs(cases) do
      message.user = "ann"
      assert.equal(line, room_line.plain(message))
    end
    assert.equal("<somebody> hi", room_line.plain { type = "message", text = "hi" })
  end)

  it("does not let others steer the terminal", function()
    assert.equal("<a␛[2J> ␛]0;x␇ ␊",
      room_line.plain { type = "message", user = "a\27[2J", text = "\27]0;x\7 \n" })
    assert.equal("-- x: ␛c", room_line.plain { type = "\27c", user = "x" })
  end)
end)

describe("room_line.describe", function()
  it("tells what is missing, and why", function()
    assert.equal("missed 7 messages (trimmed)",
      room_line.describe { event = "gap", missing = 7, reason = "trimmed", to = "1-2-a" })
    assert.equal("missed 1 message (trimmed)",
      room_line.describe { event = "gap", missing = 1, reason = "trimmed", to = "1-2-a" })
    assert.equal("missed some messages (forked); nothing has come after them yet",
      room_line.describe { event = "gap", reason = "forked" })
    assert.equal("connected again", room_line.describe { event = "reconnect" })
  end)
end)

describe("room_line", function()
  local message =
    { type = "message", user = "ann", text = "hi", room = "lobby", at = 1795365705.683 }
  local stamp = local_time("%Y-%m-%d %H:%M:%S", 1795365705)

  it("writes time, room and text", function()
    local lines = room_line.new { colours = false }
    assert.equal(stamp .. " <ann> hi\n", lines:message(message, 0))
    lines = room_line.new { colours = false, rooms = true }
    assert.equal(stamp .. " lobby <ann> hi\n", lines:message(message, 0))
    assert.equal(stamp .. " lobby -- missed 3 messages (trimmed)\n", lines:feed(
      { event = "gap", room = "lobby", missing = 3, reason = "trimmed", to = "x" }, 1795365705))
    assert.equal(stamp .. " -- ann joined\n", room_line.new({ colours = false }):message(
      { type = "join", user = "ann" }, 1795365705))
  end)

  it("in colours tells a day once, and paints the same name alike", function()
    local lines = room_line.new { colours = true, rooms = true }
    local first, second = lines:message(message, 0), lines:message(message, 0)
    local day = "-- " .. local_time("%Y-%m-%d", 1795365705)
    assert.is_truthy(first:find(day, 1, true))
    assert.is_nil(second:find(day, 1, true))
    assert.is_truthy(first:find(second, 1, true))
    assert.matches("\27%[38;5;%d+m<ann>\27%[0m hi\n$", second)
    local bare = second:gsub("\27%[[%d;]*m", "")
    assert.equal(local_time("%H:%M:%S", 1795365705) .. " lobby <ann> hi\n", bare)
  end)

  it("paints a name that looks like a pattern, or like markup", function()
    local lines = room_line.new { colours = true }
    for _, user in ipairs { "%w+", "<x>", "*", " ", "\27[1m" } do
      for _, type in ipairs { "message", "action" } do
        local said = { type = type, user = user, text = "hi", at = 0 }
        local bare = lines:message(said, 0):gsub("\27%[[%d;]*m", "")
        assert.is_truthy(bare:find(room_line.plain(said), 1, true), bare)
      end
    end
  end)
end)
