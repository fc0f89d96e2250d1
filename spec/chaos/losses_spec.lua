-- What a follower is told when the history it needs is gone.
local cast = require "spec.chaos.cast"
local chaos = require "spec.chaos.chaos"
local checker = require "spec.chaos.checker"
local ids = require "spec.chaos.ids"
local loop = require "spec.core.loop"
local redis_server = require "spec.support.redis"
local wait = require "spec.chaos.wait"

describe("a follower whose history is gone", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function new_cast()
    return cast.new { url = server.url, room = chaos.ROOM, seed = 1, connect = chaos.CONNECT,
      room_options = chaos.ROOM_OPTIONS }
  end

  local function say_all(room, first, last)
    for number = first, last do
      assert(room:say({ text = "said " .. number }, { user = "ann" }))
    end
  end

  local function open_room()
    return assert(loop.connect(server.url):room(chaos.ROOM, chaos.ROOM_OPTIONS))
  end

  local function gaps_of(one)
    local gaps = {}
    for _, fact in ipairs(one:records()) do
      if fact.event == "gap" then gaps[#gaps + 1] = fact end
    end
    return gaps
  end

  local function last_id(one)
    for place = #one:records(), 1, -1 do
      if one.facts[place].id then return one.facts[place].id end
    end
  end

  local function wait_for_last(one)
    local log = chaos.read_log(server)
    wait.till(function() return last_id(one) == log[#log].id end, "a follower at the end")
  end

  local function check(people, may_fork)
    people:tell "follower"
    wait.till(function()
      for _, one in ipairs(people:of "follower") do
        if not one:is_done() then return false end
      end
      return true
    end, "the followers to end")
    local result = chaos.check(people, server, { may_trim = true, may_fork = may_fork }).result
    assert.equal("", checker.describe(result.faults))
  end

  it("because it was trimmed while it was away gets one gap, counted exactly", function()
    loop.run(function()
      local room, people = open_room(), new_cast()
      local away = people:add { role = "follower", name = "away", apart = true, from = ids.ORIGIN }
      say_all(room, 1, 20)
      wait_for_last(away)
      local before = last_id(away)
      cast.freeze(away)
      server:call("CLIENT", "KILL", "TYPE", "pubsub")
      say_all(room, 21, 120)
      assert.equal(110, server:call("XTRIM", chaos.LOG, "MAXLEN", 10))
      cast.thaw(away)
      wait_for_last(away)
      local log = chaos.read_log(server)
      assert.same({ { event = "gap", reason = "trimmed", from = before, to = log[1].id,
        missing = 90 } }, gaps_of(away))
      say_all(room, 121, 125)
      wait_for_last(away)
      check(people)
      people:stop()
    end)
  end)

  it("because it comes back too late gets one gap, counted exactly", function()
    loop.run(function()
      local room, people = open_room(), new_cast()
      say_all(room, 1, 100)
      local log = chaos.read_log(server)
      server:call("XTRIM", chaos.LOG, "MAXLEN", 20)
      local late = people:add { role = "follower", name = "late", from = log[40].id }
      wait_for_last(late)
      assert.same({ { event = "gap", reason = "trimmed", from = log[40].id, to = log[81].id,
        } }, gaps_of(late))
      check(people)
    end)
  end)

  it("by FLUSHALL of a quiet room is told, and goes on", function()
    loop.run(function()
      local room, people = open_room(), new_cast()
      local one = people:add { role = "follower", name = "one", from = ids.ORIGIN }
      say_all(room, 1, 10)
      wait_for_last(one)
      local before = last_id(one)
      assert(server:call("FLUSHALL"))
      wait.till(function() return #gaps_of(one) > 0 end, "the gap")
      local gap = gaps_of(one)[1]
      assert.equal(before, gap.from)
      assert.is_nil(gap.missing)
      say_all(room, 11, 20)
      wait_for_last(one)
      assert.equal(1, #gaps_of(one))
      check(people)
    end)
  end)

  it("by FLUSHALL of a busy room is told, and goes on", function()
    loop.run(function()
      local room, people = open_room(), new_cast()
      local here = people:add { role = "follower", name = "here", from = ids.ORIGIN }
      local apart = people:add { role = "follower", name = "apart", apart = true,
        from = ids.ORIGIN }
      say_all(room, 1, 10)
      wait_for_last(here)
      wait_for_last(apart)
      assert(server:call("FLUSHALL"))
      say_all(room, 11, 60)
      wait_for_last(here)
      wait_for_last(apart)
      assert.equal(1, #gaps_of(here))
      assert.equal(1, #gaps_of(apart))
      check(people, true) -- where a message has been said since, it is another history
      people:stop()
    end)
  end)
end)
