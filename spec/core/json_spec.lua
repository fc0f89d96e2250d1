local loop = require "spec.core.loop"
local json = require("moonpool").json
local null = require("moonpool").null

local function assert_refused(pattern, ...)
  local value, message, code = ...
  assert.is_nil(value)
  assert.matches(pattern, message)
  assert.equal("EARG", code)
end

local function round_trip(text)
  return assert(json.encode(assert(json.decode(text)), { sort = true }))
end

describe("json", function()
  it("keeps integers of 64 bits #integers", function()
    for _, text in ipairs { "0", "-1", "1795370768235123", "9007199254740993",
      "9223372036854775807", "-9223372036854775808" } do
      local value = json.decode(text)
      assert.equal("integer", math.type(value))
      assert.equal(text, json.encode(value))
    end
    assert.equal(math.maxinteger, json.decode(json.encode(math.maxinteger)))
    assert.equal(math.mininteger, json.decode(json.encode(math.mininteger)))
  end)

  it("keeps floats floats, to the last bit #integers", function()
    for _, number in ipairs { 0.1, -2.5, 1e300, 5e-324, 1 / 3, 2 ^ 53, 1.0 } do
      local value = json.decode(json.encode(number))
      assert.equal("float", math.type(value))
      assert.equal(number, value)
    end
    assert.equal("float", math.type(json.decode "1.0"))
    assert.equal("float", math.type(json.decode "1e3"))
  end)

  it("tells an empty list from an empty object", function()
    assert.equal("[]", round_trip "[]")
    assert.equal("{}", round_trip "{}")
    assert.equal('{"a":[],"b":{},"c":[[],{}]}', round_trip '{ "a": [], "b": {}, "c": [[], {}] }')
    assert.equal("{}", json.encode {})
    assert.equal("[]", json.encode(json.array {}))
    assert.equal("[1,2]", json.encode { 1, 2 })
    local list = { 1 }
    assert.equal(list, json.array(list))
    assert.equal(json.array_mt, getmetatable(list))
    assert.equal(json.array_mt, getmetatable(json.decode "[]"))
    assert.is_nil(getmetatable(json.decode "{}"))
  end)

  it("refuses a list that has other members, instead of losing them #borders", function()
    for _, value in ipairs { { 1, 2, x = 3 }, { "a", [3] = "c", [9] = "d" },
      json.array { x = 1 }, { 1, [1.5] = 2 } } do
      local text, message, code = json.encode { value }
      assert.same({ nil, "JSON: a table is both a list and an object", "EARG" },
        { text, message, code })
    end
    assert.equal("[1,null,3]", json.encode { 1, nil, 3 })
  end)

  it("has null for null, inside lists too", function()
    assert.equal(null, json.decode "null")
    assert.same({ 1, null, 3 }, setmetatable(json.decode "[1,null,3]", nil))
    assert.equal('[1,null,{"a":null}]', round_trip '[1,null,{"a":null}]')
    assert.equal("null", json.encode(null))
    assert.equal("null", json.encode(nil))
    assert.equal("[true,false]", round_trip "[true,false]")
  end)

  it("keeps every character of a string", function()
    for _, text in ipairs { "", "a\0b", "\0", "\"\\/\b\f\n\r\t", "caf\u{E9} \u{1F311}", "\u{FFFF}",
      ("x"):rep(1000000) } do
      assert.equal(text, json.decode(json.encode(text)))
      assert.equal(text, json.decode(json.encode({ text }))[1])
    end
    assert.equal("a\0b", json.decode [["a\u0000b"]])
    assert.equal("\u{1F311}", json.decode [["\ud83c\udf11"]])
  end)

  it("refuses what is no UTF-8, both ways", function()
    for _, bytes in ipairs { "\xFF", "caf\xE9", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
      "\xE2\x82" } do
      assert.is_false(json.is_utf8(bytes))
      assert_refused("JSON: a string is not UTF%-8", json.encode(bytes))
      assert_refused("JSON: a string is not UTF%-8", json.encode { text = { bytes } })
      assert_refused("UTF%-8", json.encode { [bytes] = 1 })
      assert_refused("^JSON: .*at byte %d", json.decode('"' .. bytes .. '"'))
    end
    assert.is_true(json.is_utf8 "")
    assert.is_true(json.is_utf8 "a\0\u{1F311}\u{10FFFF}")
  end)

  it("says where text is no JSON", function()
    for text, place in pairs { [""] = 0, ["{"] = 1, ["[1,]"] = 4, ["nul"] = 3, ["1 2"] = 3,
      ['{"a" 1}'] = 6, ["[1]x"] = 4 } do
      assert_refused("^JSON: .+, at byte " .. place .. "$", json.decode(text))
    end
    for _, text in ipairs { "'a'", "{a:1}", "01", "NaN", "Infinity", "[1", '"\\u12"', '"\n"',
      "9223372036854775808", "1e999", "\0", '"a"\0' } do
      assert_refused("^JSON: ", json.decode(text))
    end
    assert.error_matches(function() json.decode() end, "string expected")
    assert.error_matches(function() json.decode {} end, "string expected")
  end)

  it("takes any white space, and the last of two equal keys", function()
    assert.same({ a = 2 }, json.decode ' \t\r\n{ "a" : 1 , "a" : 2 } \n')
  end)

  it("says what cannot be encoded", function()
    assert_refused("a function cannot be encoded", json.encode(print))
    assert_refused("a thread cannot be encoded", json.encode { coroutine.create(print) })
    assert_refused("a userdata cannot be encoded", json.encode { io.stdout })
    assert_refused("a key is a boolean, not a string", json.encode { [true] = 1 })
    assert_refused("a key is a number, not a string", json.encode { [5] = 1 })
    assert_refused("a key holds a NUL byte", json.encode { ["a\0b"] = 1 })
    for _, number in ipairs { math.huge, -math.huge, 0 / 0 } do
      assert_refused("a number is not finite", json.encode { number })
    end
    assert.error_matches(function() json.encode() end, "value expected")
    assert.error_matches(function() json.encode(1, "pretty") end, "table expected")
  end)

  it("refuses nesting without end, and a table inside itself", function()
    local deep = ("["):rep(100) .. ("]"):rep(100)
    assert.equal(deep, round_trip(deep))
    assert_refused("^JSON: ", json.decode(("["):rep(100000) .. ("]"):rep(100000)))
    assert_refused("^JSON: ", json.decode(('{"a":'):rep(100000)))
    local circle = {}
    circle.inside = { circle }
    assert_refused("nested too deep", json.encode(circle))
  end)

  it("sorts and indents where asked", function()
    assert.equal('{"a":1,"b":2,"c":3}', json.encode({ c = 3, a = 1, b = 2 }, { sort = true }))
    assert.equal('{\n  "a": [\n    1\n  ]\n}', json.encode({ a = { 1 } }, { pretty = true }))
    assert.equal('{"a":[1]}', json.encode({ a = { 1 } }, {}))
  end)

  it("leaves nothing behind, not after errors either", function()
    -- Collected each time: how much garbage may gather depends on how much else the state holds.
    local function work()
      collectgarbage()
      for _ = 1, 2000 do
        json.decode(json.encode { text = ("x"):rep(1000), list = { 1, 2, { a = null } } })
        json.encode { text = ("x"):rep(1000), list = { 1, print } }
        json.decode('["' .. ("x"):rep(1000) .. '", {"a": [1, 2,')
      end
    end
    -- A leak of one text a round trip would be 40 MB; Lua's own heap breathes by some.
    for _ = 1, 5 do work() end
    collectgarbage()
    local before = loop.resident()
    for _ = 1, 20 do work() end
    collectgarbage()
    loop.assert_growth(before, 16 * 1048576)
  end)
end)
