local restarts = require "moonpool.host.restarts"
local set_aside = require "moonpool.host.set_aside"

describe("set_aside", function()
  local now, list

  before_each(function()
    now = 100
    list = set_aside.new { retry_min = 10, retry_max = 30, now = function() return now end }
  end)

  it("doubles the pause each time, up to a limit", function()
    assert.same({ 10, 20, 30, 30 }, { list:add("a", "x"), list:add("a", "x"), list:add("a", "x"),
      list:add("a", "y") })
    assert.same({ { name = "a", reason = "y", times = 4, retry_in = 30 } }, list:list())
    now = 120
    assert.equal(10, list:list()[1].retry_in)
  end)

  it("lists scripts by name, also those that are to be tried again", function()
    list:add("b", "x")
    now = 105
    list:add("a", "x")
    now = 112
    assert.same({ { name = "a", reason = "x", times = 1, retry_in = 3 },
      { name = "b", reason = "x", times = 1, retry_in = 0 } }, list:list())
  end)

  it("forgets after an hour of good behaviour", function()
    list:add("a", "x")
    now = 100 + 10 + 3601
    assert.same({}, list:list())
    assert.equal(10, list:add("a", "x"))
  end)
end)

describe("restarts", function()
  it("allow so many failures in a time, with growing pauses", function()
    local now = 0
    local counted = restarts.new { max = 4, within = 60, backoff_min = 0.5, backoff_max = 1.5,
      now = function() return now end }
    assert.same({ 0, 0.5, 1, 1.5 }, { counted:failed(), counted:failed(), counted:failed(),
      counted:failed() })
    now = 60
    assert.equal(0, counted:failed())
    now = 61
    for _ = 1, 3 do assert.is_number(counted:failed()) end
    assert.is_nil(counted:failed())
  end)
end)
