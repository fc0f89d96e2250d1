-- What real servers refuse, and what becomes of it (docs/errors.md).
local assert_fails = require "spec.support.assert_fails"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local peer = require "spec.support.peer"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"
local trouble = require "spec.support.trouble"

local start, start_replica = trouble.start, trouble.start_replica
local open_console, info = trouble.open_console, trouble.info
local later, await = trouble.later, trouble.await
local wait_for_retries, connect_both = trouble.wait_for_retries, trouble.connect_both
local assert_repeated = trouble.assert_repeated

describe("what Redis refuses", function()
  after_each(trouble.stop_servers)

  describe("for a passing reason", function()
    it("LOADING: commands are sent again, connect waits", function()
      local server = start { "loading-process-events-interval-bytes 1024" }
      assert(server:call("DEBUG", "POPULATE", "20000", "key", "100"))
      assert(server:call("CONFIG", "SET", "key-load-delay", "2000"))
      loop.run(function()
        local client, never = connect_both(server.url)
        local console = open_console(server)
        console.send "DEBUG RELOAD"
        loop.wait_until(function()
          local _, message = never:get "none"
          return message and message:find("LOADING", 1, true)
        end)
        local value = later(function() return client:get "key:1" end)
        wait_for_retries(client, 1)
        local second = later(function() return moonpool.connect(server.url) end)
        moonpool.sleep(0) -- it has begun
        server:call("CONFIG", "SET", "key-load-delay", "0")
        assert.equal("+OK", console.receive())
        assert.equal(100, #await(value))
        local connected = assert(await(second))
        assert.equal(100, #connected:get "key:2")
        connected:close()
        console.close()
      end)
    end)

    it("MASTERDOWN: a replica that is cut off", function()
      local server = start_replica { "replica-serve-stale-data no" }
      loop.run(function()
        assert_fails("ECONN", "MASTERDOWN", moonpool.connect {
          url = server.url, connect_timeout = 2, backoff_max = 0.1 })
        server:call("CONFIG", "SET", "replica-serve-stale-data", "yes")
        local client, never = connect_both(server.url)
        server:call("CONFIG", "SET", "replica-serve-stale-data", "no")
        assert.is_nil(assert_repeated(client, never, "MASTERDOWN",
          function(c) return c:get "a" end,
          function() server:call("CONFIG", "SET", "replica-serve-stale-data", "yes") end))
      end)
    end)

    it("READONLY: a replica that becomes a master", function()
      local server = start_replica({}, { port = true })
      loop.run(function()
        local client, never = connect_both(server.tcp_url)
        local words = {}
        for number = 1, 100 do words[number] = "word" .. number end
        assert.equal(100, assert_repeated(client, never, "READONLY",
          function(c) return c:rpush("list", table.unpack(words)) end,
          function() server:call("REPLICAOF", "NO", "ONE") end))
        assert.same({ "word1", "word100" }, { client:lindex("list", 0), client:lindex("list", -1) })
        assert.is_true(client:stats().reconnects >= 1)
      end)
    end)

    it("NOREPLICAS: a master that wants one", function()
      local server = start { "min-replicas-to-write 1" }
      loop.run(function()
        local client, never = connect_both(server.url)
        assert.equal("OK", assert_repeated(client, never, "NOREPLICAS",
          function(c) return c:set("a", 1.5) end,
          function() server:call("CONFIG", "SET", "min-replicas-to-write", "0") end))
        assert.equal("1.5", client:get "a")
      end)
    end)

    it("maxclients: the place is waited for", function()
      local server = start()
      loop.run(function()
        local client = loop.connect { url = server.url, backoff_max = 0.05 }
        local console = open_console(server)
        assert.equal("+OK", console.ask "CONFIG SET maxclients 1")
        assert.matches("^:[1-9]", console.ask "CLIENT KILL TYPE normal SKIPME yes")
        loop.wait_until(function() return client:state() ~= "ready" end)
        local value = later(function() return client:echo "here" end)
        loop.wait_until(function()
          local why = client:stats().last_error
          return why and why:find("max number of clients reached", 1, true)
        end)
        assert.not_equal("ready", client:state())
        assert.is_nil(value.results)
        assert.equal("+OK", console.ask "CONFIG SET maxclients 2")
        assert.equal("here", await(value))
        -- There is no place for the link of subscriptions.
        local before = info(client, "rejected_connections")
        local waiting = later(function() return client:subscribe("room", print) end)
        loop.wait_until(function()
          return info(client, "rejected_connections") > before + 3
        end)
        assert.is_nil(waiting.results)
        assert.equal("+OK", console.ask "CONFIG SET maxclients 100")
        assert(await(waiting))
        console.close()
      end)
    end)
  end)

  describe("and goes on refusing", function()
    it("is told in Redis's words after max_retries, or before the deadline", function()
      local server = start { "min-replicas-to-write 1" }
      loop.run(function()
        local client = loop.connect { url = server.url, max_retries = 2 }
        assert_fails("EREDIS", "NOREPLICAS", client:set("a", 1))
        assert.equal(2, client:stats().retries)
        local never = loop.connect { url = server.url, max_retries = 0 }
        assert_fails("EREDIS", "NOREPLICAS", never:set("a", 1))
        assert.equal(0, never:stats().retries)
        local hasty = loop.connect {
          url = server.url, max_retries = trouble.MANY, command_timeout = 1 }
        assert_fails("EREDIS", "NOREPLICAS", hasty:set("a", 1))
        assert_fails("EREDIS", "NOREPLICAS", hasty:with { timeout = 0.5 }:call("SET", "a", 1))
      end)
      local client = assert(moonpool.connect { url = server.url, max_retries = 3 })
      assert_fails("EREDIS", "NOREPLICAS", client:set("a", 1)) -- outside of run, too
      assert.equal(3, client:stats().retries)
      client:close()
    end)

    it("is not asked again in pipelines, transactions and scripts", function()
      local server = start { "min-replicas-to-write 1" }
      loop.run(function()
        local client = loop.connect(trouble.with_url(server.url, trouble.patient))
        assert_fails("EREDIS", "NOREPLICAS", client:eval("return redis.call('set', 'a', 1)", 0))
        local replies = client:pipeline(function(p)
          p:get "a"
          p:set("a", 1)
        end)
        assert.is_truthy(replies[2].message:find("NOREPLICAS", 1, true))
        assert_fails("EREDIS", "NOREPLICAS", client:transaction(function(tx) tx:set("a", 1) end))
        assert.equal(0, client:stats().retries)
      end)
    end)

    it("ends with the client", function()
      local server = start { "min-replicas-to-write 1" }
      loop.run(function()
        local client = loop.connect(trouble.with_url(server.url, trouble.patient))
        local outcomes = {}
        for number = 1, 20 do
          outcomes[number] = later(function() return client:set("a", number) end)
        end
        wait_for_retries(client, 100)
        client:close()
        for _, outcome in ipairs(outcomes) do assert_fails("ECLOSED", "closed", await(outcome)) end
      end)
    end)

    it("a replica on purpose is left alone", function()
      local server = start_replica({}, { port = true })
      loop.run(function()
        local fixed = loop.connect { url = server.url, max_retries = 0 } -- a Unix socket
        local named = loop.connect { url = server.tcp_url, max_retries = 0 }
        local before = info(server, "total_connections_received")
        local began = moonpool.now()
        for _ = 1, 300 do
          assert_fails("EREDIS", "READONLY", fixed:set("a", 1))
          assert_fails("EREDIS", "READONLY", named:set("a", 1))
          assert.is_nil(named:get "a") -- nothing is lost meanwhile
        end
        assert.equal(0, fixed:stats().reconnects)
        local tries = named:stats().reconnects
        local allowed = 2 + math.log(1 + moonpool.now() - began, 2) -- after 1, 2, 4 … s
        assert.is_true(tries >= 1 and tries <= allowed, tries .. " reconnects")
        local grown = info(server, "total_connections_received") - before
        assert.is_true(grown <= tries + 1, grown .. " connections")
      end)
    end)
  end)

  describe("for good", function()
    it("OOM, NOSCRIPT and WRONGTYPE are told at once", function()
      local server = start { "maxmemory 100kb", "maxmemory-policy noeviction" }
      loop.run(function()
        local client = loop.connect(trouble.with_url(server.url, trouble.patient))
        assert_fails("EREDIS", "OOM command not allowed", client:set("a", "x"))
        assert_fails("EREDIS", "NOSCRIPT", client:evalsha(("0"):rep(40), 0))
        server:call("CONFIG", "SET", "maxmemory", "0")
        client:set("a", "x")
        assert_fails("EREDIS", "WRONGTYPE", client:lpush("a", "x"))
        assert.equal(0, client:stats().retries)
      end)
    end)

    it("MISCONF: what cannot be saved is not written", function()
      local server = start { "enable-protected-configs local" }
      local folder = scratch.folder() .. "/gone"
      scratch.shell("mkdir " .. folder)
      assert(server:call("CONFIG", "SET", "dir", folder))
      os.remove(folder)
      assert(server:call("CONFIG", "SET", "save", "3600 1"))
      assert(server:call("BGSAVE"))
      loop.run(function()
        local client = loop.connect(trouble.with_url(server.url, trouble.patient))
        loop.wait_until(function()
          return client:info("persistence"):find("rdb_last_bgsave_status:err", 1, true)
        end)
        assert_fails("EREDIS", "MISCONF", client:set("a", "x"))
        assert.equal(0, client:stats().retries)
      end)
      server:kill() -- it would not shut down without a last save
    end)

    it("UNBLOCKED: what waits on a master that becomes a replica", function()
      local server = start({}, { port = true })
      loop.run(function()
        local client = loop.connect(trouble.with_url(server.tcp_url, trouble.patient))
        local popped = later(function() return client:blpop("list", 0) end)
        loop.wait_until(function() return info(server, "blocked_clients") == 1 end)
        server:call("REPLICAOF", "127.0.0.1", redis_server.free_port())
        assert_fails("EREDIS", "UNBLOCKED", await(popped))
        server:call("REPLICAOF", "NO", "ONE")
        assert.equal(1, client:rpush("list", "x"))
        assert.same({ "list", "x" }, client:blpop("list", 0))
        assert.equal(0, client:stats().retries)
      end)
    end)

    it("BUSY is told at once, and the script can be killed; connect waits", function()
      local server = start { "busy-reply-threshold 1" }
      loop.run(function()
        local client = loop.connect(trouble.with_url(server.url, trouble.patient))
        local console = open_console(server)
        console.send '*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0'
        loop.wait_until(function()
          local _, message = client:get "a"
          return message and message:find("^BUSY ")
        end)
        local second = later(function() return moonpool.connect(server.url) end)
        loop.wait_until(function() return client:script "kill" == "OK" end)
        local connected = assert(await(second))
        assert.is_nil(connected:get "a")
        connected:close()
        assert.equal(0, client:stats().retries)
        assert.matches("^%-ERR.*killed", console.receive())
        console.close()
      end)
    end)
  end)

  it("what waits for the link is bounded in bytes, and by its deadline", function()
    local server = start()
    loop.run(function()
      local client = loop.connect { url = server.url, backoff_max = 0.05, max_queue_bytes = 1000 }
      server:kill()
      loop.wait_until(function() return client:state() ~= "ready" end)
      local first = later(function() return client:set("a", ("x"):rep(600)) end)
      assert_fails("EQUEUE", "too many commands waiting", client:set("b", ("x"):rep(600)))
      assert_fails("ETIMEOUT", "deadline", client:with { timeout = 0.05 }:set("c", ("x"):rep(200)))
      local second = later(function() return client:set("d", ("x"):rep(200)) end) -- in its place
      server:start()
      assert.equal("OK", await(first))
      assert.equal("OK", await(second))
      assert.same({ 1, 0, 0, 1 }, { client:exists "a", client:exists "b", client:exists "c",
        client:exists "d" })
    end)
  end)

  -- A fake peer, since no real server refuses a command and holds back the answer to the next.
  it("READONLY, and nothing is lost: what is in flight is answered, what is new goes elsewhere",
    function()
      local fake = peer.start { scripts = {
        { { serve = "SET" }, { read = 1 }, "-READONLY You can't write\r\n", { silence = 0.1 },
          "+old\r\n", { silence = true } },
        { { serve = "SET" }, "+OK\r\n", { serve = "ECHO" }, "+new\r\n", { serve = true } },
      } }
      trouble.keep(fake)
      loop.run(function()
        local client = loop.connect { url = fake.url, max_retries = trouble.MANY }
        local set = later(function() return client:set("a", 1) end)
        local get = later(function() return client:get "a" end)
        assert.equal("OK", await(set))
        assert.equal("old", await(get))
        assert.equal("new", client:echo "x")
        assert.equal(1, client:stats().reconnects)
        assert.equal(2, fake:connections())
      end)
    end)

  it("names the library where Redis knows CLIENT SETINFO", function()
    local server = start()
    loop.run(function()
      local client = loop.connect(server.url)
      local line = client:client "info"
      if server:call("CLIENT", "SETINFO", "LIB-NAME", "x") then
        assert.matches("lib%-name=moonpool lib%-ver=" .. moonpool.version:gsub("%.", "%%."), line)
      end
      loop.kill(server, "normal")
      assert.equal("again", loop.wait_until(function() return client:echo "again" end))
    end)
  end)
end)
