local assert_fails = require "spec.support.assert_fails"
local bucket = require "moonpool.host.bucket"
local loop = require "spec.core.loop"
local program = require "spec.support.program"
local redis_server = require "spec.support.redis"

describe("a token bucket", function()
  local server

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)
  before_each(function() server:call "FLUSHALL" end)

  local function with_client(fn) loop.with_client(server, fn) end

  -- What is stored: microseconds, missing units, units of a token.
  local function stored(key)
    local at, missing, units = tostring(server:call("GET", key)):match "^(%d+):(%d+):(%d+)$"
    return math.tointeger(at), math.tointeger(missing), math.tointeger(units)
  end

  local function redis_time()
    local time = server:call "TIME"
    return time[1] * 1000000 + time[2]
  end

  it("grants as many tokens as it holds, then tells how long the next one takes", function()
    with_client(function(redis)
      for left = 2, 0, -1 do
        assert.same({ true, 0.0, left }, { bucket.take(redis, "b", 3, 300) })
      end
      local ok, wait, left = bucket.take(redis, "b", 3, 300)
      assert.same({ false, 0 }, { ok, left })
      assert.is_true(wait > 0 and wait <= 100, wait)
    end)
  end)

  it("takes a cost as a whole or not at all", function()
    with_client(function(redis)
      assert.is_true(bucket.take(redis, "b", 10, 1000, 8))
      local ok, wait, left = bucket.take(redis, "b", 10, 1000, 5)
      assert.same({ false, 2 }, { ok, left })
      assert.is_true(wait > 200 and wait <= 300, wait)
      assert.is_true(bucket.take(redis, "b", 10, 1000, 2))
      assert.is_true(bucket.take(redis, "b", 10, 1000, 0))
      assert.is_false(bucket.take(redis, "b", 10, 1000, 1))
    end)
  end)

  it("is not changed by a look, nor by a refusal", function()
    with_client(function(redis)
      assert.same({ true, 0.0, 2 }, { bucket.look(redis, "b", 2, 1000) })
      assert.equal(0, server:call("EXISTS", "b"))
      assert.is_true(bucket.take(redis, "b", 2, 1000, 2))
      local before = server:call("GET", "b")
      assert.is_false(bucket.look(redis, "b", 2, 1000))
      assert.is_false(bucket.take(redis, "b", 2, 1000))
      assert.equal(before, server:call("GET", "b"))
    end)
  end)

  it("gives tokens back as time passes, and is forgotten once it is full", function()
    with_client(function(redis)
      for _ = 1, 3 do assert.is_true(bucket.take(redis, "b", 3, 0.03)) end
      loop.wait_until(function()
        local _, _, left = bucket.look(redis, "b", 3, 0.03)
        return left == 3
      end, nil, "a full bucket")
      loop.wait_until(function() return server:call("EXISTS", "b") == 0 end, nil, "its expiry")
    end)
  end)

  it("has a key that outlives the time until it is full", function()
    with_client(function(redis)
      assert.is_true(bucket.take(redis, "b", 7, 70, 7))
      local milliseconds = server:call("PTTL", "b")
      assert.is_true(milliseconds > 60000 and milliseconds <= 70100, milliseconds)
    end)
  end)

  it("gives nothing for a clock that was set back, and goes on from there", function()
    with_client(function(redis)
      local hour = 3600 * 1000000
      server:call("SET", "b", ("%d:%d:%d"):format(redis_time() + hour, 2 * 1000000, 1000000))
      local ok, wait = bucket.take(redis, "b", 2, 1)
      assert.is_false(ok)
      assert.equal(0.5, wait)
      assert.is_true(stored "b" <= redis_time())
      loop.wait_until(function() return bucket.take(redis, "b", 2, 1) end, nil, "a token")
    end)
  end)

  it("keeps what was taken when its size is changed", function()
    with_client(function(redis)
      assert.is_true(bucket.take(redis, "b", 10, 1000, 4))
      local _, _, left = bucket.look(redis, "b", 10, 3000)
      assert.equal(6, left)
      _, _, left = bucket.look(redis, "b", 20, 1000)
      assert.equal(16, left)
      _, _, left = bucket.look(redis, "b", 3, 1000)
      assert.equal(0, left)
    end)
  end)

  it("counts a policy's request once, and an explained one not at all", function()
    with_client(function(redis)
      local function ask(request) return (bucket.ask(redis, request, "b", 2, 1000)) end
      assert.is_true(ask { is_explained = true })
      assert.is_true(ask {})
      assert.is_true(ask { is_explained = true })
      assert.is_true(ask(nil))
      assert.is_false(ask { is_explained = true })
      assert.is_true(ask { is_again = true })
      assert.is_true(ask { is_again = true, is_explained = true })
      assert.is_false(ask {})
    end)
  end)

  it("is full again after a reset", function()
    with_client(function(redis)
      assert.is_true(bucket.take(redis, "b", 1, 1000))
      assert.is_true(bucket.reset(redis, "b"))
      assert.is_false(bucket.reset(redis, "b"))
      assert.is_true(bucket.take(redis, "b", 1, 1000))
    end)
  end)

  it("refuses what it cannot count", function()
    with_client(function(redis)
      local function refuses(part, ...)
        assert_fails("EARG", part, bucket.take(redis, ...))
        assert_fails("EARG", part, bucket.look(redis, ...))
      end
      refuses("a key is needed", "", 1, 1)
      refuses("capacity must be a whole number of tokens from 1, not 0", "b", 0, 1)
      refuses("capacity must be", "b", 1.5, 1)
      refuses("capacity must be", "b", nil, 1)
      refuses("per_seconds must be a number from 0.001", "b", 1, 0)
      refuses("per_seconds must be", "b", 1, 0 / 0)
      refuses("per_seconds must be", "b", 1, math.huge)
      refuses("cost must be a whole number of tokens, not %-1", "b", 1, 1, -1)
      refuses("a cost of 3 tokens is more than the bucket ever holds %(2%)", "b", 2, 1, 3)
      refuses("too many to count exactly", "b", 1000000000, 86400)
    end)
  end)

  it("tells when Redis cannot be asked", function()
    with_client(function(redis)
      server:call("RPUSH", "list", 1)
      assert_fails("EREDIS", "WRONGTYPE", bucket.take(redis, "list", 1, 1))
      redis:close()
      assert_fails("ECLOSED", "closed", bucket.take(redis, "b", 1, 1))
    end)
  end)

  it("counts the largest buckets exactly", function()
    with_client(function(redis)
      local capacity, per = 52000, 86400
      assert.is_true(bucket.take(redis, "b", capacity, per, capacity - 20))
      local at, missing = stored "b"
      assert.equal((capacity - 20) * per * 1000000, missing)
      for _ = 1, 20 do
        assert.is_true(bucket.take(redis, "b", capacity, per))
        local now, rest = stored "b"
        assert.equal(missing - (now - at) * capacity + per * 1000000, rest)
        at, missing = now, rest
      end
    end)
  end)

  it("names keys by room, owner and name", function()
    assert.equal("{room:games}:bucket:slow:ann", bucket.key("games", "slow", "ann"))
    assert.equal("moonpool:bucket:slow:ann", bucket.key(nil, "slow", "ann"))
  end)

  describe("of eight processes", function()
    local PROCESSES, CAPACITY, PER = 8, 60, 6.7 -- a token takes 111,666.66… µs
    local takers

    before_each(function() takers = {} end)
    after_each(function()
      for _, taker in ipairs(takers) do taker:stop() end
    end)

    local function start_all()
      for index = 1, PROCESSES do
        takers[index] = program.start { "lua5.4", "spec/host/bucket_process.lua", server.url, "b",
          tostring(CAPACITY), tostring(PER),
          env = { LUA_PATH = package.path, LUA_CPATH = package.cpath } }
      end
      for _, taker in ipairs(takers) do taker:expect "^ready$" end
    end

    -- Lets them take for so long; returns how often they were granted, and refused.
    local function let_take(seconds)
      for _ = 1, PROCESSES do server:call("RPUSH", "go", 1) end
      local ends = redis_time() + seconds * 1000000
      loop.wait_until(function() return redis_time() >= ends end)
      server:call("SET", "stop", 1)
      local granted, refused = 0, 0
      for _, taker in ipairs(takers) do
        local _, yes, no = taker:expect "^(%d+)%s+(%d+)$"
        granted, refused = granted + yes, refused + no
      end
      return granted, refused
    end

    -- What the clock allows between two times, in microseconds.
    local function allowed(passed) return CAPACITY + passed * CAPACITY // (PER * 1000000) end

    it("grants capacity and rate, to the token", function()
      start_all()
      with_client(function(redis)
        local before = redis_time()
        assert.is_true(bucket.take(redis, "b", CAPACITY, PER))
        local began, missing_first = stored "b"
        local granted, refused = let_take(1.2)
        local late = redis_time()
        local last = 0
        while bucket.take(redis, "b", CAPACITY, PER) do last = last + 1 end
        local after = redis_time()
        local ended, missing, units = stored "b"

        assert.is_true(refused > 0, "nobody was refused: the bucket was not contended")
        -- Every unit is accounted for: what was granted is what is missing and what came back.
        assert.equal((granted + last) * units, missing - missing_first + (ended - began) * CAPACITY)
        local total = 1 + granted + last
        assert.is_true(total <= allowed(after - before), total)
        assert.is_true(total >= allowed(late - began), total)
      end)
    end)
  end)
end)
