local core = require "moonpool.core"
local moonpool = require "moonpool"

local ID = "1795365705683-2-9f3a7c1e04b1d2aa"

-- A stored message with that body, and what it is to handlers.
local function stored(body) return core.room.message("chatty", ID, body) end

-- One that was published and not stored.
local function signal(body) return core.room.message("chatty", nil, body) end

describe("a room's message", function()
  it("has its id, its time and its room from outside of the body", function()
    local message = stored '{"user":"ann","text":"hi","id":"1-1-0","at":5,"room":"other"}'
    assert.equal(ID, message.id)
    assert.equal(1795365705.683, message.at)
    assert.equal("chatty", message.room)
    assert.is_nil(signal('{"id":"1-1-0"}').id)
    assert.is_nil(signal('{"at":1}').at)
  end)

  it("has the fields of a plain one", function()
    local message, event = stored '{"user":"ann","text":"hi"}'
    assert.equal("message", event)
    assert.equal("message", message.type)
    assert.equal("ann", message.user)
    assert.equal("hi", message.text)
    assert.is_false(message.bot)
    assert.is_nil(message.to)
    assert.is_nil(message.target)
    assert.is_nil(message.anything)
    assert.is_nil(message[1])
    assert.equal('{"user":"ann","text":"hi"}', message:json())
    assert.equal('moonpool.message (chatty): {"user":"ann","text":"hi"}', tostring(message))
  end)

  it("is a text when it has so many values that reading it takes all memory", function()
    local function body(count) return '{"a":[' .. ("{},"):rep(count) .. '"]]]]"]}' end
    assert.equal("", signal(body(90000)).text)
    assert.equal("]]]]", signal(body(90000)).a[90001])
    assert.equal(body(200001), signal(body(200001)).text)
    local many = '{"mood":1,"user":"ann","text":"' .. ([[\",[{]]):rep(80000) .. '"}'
    assert.same({ "ann", 1 }, { signal(many).user, signal(many).mood })
  end)

  it("has what is rarer", function()
    local message = stored '{"type":"rename","user":"ann","to":"ann_away"}'
    assert.same({ "rename", "ann", "ann_away" }, { message.type, message.user, message.to })
    message = stored '{"type":"delete","user":"ann","target":"1-1-0000000000000000"}'
    assert.same({ "delete", "1-1-0000000000000000" }, { message.type, message.target })
    message = stored '{"user":"dice","text":"7","bot":true}'
    assert.is_true(message.bot)
  end)

  it("decodes every escape", function()
    local body = [[{"user":"\u0061nn","text":"\"\\\/\b\f\n\r\t\u00e9\u20ac\ud83d\ude00\u0000."}]]
    assert.equal("ann", stored(body).user)
    assert.equal('"\\/\b\f\n\r\t\u{e9}\u{20ac}\u{1f600}\0.', stored(body).text)
  end)

  it("takes an escaped key for what it says", function()
    assert.equal("ann", stored([[{"\u0075ser":"ann","text":"hi"}]]).user)
    assert.equal(ID, stored([[{"\u0069d":"forged","user":"ann"}]]).id)
  end)

  it("has other members as moonpool.json decodes them", function()
    local message = stored '{"user":"ann","text":"hi","mood":{"now":[1,2.5]},"n":1795370768235123}'
    assert.same({ now = { 1, 2.5 } }, message.mood)
    assert.equal(message.mood, message.mood)
    assert.equal(1795370768235123, message.n)
    assert.equal("hi", message.text)
    assert.equal(moonpool.null, stored('{"a":null}').a)
  end)

  it("takes the last of equal keys", function()
    assert.equal("bob", stored('{"user":"ann","user":"bob","text":""}').user)
    assert.equal("2", stored('{"a":{},"text":"1","text":"2"}').text)
  end)

  it("leaves out fields of a wrong type", function()
    for _, body in ipairs {
      '{"user":5,"text":null,"type":true,"to":[],"target":1.5,"bot":"yes"}',
      '{"user":5,"text":null,"type":true,"to":1,"target":false,"bot":1}',
    } do
      local message, event = stored(body)
      assert.equal("message", event)
      assert.same({ "message", nil, "", nil, nil, false }, { message.type, message.user,
        message.text, message.to, message.target, message.bot })
    end
  end)

  it("gives a text to messages and actions alone", function()
    assert.equal("", stored('{"user":"ann"}').text)
    assert.equal("", stored('{"type":"action"}').text)
    assert.is_nil(stored('{"type":"poll","user":"ann"}').text)
  end)

  it("is told apart by its type", function()
    local function event_of(make, type)
      return (select(2, make(('{"type":"%s","user":"ann"}'):format(type))))
    end
    for _, type in ipairs { "join", "leave", "rename", "typing" } do
      assert.equal(type, event_of(stored, type))
      assert.equal(type, event_of(signal, type))
    end
    for _, type in ipairs { "delete", "clear" } do
      assert.equal(type, event_of(stored, type))
      assert.equal("signal", event_of(signal, type))
    end
    for _, type in ipairs { "message", "action", "poll", "signal", "gap" } do
      assert.equal("message", event_of(stored, type))
      assert.equal("signal", event_of(signal, type))
    end
    assert.equal("join", select(2, stored [[{"text":"","x":[1],"type":"\u006aoin"}]]))
  end)

  it("takes what is no JSON object as a text", function()
    for _, body in ipairs { "", "hi", "[1,2]", '"hi"', "12", "null", '{"user":"ann"', "{}x", "{",
      '{"user":"ann","text":"a\nb"}', '{"user":ann}', '{"n":01}', '{"text":"\\ud800"}',
      '{"text":"\\x"}', '{"a":1,}', "{'a':1}", '{"user":"ann","text":"\\"}' } do
      local message, event = signal(body)
      assert.equal("signal", event)
      assert.equal(body, message.text)
      assert.is_nil(message.user)
      assert.is_nil(message.a)
      assert.equal("message", message.type)
    end
    assert.equal("message", select(2, stored "garbage"))
  end)

  it("replaces what is not UTF-8, and reads the rest", function()
    assert.equal("caf\u{FFFD}!", signal("caf\xE9!").text)
    assert.equal("\u{FFFD}\u{FFFD}a\u{FFFD}", signal("\xED\xA0a\xF0\x9F\x98").text)
    local message = stored '{"user":"ann\xFF","text":"\xC3\xA9\xC3"}'
    assert.equal("ann\u{FFFD}", message.user)
    assert.equal("\u{e9}\u{FFFD}", message.text)
    assert.equal('{"user":"ann\xFF","text":"\xC3\xA9\xC3"}', message:json())
  end)

  it("allows spaces wherever JSON does", function()
    local message = stored ' {\t"user" : "ann" ,\n"text"\r:"hi" , "n" : -5 } '
    assert.same({ "ann", "hi", -5 }, { message.user, message.text, message.n })
    assert.same("message", select(2, stored " { } "))
  end)

  it("agrees with the JSON library on every cut and every changed byte", function()
    local body = [[{"type":"action","user":"\u00e9\"n","text":"caf]] .. "\u{e9}" ..
      [[","n":-12,"t":true,"z":null,"bot":true}]]
    local function check(changed)
      local object = moonpool.json.decode(changed)
      local is_object = type(object) == "table" and getmetatable(object) ~= moonpool.json.array_mt
      if not is_object and not moonpool.json.is_utf8(changed) then return end
      local message = stored(changed)
      if not is_object then
        assert.equal(changed, message.text)
        return
      end
      for _, name in ipairs { "user", "text", "type" } do
        local value = object[name]
        if type(value) == "string" then assert.equal(value, message[name], changed) end
      end
      assert.equal(object.n, message.n)
      assert.equal(object.bot == true, message.bot)
    end
    for at = 1, #body do
      check(body:sub(1, at))
      for _, byte in ipairs { "\0", '"', "\\", "{", "}", ",", ":", "1", "e", "\x80", "\xC3" } do
        check(body:sub(1, at - 1) .. byte .. body:sub(at + 1))
      end
    end
  end)

  it("may be a megabyte", function()
    local text = ("0123456789abcde\n"):rep(65536)
    local message = stored('{"user":"ann","text":' .. moonpool.json.encode(text) .. "}")
    assert.is_true(message.text == text)
  end)

  it("cannot be changed", function()
    assert.has_error(function() stored("{}").text = "other" end)
  end)
end)
