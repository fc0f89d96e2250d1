-- The rules by which the differential test compares. The test itself is ./run.
package.path = "./spec/differential/lib/?.lua;" .. package.path
local mutants = require "mutants"
local normal = require "normal"

local function s(text) return { "s", normal.hex_of(text) } end
local function i(number) return { "i", ("%d"):format(number) } end

local function assert_same_form(rule, a, b)
  assert.equal(normal.encode(rule(a)), normal.encode(rule(b)))
end

local function assert_other_form(rule, a, b)
  assert.not_equal(normal.encode(rule(a)), normal.encode(rule(b)))
end

describe("the differential test's normal form", function()
  it("takes RESP2's form of a type for RESP3's", function()
    assert_same_form(normal.any, { "b", true }, i(1))
    assert_same_form(normal.double, { "d", "0.10000000000000001" }, s "0.1")
    assert_same_form(normal.double, { "d", "-inf" }, s "-inf")
    assert_same_form(normal.set, { "a", { s "b", s "a" } }, { "a", { s "a", s "b" } })
    assert_same_form(normal.map(), { "m", { s "b", i(2), s "a", i(1) } },
      { "a", { s "a", i(1), s "b", i(2) } })
    assert_same_form(normal.pairs(normal.any, normal.double),
      { "a", { { "a", { s "m", { "d", "1.5" } } } } }, { "a", { s "m", s "1.5" } })
    assert_same_form(normal.record { x = normal.double }, { "m", { s "x", { "d", "2" } } },
      { "a", { s "x", s "2" } })
  end)

  it("keeps all else apart", function()
    assert_other_form(normal.any, i(1), s "1")
    assert_other_form(normal.any, s "", { "n" })
    assert_other_form(normal.any, s "ERR", { "e", normal.hex_of "ERR" })
    assert_other_form(normal.any, { "a", {} }, { "n" })
    assert_other_form(normal.any, { "a", { s "b", s "a" } }, { "a", { s "a", s "b" } })
    assert_other_form(normal.double, s "0.1", s "0.2")
    assert_other_form(normal.map(), { "a", { s "a", i(1) } }, { "a", { s "a", s "1" } })
    assert_other_form(normal.volatile, s "x", i(1))
    assert_other_form(normal.fields, s "a:1\r\nb:2\r\n", s "a:1\r\nc:2\r\n")
  end)

  it("forgets what differs from run to run", function()
    assert_same_form(normal.volatile, i(1), i(2))
    assert_same_form(normal.words, s "id=1 name=x", s "id=22 name=")
    assert_same_form(normal.fields, s "# Title\r\na:1\r\n", s "# Title\r\na:2\r\n")
  end)

  it("sees each way in which a reply can be altered", function()
    local reply = { "a", { s "text", i(7), { "n" }, { "e", "00" }, { "a", {} }, { "b", false },
      { "d", "1.5" }, { "m", { s "k", s "" } } } }
    local altered = mutants.of(reply)
    assert.is_true(#altered > 20)
    for _, mutant in ipairs(altered) do assert_other_form(normal.any, mutant, reply) end
  end)
end)
