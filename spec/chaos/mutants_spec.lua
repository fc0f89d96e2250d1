-- The checker must fail where the promise is broken: a follower that does not verify, while links
-- are killed, and when one frame is dropped. Where a feed can tell, it mends that.
local cast = require "spec.chaos.cast"
local chaos = require "spec.chaos.chaos"
local checker = require "spec.chaos.checker"
local ids = require "spec.chaos.ids"
local loop = require "spec.core.loop"
local redis_server = require "spec.support.redis"
local thief = require "spec.chaos.thief"
local wait = require "spec.chaos.wait"

local SEED = 1
local STOLEN = "w1:40:" -- one message of the writer's

describe("a chaos run with a broken follower", function()
  local server, proxy

  before_each(function() server = redis_server.start { config = chaos.CONFIG } end)
  after_each(function()
    if proxy then proxy:stop() end
    proxy = nil
    server:stop()
  end)

  local function wait_for_messages(one, count)
    wait.till(function() return #one:records() >= count end, count .. " messages")
  end

  -- Whether between two messages that it was given others were said.
  local function has_skipped(follower)
    local before
    for _, fact in ipairs(follower:records()) do
      local seq = fact.id and ids.parse(fact.id).seq
      if before and seq and seq > before + 1 then return true end
      before = seq or before
    end
  end

  -- One writer and one follower, and what `disturb(follower)` does; the kinds of faults, and the
  -- figures.
  local function play(follower_options, disturb)
    local result
    loop.run(function()
      local people = cast.new { url = server.url, room = chaos.ROOM, seed = SEED,
        connect = chaos.CONNECT, room_options = chaos.ROOM_OPTIONS }
      local options = { role = "follower", name = "f1" }
      for name, value in pairs(follower_options) do options[name] = value end
      local follower = people:add(options)
      wait_for_messages(follower, 1) -- it has begun
      chaos.add_writers(people, 1)
      disturb(follower)
      wait_for_messages(follower, #follower:records() + 50)
      chaos.calm(people, server)
      result = chaos.check(people, server).result
      people:stop()
    end)
    local kinds = {}
    for _, fault in ipairs(result.faults) do kinds[fault.kind] = true end
    return kinds, result
  end

  it("fails when verification is switched off and links are lost", function()
    local connect = { backoff_min = 0.2 } -- so that messages are said before it is back
    local kinds, result = play({ is_unverified = true, connect = connect }, function(follower)
      for _ = 1, 20 do
        wait_for_messages(follower, #follower:records() + 20)
        server:call("CLIENT", "KILL", "TYPE", "pubsub")
        wait_for_messages(follower, #follower:records() + 20)
        if has_skipped(follower) then return end
      end
    end)
    assert(kinds.skipped, checker.describe(result.faults))
  end)

  local function when_stolen()
    wait.till(function() return proxy:is_done() end, "the frame to be stolen")
  end

  it("fails when verification is switched off and one frame is dropped", function()
    proxy = thief.start(server.socket, STOLEN)
    local kinds, result = play({ is_unverified = true, url = proxy.url }, when_stolen)
    assert(kinds.skipped, checker.describe(result.faults))
    assert.equal(1, #result.faults)
  end)

  it("keeps every promise when the feed can tell", function()
    for _, relink in ipairs { false, true } do
      proxy = thief.start(server.socket, STOLEN, { relink = relink })
      local _, result = play({ url = proxy.url, from = ids.ORIGIN }, when_stolen)
      assert.equal("", checker.describe(result.faults))
      proxy:stop()
      server:call("FLUSHALL")
    end
  end)
end)
