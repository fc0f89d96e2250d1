local loop = require "spec.core.loop"
local program = require "spec.support.program"
local redis_server = require "spec.support.redis"

local RESTARTS = 20
local CHANNELS = 10

describe("Redis, killed and started again 20 times under 10,000 messages a second,", function()
  local server, publisher

  before_each(function()
    server = redis_server.start()
    publisher = program.start { "lua5.4", "spec/core/publisher_process.lua", server.socket,
      tostring(CHANNELS), "10000" }
    publisher:expect("^ready$")
  end)
  after_each(function()
    publisher:stop()
    server:stop()
  end)

  -- A listener that counts, and checks that what it gets never goes back.
  local function listen(redis, method, name)
    local listener = { messages = 0, reconnects = 0, last = 0 }
    assert(redis[method](redis, name, function(payload)
      local number = tonumber(payload)
      assert(number > listener.last, "a message came late or twice")
      listener.last = number
      listener.messages = listener.messages + 1
      if number % 50 == 0 then
        local echoed, message, code = redis:echo(payload)
        assert(echoed == payload or code == "ECONN" or code == "ECLOSED", message)
      end
    end, { events = { reconnect = function() listener.reconnects = listener.reconnects + 1 end } }))
    return listener
  end

  local function wait_for_all(listeners, fn, what)
    for _, listener in ipairs(listeners) do
      loop.wait_until(function() return fn(listener) end, nil, what)
    end
  end

  it("serves every handler again, after one reconnect event a kill", function()
    loop.run(function()
      local redis = loop.connect { url = server.url, backoff_min = 0.001, backoff_max = 0.02 }
      local listeners = { listen(redis, "psubscribe", "c*") }
      for number = 1, CHANNELS do
        listeners[#listeners + 1] = listen(redis, "subscribe", "c" .. number)
        listeners[#listeners + 1] = listen(redis, "subscribe", "c" .. number)
      end
      local resident
      for restart = 1, RESTARTS do
        server:restart()
        wait_for_all(listeners, function(listener)
          return listener.reconnects == restart
        end, "reconnect event " .. restart)
        local before = {}
        for _, listener in ipairs(listeners) do before[listener] = listener.messages end
        wait_for_all(listeners, function(listener)
          return listener.messages > before[listener] + 100
        end, "messages after restart " .. restart)
        if restart == 5 then resident = loop.resident() end
      end
      for _, listener in ipairs(listeners) do assert.equal(RESTARTS, listener.reconnects) end
      assert.equal(CHANNELS, #server:call("PUBSUB", "CHANNELS"))
      assert.equal(1, server:call("PUBSUB", "NUMPAT"))
      assert.equal(1, #loop.client_ids(server, "pubsub"))
      -- What handlers of a slow machine have not come to yet is some MiB; a leak would be more.
      loop.assert_growth(resident, 32 * 1048576)
    end, 600)
  end)
end)
