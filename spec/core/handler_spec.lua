local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

describe("a handler", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function with_client(fn, options) loop.with_client(server, fn, options) end

  -- Publishes the numbers from one to another in one go: they arrive in one read, or few.
  local function publish_numbers(channel, from, to)
    assert(server:call("EVAL", "for i = ARGV[2], ARGV[3] do redis.call('PUBLISH', ARGV[1], i) end",
      0, channel, from, to))
  end

  local function numbers(from, to)
    local list = {}
    for number = from, to do list[#list + 1] = tostring(number) end
    return list
  end

  describe("that awaits", function()
    it("gets its messages in order, one at a time, while another goes on", function()
      with_client(function(redis)
        local slow, quick, running = {}, {}, 0
        redis:subscribe("a", function(payload)
          running = running + 1
          assert(running == 1, "two calls at the same time")
          if tonumber(payload) % 10 == 1 then moonpool.sleep(0.002) end
          assert(redis:echo(payload) == payload)
          slow[#slow + 1] = payload
          running = running - 1
        end)
        redis:subscribe("a", function(payload)
          quick[#quick + 1] = payload
          if #quick == 100 then assert(#slow < 100, "it waited for the slow one") end
        end)
        publish_numbers("a", 1, 100)
        loop.wait_for(slow, 100)
        assert.same(numbers(1, 100), slow)
        assert.same(numbers(1, 100), quick)
      end)
    end)

    it("does not stop the socket from being read", function()
      with_client(function(redis)
        local seen, is_held = {}, true
        redis:subscribe("a", function(payload)
          loop.wait_until(function() return not is_held end)
          seen[#seen + 1] = payload
        end)
        publish_numbers("a", 1, 5000)
        loop.wait_until(function() return redis:stats().messages == 5000 end)
        assert.equal("PONG", redis:ping())
        assert.equal(0, #seen)
        is_held = false
        loop.wait_for(seen, 5000)
        assert.same(numbers(1, 5000), seen)
      end)
    end)

    it("may be one of a thousand that all wait", function()
      with_client(function(redis)
        local done = 0
        for number = 1, 1000 do
          redis:subscribe("a", function(payload)
            moonpool.sleep(number % 7 / 1000)
            assert(redis:echo(payload) == payload)
            done = done + 1
          end)
        end
        publish_numbers("a", 1, 3)
        loop.wait_until(function() return done == 3000 end)
      end)
    end)
  end)

  describe("that fails", function()
    it("tells the hook file, line and traceback; the next message still arrives", function()
      with_client(function(redis)
        local seen = {}
        local function break_down(payload) error("broke on " .. payload) end
        redis:subscribe("a", function(payload)
          seen[#seen + 1] = payload
          if tonumber(payload) % 2 == 0 then break_down(payload) end
        end)
        publish_numbers("a", 1, 100)
        loop.wait_for(seen, 100)
        assert.same(numbers(1, 100), seen)
        local errors = loop.take_errors()
        assert.equal(50, #errors)
        assert.matches("^[^\n]*spec/core/handler_spec%.lua:%d+: broke on 2\nstack traceback:\n",
          errors[1])
        assert.matches("\n\t[^\n]*handler_spec%.lua:%d+: in %a+ 'break_down'", errors[1])
        assert.equal(50, redis:stats().failures)
      end)
    end)

    it("after awaiting leaves the order as it is", function()
      with_client(function(redis)
        local seen = {}
        redis:subscribe("a", function(payload)
          moonpool.sleep(0.001)
          seen[#seen + 1] = payload
          error "always"
        end)
        publish_numbers("a", 1, 20)
        loop.wait_for(seen, 20)
        assert.same(numbers(1, 20), seen)
        loop.wait_until(function() return redis:stats().failures == 20 end)
        assert.equal(20, #loop.take_errors())
      end)
    end)

    it("does not take the others' messages of the same read with it", function()
      with_client(function(redis)
        local seen = {}
        redis:subscribe("a", function() error "always" end)
        redis:subscribe("a", function(payload) seen[#seen + 1] = payload end)
        publish_numbers("a", 1, 50)
        loop.wait_for(seen, 50)
        assert.same(numbers(1, 50), seen)
        assert.equal(50, #loop.take_errors())
      end)
    end)

    it("with a value that is no string is told all the same", function()
      with_client(function(redis)
        local failing = { {}, setmetatable({}, { __tostring = function() error "worse" end }), nil }
        local calls = 0
        redis:subscribe("a", function()
          calls = calls + 1
          error(failing[calls])
        end)
        publish_numbers("a", 1, 3)
        loop.wait_until(function() return redis:stats().failures == 3 end)
        assert.equal(3, #loop.take_errors())
      end)
    end)
  end)

  describe("may", function()
    it("subscribe and publish", function()
      with_client(function(redis)
        local seen = {}
        redis:subscribe("start", function(payload)
          assert(redis:subscribe("next", function(text) seen[#seen + 1] = text end))
          local receivers = redis:publish("next", payload .. "!")
          seen[#seen + 1] = receivers
        end)
        redis:publish("start", "go")
        loop.wait_for(seen, 2)
        table.sort(seen, function(a, b) return tostring(a) < tostring(b) end)
        assert.same({ 1, "go!" }, seen)
      end)
    end)

    it("close its own subscription: no message comes after", function()
      with_client(function(redis)
        local seen, subscription = {}, nil
        subscription = redis:subscribe("a", function(payload)
          seen[#seen + 1] = payload
          if payload == "3" then
            assert(subscription:close())
            seen[#seen + 1] = "closed"
          end
        end)
        local other = {}
        redis:subscribe("a", function(payload) other[#other + 1] = payload end)
        publish_numbers("a", 1, 10)
        loop.wait_for(other, 10)
        loop.wait_for(seen, 4)
        assert.same({ "1", "2", "3", "closed" }, seen)
        assert.equal(1, server:subscribers "a")
      end)
    end)

    it("close another's subscription in the middle of a read", function()
      with_client(function(redis)
        local seen, victim = {}, nil
        redis:subscribe("a", function(payload)
          if payload == "3" then victim:close() end
          seen[#seen + 1] = payload
        end)
        victim = redis:subscribe("a", function(payload)
          assert(tonumber(payload) < 3, "it was closed before " .. payload)
        end)
        publish_numbers("a", 1, 10)
        loop.wait_for(seen, 10)
        assert.same(numbers(1, 10), seen)
      end)
    end)

    it("close and subscribe again, over and over", function()
      with_client(function(redis)
        local renewed, subscription = 0, nil
        local function handle()
          subscription:close()
          subscription = assert(redis:subscribe("a", handle))
          renewed = renewed + 1
          if renewed < 50 then redis:publish("a", "again") end
        end
        subscription = redis:subscribe("a", handle)
        redis:publish("a", "first")
        loop.wait_until(function() return renewed == 50 end)
        assert.equal(1, server:subscribers "a")
      end)
    end)

    it("close its client in the middle of a read", function()
      with_client(function(redis)
        local seen, other = {}, 0
        redis:subscribe("a", function(payload)
          seen[#seen + 1] = payload
          if payload == "2" then
            redis:close()
            local _, _, code = redis:ping()
            seen[#seen + 1] = code
          end
        end)
        redis:subscribe("a", function() other = other + 1 end)
        publish_numbers("a", 1, 1000)
        loop.wait_for(seen, 3)
        loop.wait_until(function() return server:clients "pubsub" == 0 end)
        assert.same({ "1", "2", "ECLOSED" }, seen)
        assert.equal(1, other)
      end)
    end)

    it("close its client while its messages wait", function()
      with_client(function(redis)
        local seen = {}
        redis:subscribe("a", function(payload)
          moonpool.sleep(0.002)
          seen[#seen + 1] = payload
          if payload == "2" then redis:close() end
        end)
        publish_numbers("a", 1, 1000)
        loop.wait_until(function() return redis:state() == "closed" end)
        moonpool.sleep(0.01) -- in which the third would come
        assert.same({ "1", "2" }, seen)
      end)
    end)

    it("collect garbage, stop the loop and go on in the next run", function()
      local redis = assert(moonpool.connect(server.url))
      local seen = {}
      local subscription = redis:subscribe("a", function(payload)
        collectgarbage()
        seen[#seen + 1] = payload
        if payload == "2" then moonpool.stop() end
        if payload == "5" then redis:close() end
      end)
      publish_numbers("a", 1, 5)
      moonpool.run(function() end)
      if not subscription.closed then moonpool.run(function() end) end
      assert.same(numbers(1, 5), seen)
    end)
  end)

  describe("of events", function()
    it("runs in order with the messages", function()
      with_client(function(redis)
        local seen = {}
        local subscription = redis:subscribe("a", function(payload)
          moonpool.sleep(0.001)
          seen[#seen + 1] = payload
        end)
        local function keep(event)
          moonpool.sleep(0.001)
          seen[#seen + 1] = event.event
        end
        subscription:on("reconnect", keep):on("gap", keep)
        publish_numbers("a", 1, 3)
        loop.wait_until(function() return redis:stats().messages == 3 end)
        loop.kill(server, "pubsub")
        loop.wait_until(function() return server:subscribers "a" == 1 end)
        publish_numbers("a", 4, 6)
        loop.wait_for(seen, 8)
        assert.same({ "1", "2", "3", "gap", "reconnect", "4", "5", "6" }, seen)
      end, { backoff_min = 0.001 })
    end)
  end)

  describe("that is too slow", function()
    it("gets one gap, with the exact count, where messages are missing", function()
      with_client(function(redis)
        local seen, is_held = {}, true
        local subscription = redis:subscribe("a", function(payload)
          loop.wait_until(function() return not is_held end)
          seen[#seen + 1] = payload
        end)
        subscription:on("gap", function(event)
          assert(event.event == "gap" and event.reason == "overflow")
          seen[#seen + 1] = "gap of " .. event.missing
        end)
        publish_numbers("a", 1, 50)
        loop.wait_until(function() return redis:stats().messages == 50 end)
        assert.equal(39, redis:stats().gaps) -- one is being handled, ten wait
        is_held = false
        loop.wait_for(seen, 12)
        publish_numbers("a", 51, 52)
        loop.wait_for(seen, 14)
        local expected = numbers(1, 11)
        table.move({ "gap of 39", "51", "52" }, 1, 3, 12, expected)
        assert.same(expected, seen)
      end, { max_mailbox = 10 })
    end)

    it("has gaps where they are, when some messages between are taken", function()
      with_client(function(redis)
        local seen, passed, turn = {}, 0, 0
        redis:subscribe("a", function(payload)
          loop.wait_until(function() return turn > passed end)
          passed = passed + 1
          seen[#seen + 1] = payload
        end, { events = { gap = function(event) seen[#seen + 1] = -event.missing end } })
        publish_numbers("a", 1, 5)
        loop.wait_until(function() return redis:stats().messages == 5 end)
        turn = 1
        loop.wait_for(seen, 1)
        publish_numbers("a", 6, 8)
        loop.wait_until(function() return redis:stats().messages == 8 end)
        turn = 100
        loop.wait_for(seen, 6)
        assert.same({ "1", "2", "3", -2, "6", -2 }, seen)
      end, { max_mailbox = 2 })
    end)

    it("is counted by bytes too", function()
      with_client(function(redis)
        local gaps, seen, is_held = {}, 0, true
        redis:subscribe("a", function()
          loop.wait_until(function() return not is_held end)
          seen = seen + 1
        end, { events = { gap = function(event) gaps[#gaps + 1] = event.missing end } })
        for _ = 1, 10 do server:call("PUBLISH", "a", ("x"):rep(1000)) end
        loop.wait_until(function() return redis:stats().messages == 10 end)
        is_held = false
        loop.wait_for(gaps, 1)
        assert.same({ 6 }, gaps)
        assert.equal(4, seen)
      end, { max_mailbox_bytes = 3500 })
    end)

    it("as an iterator gets the gap as an event", function()
      with_client(function(redis)
        local gaps = {}
        local subscription = redis:subscribe("a", nil, {
          events = { gap = function(event) gaps[#gaps + 1] = event.missing end } })
        publish_numbers("a", 1, 20)
        loop.wait_until(function() return redis:stats().messages == 20 end)
        local seen = {}
        for payload in subscription:messages() do
          seen[#seen + 1] = payload
          if #seen == 5 then publish_numbers("a", 21, 21) end
          if #seen == 6 then break end
        end
        assert.same({ "1", "2", "3", "4", "5", "21" }, seen)
        assert.same({ 15 }, gaps)
      end, { max_mailbox = 5 })
    end)
  end)
end)
