-- Messages that replicas are to have, with a real replica: one that follows, one that is stuck,
-- and none.
local assert_fails = require "spec.support.assert_fails"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

local STORED_ID = "^%d+%-%d+%-%x+$"

describe("a message that a replica is to have", function()
  local master, replica

  setup(function()
    master = redis_server.start { port = true, config = { "repl-diskless-sync-delay 0" } }
    replica = redis_server.start { config = { "replicaof 127.0.0.1 " .. master.port } }
  end)
  teardown(function()
    replica:stop()
    master:stop()
  end)
  before_each(function() master:call("FLUSHALL") end)

  local function await_replica()
    loop.wait_until(function()
      return replica:call("INFO", "replication"):find "master_link_status:up"
    end)
  end

  local function with_room(options, fn)
    loop.with_client(master, function(redis)
      await_replica()
      fn(assert(redis:room("chatty", options)), redis)
    end)
  end

  it("is there when say returns", function()
    with_room({ durability = "replicas:1", replicas_timeout = 30 }, function(room)
      for number = 1, 20 do
        assert.matches(STORED_ID, room:say("hi", { user = "ann" }))
        assert.equal(number, replica:call("XLEN", "{room:chatty}:log"))
      end
    end)
  end)

  it("keeps its order beside others said at once", function()
    with_room({ durability = "replicas:1", replicas_timeout = 30 }, function(room, redis)
      local tasks = {}
      for number = 1, 300 do
        tasks[number] = moonpool.spawn(function()
          assert(room:say(tostring(number), { user = "ann" }))
        end)
        if number % 50 == 0 then redis:script "FLUSH" end
      end
      for _, task in ipairs(tasks) do task:await() end
      for number, message in ipairs(room:history { last = 300 }) do
        assert.equal(tostring(number), message.text)
      end
    end)
  end)

  it("is stored, and told to be no more than that, while the replica is stuck", function()
    with_room({ durability = "replicas:1", replicas_timeout = 0.02 }, function(room)
      replica:pause()
      local id, message, code, stored = room:say("hi", { user = "ann" })
      replica:resume()
      assert_fails("EPARTIAL", "stored, not replicated: 0 of 1 replicas", id, message, code)
      assert.matches(STORED_ID, stored)
      assert.equal(stored, room:history { last = 1 }[1].id)
    end)
  end)

  it("is not there when too many replicas were asked for", function()
    with_room({ durability = "replicas:2", replicas_timeout = 0.02 }, function(room)
      local id, message, code = room:say("hi", { user = "ann" })
      assert_fails("EPARTIAL", "of 2 replicas have it", id, message, code)
    end)
  end)
end)
