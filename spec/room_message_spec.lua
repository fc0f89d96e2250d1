local json = require("moonpool").json
local room_message = require "moonpool.room_message"

describe("room_message.encode", function()
  it("keeps the order of keys", function()
    local cases = {
      { { user = "ann", text = "hi" }, '{"user":"ann","text":"hi"}' },
      { { type = "message", user = "ann", text = "hi" }, '{"user":"ann","text":"hi"}' },
      { { type = "action", user = "ann", text = "waves" },
        '{"type":"action","user":"ann","text":"waves"}' },
      { { type = "join", user = "ann" }, '{"type":"join","user":"ann"}' },
      { { type = "rename", user = "ann", to = "anne" },
        '{"type":"rename","user":"ann","to":"anne"}' },
      { { user = "dice", text = "7", bot = true }, '{"user":"dice","text":"7","bot":true}' },
    }
    for _, case in ipairs(cases) do assert.equal(case[2], room_message.encode(case[1])) end
  end)

  it("gives texts back byte for byte", function()
    local bytes = {}
    for byte = 0, 127 do bytes[#bytes + 1] = string.char(byte) end
    local text = table.concat(bytes) .. "ü日\u{2028}🌙\u{10FFFF}"
    local payload = room_message.encode { user = text, text = text }
    assert.same({ user = text, text = text }, json.decode(payload))
    assert.is_nil(payload:find "[\0-\31]")
  end)

  it("replaces what is no UTF-8", function()
    assert.equal('{"user":"a\u{FFFD}","text":"\u{FFFD}b"}',
      room_message.encode { user = "a\xFF", text = "\xE2\x82b" })
  end)
end)

describe("room_message.decode", function()
  it("takes plain messages as JSON has them", function()
    for _, payload in ipairs {
      '{"user":"","text":""}', '{"user":"ann","text":"hi"}', '{"user":"ü","text":"日本 {} [] :,"}',
      '{"user":"a","text":"b\\"}', '{"user":"a","text":"\127"}', '{"user":"a","text":"b"} ',
      '{"user":"a","text":"\\u0041\\\\"}', '{"user":"a","text":"b","text":"c"}',
    } do
      local object = json.decode(payload)
      assert.same({ type = "message", user = object and object.user,
        text = object and object.text or payload }, room_message.decode(payload))
    end
    assert.same({ type = "message", user = "a", text = "\u{FFFD}" },
      room_message.decode '{"user":"a","text":"\xFF"}')
  end)

  it("reads what encode wrote", function()
    for _, message in ipairs {
      { type = "message", user = "ann", text = "hi" }, { type = "join", user = "ann" },
      { type = "rename", user = "ann", to = "anne" },
      { type = "message", user = "dice", text = "", bot = true },
    } do assert.same(message, room_message.decode(room_message.encode(message))) end
  end)

  it("takes anything else as text", function()
    for _, payload in ipairs { "", "hi", "[]", "{", "7", "null", '"x"', "{}}", "\0" } do
      assert.same({ type = "message", text = payload }, room_message.decode(payload))
    end
    assert.same({ type = "message", text = "\u{FFFD}" }, room_message.decode "\xFF")
  end)

  it("leaves out fields of a wrong type", function()
    assert.same({ type = "message", text = "" },
      room_message.decode '{"user":1,"text":{},"to":null,"bot":"yes","type":false}')
    assert.same({ type = "typing", user = "ann" },
      room_message.decode '{"type":"typing","user":"ann"}')
  end)

  it("replaces what is no UTF-8 inside of an object", function()
    assert.same({ type = "message", user = "ann", text = "\u{FFFD}" },
      room_message.decode '{"user":"ann","text":"\xFF"}')
  end)
end)
