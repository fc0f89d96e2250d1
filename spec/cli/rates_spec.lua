local rates = require "moonpool.cli.rates"

describe("rates", function()
  it("are those of the last whole seconds", function()
    local counted = rates.new(100)
    for second = 100, 109 do
      for _ = 1, 6 do counted:count("a", second) end
      for _ = 1, 2 do counted:count("b", second + 0.9) end
    end
    local rate, busiest = counted:now(110)
    assert.equal(8, rate)
    assert.same({ { room = "a", rate = 6 }, { room = "b", rate = 2 } }, busiest)
    assert.equal(80, counted.total)
    assert.equal(2, counted.rooms)
    assert.equal(0, (counted:now(200)))
  end)

  it("begin with the seconds that there have been", function()
    local counted = rates.new(100)
    for _ = 1, 6 do counted:count("a", 100.5) end
    assert.equal(0, (counted:now(100.9)))
    assert.equal(6, (counted:now(101.1)))
    assert.equal(3, (counted:now(102)))
  end)

  it("name the busiest rooms, and all alike in the same order", function()
    local counted = rates.new(0)
    for _, room in ipairs { "d", "c", "b", "a", "c" } do counted:count(room, 0) end
    local _, busiest = counted:now(1)
    assert.same({ "c", "a", "b" }, { busiest[1].room, busiest[2].room, busiest[3].room })
    assert.is_nil(busiest[4])
  end)

  it("count the messages of more rooms than they name", function()
    local counted = rates.new(0)
    for number = 1, 10050 do counted:count("r" .. number, 0) end
    assert.equal(10050, counted.total)
    assert.equal(10000, counted.rooms)
    assert.equal(10050, (counted:now(1)))
  end)
end)
