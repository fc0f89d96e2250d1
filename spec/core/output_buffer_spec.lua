local loop = require "spec.core.loop"
local redis_server = require "spec.support.redis"

local SIZE = 100000 -- bytes of a payload: some fit into the socket's buffer, one in part
local ROUNDS = 5

-- Every byte depends on the number, and none is special to RESP's framing only.
local function payload(number)
  local unit = ("%d\r\n$5\r\n\0\255 "):format(number)
  return unit:rep(math.floor(SIZE / #unit) + 1):sub(1, SIZE)
end

local FRAME = #"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$100000\r\n\r\n" + SIZE

describe("a subscriber that Redis kills for its full output buffer", function()
  local server

  before_each(function()
    server = redis_server.start { config = { "client-output-buffer-limit pubsub 1mb 512kb 5" } }
  end)
  after_each(function() server:stop() end)

  -- Holds the loop up, so that nothing is read, until Redis has closed the link: how many it took.
  local function overflow(number)
    local first = number
    repeat
      number = number + 1
      server:call("PUBLISH", "a", payload(number))
      assert(number < first + 1000, "Redis takes everything")
    until server:clients "pubsub" == 0
    return number
  end

  -- What has come, each in one word.
  local function describe_event(event)
    return event.event == "gap" and ("gap " .. tostring(event.missing)) or event.event
  end

  local function connect()
    return loop.connect { url = server.url, backoff_min = 0.001, heartbeat = 0 }
  end

  it("loses the message that is cut, is told of a gap, and goes on", function()
    loop.run(function()
      local redis, seen, published = connect(), {}, 0
      local function keep(event) seen[#seen + 1] = describe_event(event) end
      redis:subscribe("a", function(bytes)
        if bytes == "hold" then published = overflow(published) end
        seen[#seen + 1] = bytes
      end, { events = { gap = keep, reconnect = keep } })

      -- What an ordinary loss takes: its bytes are the same each time.
      local before = redis:stats().bytes_in
      loop.kill(server, "pubsub")
      loop.wait_for(seen, 2)
      local bytes_of_loss = redis:stats().bytes_in - before
      server:call("PUBLISH", "a", "hello")
      loop.wait_for(seen, 3)
      assert.same({ "gap nil", "reconnect", "hello" }, seen)

      for round = 1, ROUNDS do
        seen = {}
        local first = published
        server:call("PUBLISH", "a", "warm") -- whatever is read in one go comes before the rest
        loop.wait_for(seen, 1)
        before = redis:stats().bytes_in
        server:call("PUBLISH", "a", "hold")
        loop.wait_until(function() return seen[#seen] == "reconnect" end)
        local whole = #seen - 4 -- without warm, hold, gap and reconnect
        local cut = redis:stats().bytes_in - before - bytes_of_loss - whole * FRAME
          - #"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$4\r\nhold\r\n"
        assert.is_true(cut > 0 and cut < FRAME, ("round %d: %d bytes were cut"):format(round, cut))
        assert.is_true(first + whole < published)
        assert.equal("warm", seen[1])
        assert.equal("hold", seen[2])
        for index = 1, whole do
          assert(seen[2 + index] == payload(first + index), "not the message that is due")
        end
        assert.equal("gap nil", seen[#seen - 1])
        server:call("PUBLISH", "a", payload(0))
        loop.wait_for(seen, whole + 5)
        assert(seen[whole + 5] == payload(0), "not the message that came after")
        assert.equal(1 + round, redis:stats().unknown_gaps)
        assert.equal(1, server:subscribers "a")
      end
    end)
  end)

  -- Somebody else's flood kills the link that both share: everyone is told.
  it("tells everyone on the link", function()
    loop.run(function()
      local redis, quiet, published = connect(), {}, 0
      local function keep(event) quiet[#quiet + 1] = describe_event(event) end
      redis:subscribe("quiet", function(bytes) quiet[#quiet + 1] = bytes end, {
        events = { gap = keep, reconnect = keep } })
      redis:subscribe("a", function(bytes)
        if bytes == "hold" then published = overflow(published) end
      end)
      server:call("PUBLISH", "quiet", "before")
      server:call("PUBLISH", "a", "hold")
      loop.wait_for(quiet, 3)
      server:call("PUBLISH", "quiet", "after")
      loop.wait_for(quiet, 4)
      assert.same({ "before", "gap nil", "reconnect", "after" }, quiet)
      assert.is_true(published > 0)
    end)
  end)
end)
