-- 1,000 followers of one room in one process.
local chaos = require "spec.chaos.chaos"
local cast = require "spec.chaos.cast"
local loop = require "spec.core.loop"
local redis_server = require "spec.support.redis"
local wait = require "spec.chaos.wait"

local FOLLOWERS = 1000

describe("1,000 followers of one room in one process", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function reads()
    local stats = server:call("INFO", "commandstats")
    local count = 0
    for _, name in ipairs { "xrange", "xrevrange" } do
      count = count + (tonumber(stats:match("cmdstat_" .. name .. ":calls=(%d+)")) or 0)
    end
    return count
  end

  local function follow(client, number)
    local room = assert(client:room(chaos.ROOM, { check = 0 }))
    local follower = { ids = {}, gaps = 0, reconnects = 0, name = number }
    assert(room:follow())
    room:on("gap", function() follower.gaps = follower.gaps + 1 end)
    room:on("reconnect", function() follower.reconnects = follower.reconnects + 1 end)
    room:on("message", function(message) follower.ids[#follower.ids + 1] = message.id end)
    follower.room = room
    return follower
  end

  -- A message may come between two followers' beginnings: they end with the same, in one sequence.
  local function assert_contiguous(follower, log, places)
    local first = places[follower.ids[1]]
    assert(first, "its first message is not in the log")
    assert.equal(#log, first + #follower.ids - 1)
    for index, id in ipairs(follower.ids) do
      assert(log[first + index - 1].id == id, "not the message that was due")
    end
  end

  it("read the history once when their link is killed under load", function()
    loop.run(function()
      local client, followers = loop.connect { url = server.url, backoff_min = 0.05 }, {}
      for number = 1, FOLLOWERS do followers[number] = follow(client, number) end
      local people = cast.new { url = server.url, room = chaos.ROOM, seed = 1,
        connect = chaos.CONNECT }
      local writer = people:add { role = "writer", name = "w", apart = true, timeout = 30,
        in_flight = 1, pace = 0.01 }
      local last = followers[FOLLOWERS]
      local function wait_for_more()
        local count = #last.ids + 20
        wait.till(function() return #last.ids >= count end, "messages")
      end
      wait_for_more()
      local before = reads()
      server:call("CLIENT", "KILL", "TYPE", "pubsub")
      wait.till(function()
        for _, follower in ipairs(followers) do
          if follower.reconnects == 0 then return false end
        end
        return true
      end, "all to be told of the reconnect")
      wait_for_more()
      assert.equal(before + 1, reads())
      people:tell "writer"
      wait.till(function() return writer:is_done() end, "the writer to end")
      local log, places = chaos.read_log(server), {}
      for place, entry in ipairs(log) do places[entry.id] = place end
      wait.till(function()
        for _, follower in ipairs(followers) do
          if follower.ids[#follower.ids] ~= log[#log].id then return false end
        end
        return true
      end, "all to be at the end")
      for _, follower in ipairs(followers) do
        assert_contiguous(follower, log, places)
        assert.equal(0, follower.gaps)
        assert.equal(1, follower.reconnects)
      end
      people:stop()
    end)
  end)
end)
