local assert_fails = require "spec.support.assert_fails"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

-- Appends its number to a list, and returns how long that is now.
local APPEND = "return redis.call('RPUSH', KEYS[1], ARGV[1])"

describe("a prepared script", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function with_client(fn, options) loop.with_client(server, fn, options) end

  -- Calls append(1) … append(count) from tasks of their own, then waits for all: what each of them
  -- returned.
  local function call_many(append, first, last, after)
    local results, done = {}, 0
    for number = first, last do
      moonpool.spawn(function()
        results[number] = table.pack(append({ "list" }, { number }))
        done = done + 1
      end)
      if after then after(number) end
    end
    loop.wait_until(function() return done == last - first + 1 end, nil, "all calls")
    return results
  end

  -- The list holds exactly these numbers, in order.
  local function assert_list(expected)
    local list = server:call("LRANGE", "list", 0, -1)
    for index, number in ipairs(expected) do expected[index] = tostring(number) end
    assert.same(expected, list)
  end

  local function numbers(first, last)
    local list = {}
    for number = first, last do list[#list + 1] = number end
    return list
  end

  it("is called with keys and arguments, and returns what it returns", function()
    with_client(function(redis)
      local script = assert(redis:prepare "return { KEYS, ARGV, #KEYS }")
      assert.same({ { "a", "b" }, { "1", "0.5", "x\0\r\n" }, 2 },
        script({ "a", "b" }, { 1, 0.5, "x\0\r\n" }))
      assert.same({ {}, {}, 0 }, script())
      assert.same({ { "k" }, {}, 1 }, script { "k" })
      assert.same({ {}, { "v" }, 0 }, script(nil, { "v" }))
      assert.same({ {}, { "v" }, 0 }, script:call({}, { "v" }))
      assert.equal("integer", math.type(assert(redis:prepare "return 7")()))
      assert.same({ n = 1 }, table.pack(assert(redis:prepare "return nil")()))
    end)
  end)

  it("has the SHA1 that Redis computed, and is one for one source", function()
    with_client(function(redis)
      local script, same = assert(redis:prepare "return 1"), assert(redis:prepare "return 1")
      assert.equal("e0e1f9fabfc9d4800c877a703b823ac0578ff8db", script.sha)
      assert.equal(script.sha, same.sha)
      assert.matches(script.sha, tostring(script), 1, true)
      assert.is_nil(script.no_such_field)
      assert.equal(1, same())
      local _, loads = server:call("INFO", "commandstats"):gsub("cmdstat_script|load:calls=1,", "")
      assert.equal(1, loads)
    end)
  end)

  it("that does not compile is told when it is prepared", function()
    with_client(function(redis)
      assert_fails("EREDIS", "^ERR Error compiling script .*user_script:2:",
        redis:prepare "local x = 1\nreturn return")
    end)
  end)

  it("passes its own errors on, once executed", function()
    with_client(function(redis)
      local wrong = assert(redis:prepare [[
        redis.call('INCR', 'n')
        return redis.call('LPUSH', 'n', 1)
      ]])
      assert_fails("EREDIS", "WRONGTYPE", wrong())
      assert.equal("1", redis:get "n")
      -- Not even Redis's own words for a script that it does not know have it called again.
      local text = "NOSCRIPT No matching script. Please use EVAL."
      local liar = assert(redis:prepare "redis.call('INCR', 'n') return { err = ARGV[1] }")
      assert_fails("EREDIS", "^NOSCRIPT ", liar({}, { text }))
      assert_fails("EREDIS", "^NOSCRIPT of my own", liar({}, { "NOSCRIPT of my own" }))
      assert.equal("3", redis:get "n")
    end)
  end)

  it("raises for what is no source, list, argument or option", function()
    with_client(function(redis)
      local script = assert(redis:prepare "return 1")
      for pattern, call in pairs {
        ["string expected"] = function() redis:prepare() end,
        ["string expected, got number"] = function() redis:prepare(7) end,
        ["unknown option 'colour'"] = function() redis:prepare("return 1", { colour = 1 }) end,
        ["table expected, got string"] = function() script "key" end,
        ["KEYS: argument 2 must be a string or a number, not boolean"] = function()
          script { "a", true }
        end,
        ["ARGV: argument 1 must be a string or a number, not table"] = function()
          script({}, { {} })
        end,
        ["ARGV: argument 1 must be .* not moonpool.null"] = function()
          script({}, { moonpool.null })
        end,
        ["unknown option 'later'"] = function() script({}, {}, { later = 1 }) end,
        ["cannot wait"] = function() redis:pipeline(function() script() end) end,
      } do
        assert.error_matches(call, pattern)
      end
      assert.equal(1, script())
    end)
  end)

  it("may be megabytes long, with thousands of arguments", function()
    with_client(function(redis)
      local comment = "--" .. ("x"):rep(4 * 1048576)
      local script = assert(redis:prepare(comment .. "\nreturn #ARGV + #KEYS"))
      assert.equal(7000, script(numbers(1, 2000), numbers(1, 5000)))
      server:call("SCRIPT", "FLUSH")
      assert.equal(7000, script(numbers(1, 2000), numbers(1, 5000)))
    end)
  end)

  it("keeps its calls in order when Redis's cache is emptied among them", function()
    with_client(function(redis)
      local append = assert(redis:prepare(APPEND))
      local flusher = loop.connect(server.url)
      local results = call_many(append, 1, 1000, function(number)
        if number % 50 == 0 then
          moonpool.spawn(flusher.script, flusher, "flush")
          moonpool.sleep(0)
        end
      end)
      for number = 1, 1000 do assert.same({ n = 1, number }, results[number]) end
      assert_list(numbers(1, 1000))
    end)
  end)

  it("keeps them in order when it is emptied before all of them", function()
    with_client(function(redis)
      local append = assert(redis:prepare(APPEND))
      server:call("SCRIPT", "FLUSH")
      local results = call_many(append, 1, 1000)
      for number = 1, 1000 do assert.same({ n = 1, number }, results[number]) end
      assert_list(numbers(1, 1000))
      assert.matches("cmdstat_eval:calls=1,", server:call("INFO", "commandstats"))
    end)
  end)

  it("is there again after a restart of Redis: no NOSCRIPT, no EVAL", function()
    with_client(function(redis)
      local append = assert(redis:prepare(APPEND))
      assert.equal(1, append({ "list" }, { "lost" }))
      server:kill()
      loop.wait_until(function() return redis:state() ~= "ready" end)
      local waiting = moonpool.spawn(function() return call_many(append, 1, 100) end)
      server:start()
      local results = waiting:await()
      for number = 1, 100 do assert.same({ n = 1, number }, results[number]) end
      assert_list(numbers(1, 100))
      local stats = server:call("INFO", "commandstats")
      assert.is_nil(stats:find("cmdstat_eval:", 1, true))
      assert.is_nil(server:call("INFO", "errorstats"):find("NOSCRIPT", 1, true))
    end, { backoff_min = 0.001, backoff_max = 0.02, command_timeout = 60 })
  end)

  it("executes nothing twice and keeps the order when links are killed", function()
    with_client(function(redis)
      local append = assert(redis:prepare(APPEND))
      local results = call_many(append, 1, 1000, function(number)
        if number % 100 == 0 then
          loop.kill(server, "normal")
          server:call("SCRIPT", "FLUSH")
        end
        if number % 10 == 0 then moonpool.sleep(0) end
      end)
      local is_there, last = {}, 0
      for _, text in ipairs(server:call("LRANGE", "list", 0, -1)) do
        local number = tonumber(text)
        assert.is_true(number > last)
        is_there[number], last = true, number
      end
      for number = 1, 1000 do
        local value, message, code = table.unpack(results[number], 1, 3)
        if value then
          assert.is_true(is_there[number])
        else
          assert.equal("ECONN", code)
          assert.matches("possibly executed", message)
        end
      end
    end, { backoff_min = 0.001, backoff_max = 0.02 })
  end)

  it("has a deadline for the whole, and drops a late reply", function()
    with_client(function(redis)
      local append = assert(redis:prepare(APPEND))
      server:pause()
      assert_fails("ETIMEOUT", "no reply before the deadline",
        append({ "list" }, { "late" }, { timeout = 0.05 }))
      assert_fails("ETIMEOUT", "no reply before the deadline",
        redis:prepare("return 2", { timeout = 0.05 }))
      server:resume()
      local length = append({ "list" }, { "next" })
      assert.equal(2, length)
      assert.same({ "late", "next" }, redis:lrange("list", 0, -1))
    end)
  end)

  it("answers ECLOSED once the client is closed, at once and later", function()
    loop.run(function()
      local redis = loop.connect(server.url)
      local script = assert(redis:prepare "return 1")
      server:pause()
      local pending = moonpool.spawn(script.call, script)
      local preparing = moonpool.spawn(redis.prepare, redis, "return 2")
      moonpool.sleep(0)
      redis:close()
      server:resume()
      assert_fails("ECLOSED", "closed", pending:await())
      assert_fails("ECLOSED", "closed", preparing:await())
      assert_fails("ECLOSED", "closed", script())
      assert_fails("ECLOSED", "closed", redis:prepare "return 1")
    end)
  end)

  it("keeps its client, and both may be forgotten", function()
    local collected = setmetatable({}, { __mode = "k" })
    loop.run(function()
      local script
      do
        local redis = assert(moonpool.connect(server.url))
        script = assert(redis:prepare "return 7")
        collected[redis], collected[script] = true, true
      end
      collectgarbage()
      collectgarbage()
      assert.equal(7, script())
    end)
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(collected))
    loop.run(function() loop.wait_until(function() return server:clients "normal" == 0 end) end)
  end)

  it("may be one of many, and is refused with EPERM where the user may not load it", function()
    server:call("ACL", "SETUSER", "ann", "on", ">pw", "~*", "+@all", "-script")
    loop.run(function()
      local redis, scripts = loop.connect(server.url), {}
      for number = 1, 500 do
        moonpool.spawn(function()
          scripts[number] = assert(redis:prepare("return " .. number))
        end)
      end
      loop.wait_until(function() return #scripts == 500 end)
      for number = 1, 500 do assert.equal(number, scripts[number]()) end
      local ann = loop.connect("unix://ann:pw@" .. server.socket)
      assert_fails("EPERM", "^NOPERM ", ann:prepare "return 1")
    end)
  end)
end)
