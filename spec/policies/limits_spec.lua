-- rate_limit and slow_mode: what is counted in Redis.
local loop = require "spec.core.loop"
local policy_box = require "spec.support.policy_box"
local redis_server = require "spec.support.redis"

describe("policies that count in Redis", function()
  local server, box

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)
  before_each(function() server:call "FLUSHALL" end)

  -- fn in a loop, with the policy loaded.
  local function with(name, options, fn)
    loop.with_client(server, function(redis)
      options.redis = redis
      box = policy_box.load(name, options)
      fn()
      assert.same({}, box.failures)
      box:close()
    end)
  end

  local function allows(request, event) assert.same({ "allow" }, { box:judge(request, event) }) end
  local function rejects(pattern, request, event)
    local verdict, reason = box:judge(request, event)
    assert.equal("reject", verdict)
    assert.matches(pattern, reason)
  end

  describe("rate_limit", function()
    it("counts a user's messages in a room", function()
      with("rate_limit", { messages = 2, seconds = 1000 }, function()
        allows "a"
        allows "b"
        rejects("^too many messages: wait 8m%d*s?$", "c")
        allows { user = "bob", text = "a" }
        allows { room = "other", text = "a" }
        allows { text = "c", type = "typing" }
        allows({}, "subscribe")
      end)
    end)

    it("counts in all rooms together if asked to", function()
      with("rate_limit", { messages = 1, seconds = 1000, everywhere = true }, function()
        allows "a"
        rejects("too many messages", { room = "other", text = "a" })
      end)
    end)

    it("counts a room's messages", function()
      with("rate_limit", { room_messages = 2, room_seconds = 1000 }, function()
        allows { user = "bob", text = "a" }
        allows { user = "carl", text = "a" }
        rejects("^the room is too busy: wait %d+m", "a")
        allows { room = "other", text = "a" }
      end)
    end)

    it("counts joins", function()
      with("rate_limit", { joins = 1, seconds = 1000 }, function()
        allows({}, "subscribe")
        rejects("^too many joins: wait 16m", {}, "subscribe")
        allows "a"
        allows({ user = "bob" }, "subscribe")
      end)
    end)

    it("takes nothing for what is judged again or only explained", function()
      with("rate_limit", { messages = 2, seconds = 1000 }, function()
        allows { text = "a", is_explained = true }
        allows "a"
        allows { text = "a", is_again = true }
        allows "a"
        allows { text = "a", is_again = true }
        rejects("too many", { text = "a", is_explained = true })
      end)
    end)

    it("spares those whom it is told to", function()
      with("rate_limit", { messages = 1, seconds = 1000, except = { "mod" }, bots = false },
        function()
          for _ = 1, 3 do
            allows { user = "mod", text = "a" }
            allows { user = "dice", text = "a", bot = true, via = "bot" }
          end
        end)
    end)

    it("rejects while Redis cannot be asked", function()
      loop.with_client(server, function(redis)
        box = policy_box.load("rate_limit", { redis = redis })
        redis:close()
        assert.equal("failed", (box:judge "a"))
        assert.matches("policy:take: closed %(ECLOSED%)", box.failures[1])
        box:close()
      end)
    end)
  end)

  describe("slow_mode", function()
    it("has users wait between two messages", function()
      with("slow_mode", { seconds = 1000, except = { "mod" } }, function()
        allows "a"
        rejects("^slow mode: wait 16m4%ds$", "b")
        rejects("^slow mode: wait 16m4%ds$", "b")
        allows { user = "bob", text = "a" }
        allows { user = "mod", text = "a" }
        allows { user = "mod", text = "b" }
      end)
    end)

    it("lets them go on then", function()
      with("slow_mode", { seconds = 0.01 }, function()
        allows "a"
        loop.wait_until(function() return box:judge "b" == "allow" end, nil, "the next message")
      end)
    end)
  end)
end)
