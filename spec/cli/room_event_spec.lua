local json = require("moonpool").json
local room_event = require "moonpool.cli.room_event"

local ID = "1795365705683-2-9f3a7c1e04b1d2aa"

-- A message as handlers get it.
local function message(body, id)
  local object = json.decode(body)
  object.room, object.id, object.at = "lobby", id, id and 1795365705.683
  object.type = object.type or "message"
  function object.json() return body end
  return object
end

describe("room_event.message", function()
  it("has its own fields first, in a fixed order", function()
    assert.equal(('{"event":"message","id":"%s","at":1795365705.683,"user":"ann","text":"hi"}\n')
      :format(ID), room_event.message("message", message('{"user":"ann","text":"hi"}', ID)))
    assert.equal(('{"event":"message","room":"lobby","id":"%s","at":1795365705.683,'
      .. '"type":"action","user":"ann","text":"\\"waves\\"","bot":true}\n'):format(ID),
      room_event.message("message",
        message('{"type":"action","bot":true,"text":"\\"waves\\"","user":"ann"}', ID), true))
    assert.equal('{"event":"join","user":"ann"}\n',
      room_event.message("join", message '{"type":"join","user":"ann"}'))
    assert.equal('{"event":"rename","user":"ann","to":"bo"}\n',
      room_event.message("rename", message '{"type":"rename","user":"ann","to":"bo"}'))
    assert.equal('{"event":"signal","type":"message","text":"x"}\n',
      room_event.message("signal", message '{"text":"x"}'))
  end)

  it("has all else that was said, after them", function()
    assert.equal(('{"event":"message","id":"%s","at":1795365705.683,"user":"ann","text":"hi",'
      .. '"mood":{"a":[1,2.5],"b":null},"when":1795370768235123}\n'):format(ID),
      room_event.message("message", message('{"when":1795370768235123,"user":"ann","text":"hi",'
        .. '"mood":{"b":null,"a":[1,2.5]}}', ID)))
  end)

  it("does not let what was said overrule its own fields", function()
    local line = room_event.message("message",
      message('{"user":"ann","text":"hi","event":"gap","at":1,"id":"x","room":"other"}', ID))
    assert.equal(('{"event":"message","id":"%s","at":1795365705.683,"user":"ann","text":"hi"}\n')
      :format(ID), line)
  end)
end)

describe("room_event.feed", function()
  it("tells of gaps with all of their fields, whether known or not", function()
    assert.equal('{"event":"gap","from":"1-2-a","to":"1-9-b","missing":6,"reason":"trimmed"}\n',
      room_event.feed { event = "gap", from = "1-2-a", to = "1-9-b", missing = 6,
        reason = "trimmed", room = "lobby" })
    assert.equal('{"event":"gap","room":"lobby","from":"1-2-a","to":null,"missing":null,'
      .. '"reason":"forked"}\n',
      room_event.feed({ event = "gap", from = "1-2-a", reason = "forked", room = "lobby" }, true))
  end)

  it("tells of all else", function()
    assert.equal('{"event":"reconnect"}\n', room_event.feed { event = "reconnect", room = "a" })
    assert.equal('{"event":"live","id":"1-2-a"}\n',
      room_event.feed { event = "live", id = "1-2-a" })
    assert.equal('{"event":"error","code":"EPERM","message":"say \\"no\\""}\n',
      room_event.feed { event = "error", code = "EPERM", message = 'say "no"' })
  end)
end)
