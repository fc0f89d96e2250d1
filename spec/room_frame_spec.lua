local room_frame = require "moonpool.room_frame"

local ID, PREV = "1795365705683-2-9f3a7c1e04b1d2aa", "0-0-0000000000000000"

describe("room_frame.open", function()
  local function assert_body(body, id, payload)
    assert.same({ body, id }, { room_frame.open(payload) })
  end

  it("takes frames apart", function()
    local body = '{"user":"ann","text":"}\\"m\\":{"}'
    assert_body(body, ID, ('{"id":"%s","prev":"%s","m":%s}'):format(ID, PREV, body))
    assert_body(body, ID, ('{"id":"%s","m":%s}'):format(ID, body))
    local padded = "1795365705683-000000000002-9f3a7c1e04b1d2aa"
    assert_body("{}", padded, ('{"id":"%s","m":{}}'):format(padded))
  end)

  it("leaves all else as it is", function()
    for _, payload in ipairs {
      "", "hi", "{}", '{"user":"ann","text":"hi"}', '{"id":"7","m":{}}',
      ('{"id":"%s","m":[]}'):format(ID), ('{"id":"%s","prev":"x","m":{}}'):format(ID),
      ('{"id":"%s","m":{}'):format(ID), (' {"id":"%s","m":{}}'):format(ID),
      ('{ "id":"%s","m":{}}'):format(ID), ('{"m":{},"id":"%s"}'):format(ID),
      '{"id":"1-2-9F3A7C1E04B1D2AA","m":{}}', '{"id":"1-2-9f3a","m":{}}',
      ('{"id":"%s","text":"hi"}'):format(ID),
    } do assert_body(payload, nil, payload) end
  end)

  it("does not let a body overrule the frame", function()
    local body = '{"id":"9-9-0000000000000000","text":"x"}'
    assert_body(body, ID, ('{"id":"%s","prev":"%s","m":%s}'):format(ID, PREV, body))
  end)
end)
