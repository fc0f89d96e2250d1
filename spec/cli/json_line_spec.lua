local json_line = require "moonpool.cli.json_line"

describe("json_line", function()
  it("escapes what JSON wants escaped, and nothing else", function()
    assert.equal([["a\"b\\c/\u0000\u001f\b\f\n\r\t]] .. "\127é日\"",
      json_line.quote "a\"b\\c/\0\31\b\f\n\r\t\127é日")
  end)

  it("encodes Base64 as RFC 4648 does", function()
    local vectors = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==",
      fooba = "Zm9vYmE=", foobar = "Zm9vYmFy", ["\0\255\n"] = "AP8K", ["\251\255"] = "+/8=" }
    for bytes, expected in pairs(vectors) do assert.equal(expected, json_line.base64(bytes)) end
  end)

  it("names fields whose bytes are no UTF-8 differently", function()
    assert.equal('"payload":"\u{1F600}"', json_line.field("payload", "\u{1F600}"))
    assert.equal('"payload_base64":"/w=="', json_line.field("payload", "\xFF"))
    assert.equal('"payload_base64":"7aCA"', json_line.field("payload", "\xED\xA0\x80"))
  end)

  it("makes the lines of messages", function()
    local encode = json_line.new_message_encoder()
    assert.equal('{"event":"message","channel":"a","pattern":null,"payload":"x"}\n',
      encode("x", "a"))
    assert.equal('{"event":"message","channel":"a","pattern":"*","payload":"y"}\n',
      encode("y", "a", "*"))
    assert.equal('{"event":"message","channel_base64":"/w==","pattern_base64":"/yo=",'
      .. '"payload_base64":"/g=="}\n', encode("\xFE", "\xFF", "\xFF*"))
  end)

  it("stays right when there are more channels than it remembers", function()
    local encode = json_line.new_message_encoder()
    for round = 1, 2 do
      for number = 1, 10000 do
        local line = encode("x", "c" .. number)
        if line ~= ('{"event":"message","channel":"c%d","pattern":null,"payload":"x"}\n')
          :format(number) then
          error(("round %d: %s"):format(round, line))
        end
      end
    end
  end)

  it("makes the lines of other events, without what they do not have", function()
    assert.equal('{"event":"subscribe","action":"psubscribe","channel":"a*","count":1}\n',
      json_line.event { event = "subscribe", action = "psubscribe", channel = "a*", count = 1 })
    assert.equal('{"event":"reconnect"}\n', json_line.event { event = "reconnect" })
    assert.equal('{"event":"gap","missing":7,"reason":"overflow"}\n',
      json_line.event { event = "gap", missing = 7, reason = "overflow" })
    assert.equal('{"event":"error","channel_base64":"/w==","code":"EPERM","message":"no"}\n',
      json_line.event { event = "error", message = "no", code = "EPERM", channel = "\xFF" })
  end)
end)
