local assert_fails = require "spec.support.assert_fails"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

describe("with", function()
  local server

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)
  before_each(function() server:call("FLUSHALL") end)

  local function with_client(fn, options) loop.with_client(server, fn, options) end

  -- While fn runs, the server answers nobody.
  local function paused(fn)
    server:pause()
    local ok, message = pcall(fn)
    server:resume()
    if not ok then error(message, 0) end
  end

  it("gives commands a deadline of their own", function()
    with_client(function(redis)
      local slow
      paused(function()
        local task = moonpool.spawn(function() slow = redis:set("a", 1) end)
        assert_fails("ETIMEOUT", "no reply before the deadline",
          redis:with { timeout = 0.05 }:echo "x")
        assert_fails("ETIMEOUT", "no reply before the deadline",
          redis:with { timeout = 0.02 }:call("ECHO", "x"))
        assert.is_false(task.is_ended)
      end)
      loop.wait_until(function() return slow == "OK" end)
      assert.equal("1", redis:with { timeout = 5 }:get "a")
      assert.equal(0, redis:stats().reconnects)
    end)
  end)

  it("of 0 has none", function()
    with_client(function(redis)
      local value
      paused(function()
        local task = moonpool.spawn(function() value = redis:with { timeout = 0 }:echo "late" end)
        assert_fails("ETIMEOUT", "deadline", redis:ping())
        assert.is_false(task.is_ended)
      end)
      loop.wait_until(function() return value == "late" end)
    end, { command_timeout = 0.1 })
  end)

  it("may be kept, nested and outlive the client's variable", function()
    loop.run(function()
      local view = loop.connect(server.url):with { timeout = 5 }
      collectgarbage()
      collectgarbage()
      assert.equal("OK", view:set("a", 1))
      assert.equal("1", view:with { timeout = 1 }:get "a")
      assert.equal("1", view:with {}:get "a")
      assert.matches("timeout 5%.?0? s", tostring(view))
      assert.matches("timeout 5%.?0? s", tostring(view:with {}))
      assert.matches("no timeout", tostring(view:with { timeout = 0 }))
    end)
  end)

  it("publishes, and takes every command in any case", function()
    with_client(function(redis)
      local view = redis:with { timeout = 1 }
      assert.equal(0, view:publish("nobody", "x"))
      assert.equal("x", view:ECHO "x")
      assert_fails("EREDIS", "unknown command 'JSON.GET'", view["json.get"](view, "k"))
      assert_fails("ENOSUPPORT", "^SELECT: ", view:select(1))
      assert.error_matches(function() view:set("a", true) end, "SET: argument 2 must be")
      assert.error_matches(function() view.set(redis, "a") end, "moonpool.view expected")
      assert.is_nil(view["no command"])
    end)
  end)

  it("refuses what it does not know, and what is the client's alone", function()
    with_client(function(redis)
      for pattern, options in pairs {
        ["unknown option 'retries'"] = { retries = 1 },
        ["unknown option '1'"] = { 5 },
        ["option 'timeout' must be a time in seconds"] = { timeout = "1" },
        ["must be a time in seconds"] = { timeout = -1 },
        ["'timeout' must be a time"] = { timeout = 0 / 0 },
        ["must be a time"] = { timeout = math.huge },
        ["must be"] = { timeout = true },
      } do
        assert.error_matches(function() redis:with(options) end, pattern)
      end
      assert.error_matches(function() redis:with() end, "table expected")
      assert.error_matches(function() redis:with(5) end, "table expected")
      for _, name in ipairs { "close", "subscribe", "psubscribe", "ssubscribe", "state",
        "stats", "subscriptions", "on", "prepare", "address" } do
        assert.error_matches(function() return redis:with({})[name] end,
          name .. ": it belongs to the client, not to a view of it")
      end
    end)
  end)

  it("of a closed client fails with ECLOSED", function()
    with_client(function(redis)
      local view = redis:with { timeout = 1 }
      redis:close()
      assert_fails("ECLOSED", "^closed$", view:get "a")
      assert_fails("ECLOSED", "^closed$", view:with({}):get "a")
    end)
  end)
end)
