-- What real servers refuse, and what becomes of it (docs/errors.md).
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local peer = require "spec.support.peer"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"
local unix = require "socket.unix"

local MANY = 1000000

local servers

local function start(config, options)
  options = options or {}
  options.config = config
  local server = redis_server.start(options)
  servers[#servers + 1] = server
  return server
end

-- Replicas of nobody: their master refuses connections.
local function start_replica(config, options)
  config = config or {}
  config[#config + 1] = ("replicaof 127.0.0.1 %d"):format(redis_server.free_port())
  return start(config, options)
end

-- A connection that stays, for when the server takes no other. Commands in one line, without spaces
-- in words; the reply's first line.
local function open_console(server)
  local connection = assert(unix())
  connection:settimeout(10)
  assert(connection:connect(server.socket))
  local console = {}
  function console.send(line) assert(connection:send(line .. "\r\n")) end
  function console.receive() return assert(connection:receive("*l")) end
  function console.ask(line)
    console.send(line)
    return console.receive()
  end
  function console.close() connection:close() end
  return console
end

-- A figure of INFO's, by a command over a connection of its own or by a client of moonpool's.
local function info(server, field)
  return tonumber(server:call("INFO", "everything"):match("\r\n" .. field .. ":(%d+)"))
end

-- Runs the function as a task; a table whose `results` come when it is done.
local function later(fn)
  local outcome = {}
  moonpool.spawn(function() outcome.results = table.pack(fn()) end)
  return outcome
end

local function await(outcome, seconds)
  loop.wait_until(function() return outcome.results end, seconds or 10, "a command")
  return table.unpack(outcome.results, 1, outcome.results.n)
end

local function assert_fails(code, words, value, message, actual)
  assert.is_nil(value)
  assert.is_truthy(message:find(words, 1, true), message .. " does not hold " .. words)
  assert.equal(code, actual)
end

local function wait_for_retries(client, count)
  loop.wait_until(function() return client:stats().retries >= count end, nil, "retries")
end

local patient = { max_retries = MANY, command_timeout = 30 }

local function with_url(url, options)
  local all = { url = url }
  for name, value in pairs(options) do all[name] = value end
  return all
end

-- A client that retries for long, and one that never does.
local function connect_both(url)
  return loop.connect(with_url(url, patient)), loop.connect { url = url, max_retries = 0 }
end

-- The command is refused with those words and sent again until `mend` has mended the server; then
-- its reply comes.
local function assert_repeated(client, never, words, call, mend)
  local before = client:stats().retries
  local outcome = later(function() return call(client) end)
  wait_for_retries(client, before + 2)
  assert.is_nil(outcome.results)
  assert_fails("EREDIS", words, call(never))
  mend()
  return await(outcome)
end

describe("what Redis refuses", function()
  before_each(function() servers = {} end)
  after_each(function()
    for _, server in ipairs(servers) do server:stop() end
  end)

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
      end, 30)
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

    it("CLUSTERDOWN: a node without slots; names are asked for again, too", function()
      local server = start({ "cluster-enabled yes" }, { port = true })
      loop.run(function()
        local client, never = connect_both(server.url)
        local told, failures = {}, {}
        local subscription = later(function()
          return client:ssubscribe("room", function(text) told[#told + 1] = text end,
            { events = { error = function(event) failures[#failures + 1] = event end } })
        end)
        assert.equal("OK", assert_repeated(client, never, "CLUSTERDOWN",
          function(c) return c:call("SET", "a", "b") end,
          function() server:call("CLUSTER", "ADDSLOTSRANGE", "0", "16383") end))
        assert(await(subscription))
        server:call("SPUBLISH", "room", "hi")
        loop.wait_for(told, 1)
        assert.same({}, failures)
      end, 20)
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

    it("several nodes of a cluster: MOVED, ASK and TRYAGAIN", function()
      local cluster = { "cluster-enabled yes" }
      local server, other = start(cluster, { port = true }), start(cluster, { port = true })
      server:call("CLUSTER", "ADDSLOTSRANGE", "0", "15000")
      other:call("CLUSTER", "ADDSLOTSRANGE", "15001", "16383")
      server:call("CLUSTER", "MEET", "127.0.0.1", other.port)
      loop.run(function()
        local client, never = connect_both(server.url)
        local _, message, code
        loop.wait_until(function()
          _, message, code = client:set("a", "x") -- slot 15495: the other's
          return code == "ENOSUPPORT"
        end, 20, "the nodes to know each other")
        assert.matches("^MOVED 15495 127.0.0.1:%d+ %(.*Redis Cluster%)$", message)
        local its_id = other:call("CLUSTER", "MYID")
        assert.equal("OK", client:set("{b}1", "x")) -- slot 3300
        assert.equal("OK", client:cluster("setslot", 3300, "migrating", its_id))
        assert_fails("ENOSUPPORT", "ASK 3300", client:get "{b}2")
        assert.same({ "x", moonpool.null }, assert_repeated(client, never, "TRYAGAIN",
          function(c) return c:mget("{b}1", "{b}2") end,
          function() client:cluster("setslot", 3300, "stable") end))
      end, 40)
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
        local hasty = loop.connect { url = server.url, max_retries = MANY, command_timeout = 1 }
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
        local client = loop.connect(with_url(server.url, patient))
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
        local client = loop.connect(with_url(server.url, patient))
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
        for _ = 1, 300 do
          assert_fails("EREDIS", "READONLY", fixed:set("a", 1))
          assert_fails("EREDIS", "READONLY", named:set("a", 1))
          assert.is_nil(named:get "a") -- nothing is lost meanwhile
        end
        assert.equal(0, fixed:stats().reconnects)
        local tries = named:stats().reconnects
        assert.is_true(tries >= 1 and tries <= 4, tries .. " reconnects")
        local grown = info(server, "total_connections_received") - before
        assert.is_true(grown <= tries + 1, grown .. " connections")
      end)
    end)
  end)

  describe("for good", function()
    it("OOM, NOSCRIPT and WRONGTYPE are told at once", function()
      local server = start { "maxmemory 100kb", "maxmemory-policy noeviction" }
      loop.run(function()
        local client = loop.connect(with_url(server.url, patient))
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
        local client = loop.connect(with_url(server.url, patient))
        loop.wait_until(function()
          return client:info("persistence"):find("rdb_last_bgsave_status:err", 1, true)
        end)
        assert_fails("EREDIS", "MISCONF", client:set("a", "x"))
        assert.equal(0, client:stats().retries)
      end)
    end)

    it("UNBLOCKED: what waits on a master that becomes a replica", function()
      local server = start({}, { port = true })
      loop.run(function()
        local client = loop.connect(with_url(server.tcp_url, patient))
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
        local client = loop.connect(with_url(server.url, patient))
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

    it("a password that is wrong is tried slowly, until it is right", function()
      local server = start { "user ann on >right ~* &* +@all" }
      loop.run(function()
        local url = server.url:gsub("unix://", "unix://ann:right@")
        local client = loop.connect { url = url, backoff_max = 1 }
        local before, began = info(server, "total_connections_received"), moonpool.now()
        server:call("ACL", "SETUSER", "ann", "resetpass", ">changed")
        loop.kill(server, "normal")
        loop.wait_until(function() return client:state() ~= "ready" end)
        local value = later(function() return client:echo "here" end)
        local late = later(function() return client:with { timeout = 0.2 }:echo "late" end)
        loop.wait_until(function()
          local why = client:stats().last_error
          return why and why:find("WRONGPASS", 1, true)
        end)
        moonpool.sleep(2) -- what is counted are attempts in that time
        local tried = client:stats().last_error
        assert.is_truthy(tried:find("WRONGPASS", 1, true), tried)
        assert_fails("ETIMEOUT", "no reply before the deadline; the last error was: ", await(late))
        assert.is_nil(value.results)
        local grown = info(server, "total_connections_received") - before
        local ours = 3 -- ACL, CLIENT KILL, INFO
        local allowed = ours + 2 + 2 * (moonpool.now() - began) -- then one in half a second
        assert.is_true(grown <= allowed, ("%d connections, not %g"):format(grown, allowed))
        server:call("ACL", "SETUSER", "ann", ">right")
        assert.equal("here", await(value))
        assert.equal("ready", client:state())
        local _, message, code = moonpool.connect((url:gsub("right", "wrong")))
        assert_fails("EAUTH", "WRONGPASS", nil, message, code)
      end, 20)
    end)

    it("a user that is gone, and a password that is missing", function()
      local server = start { "user ann on >pw ~* &* +@all", "requirepass secret" }
      loop.run(function()
        assert_fails("EAUTH", "NOAUTH", moonpool.connect(server.url))
        local url = server.url:gsub("unix://", "unix://ann:pw@")
        local client = loop.connect { url = url, backoff_max = 0.1 }
        server:call("ACL", "DELUSER", "ann") -- ends its connections
        loop.wait_until(function()
          local why = client:stats().last_error
          return why and why:find("WRONGPASS", 1, true)
        end)
        server:call("ACL", "SETUSER", "ann", "on", ">pw", "~*", "&*", "+@all")
        assert.equal("back", client:echo "back")
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
      moonpool.sleep(0)
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
      servers[#servers + 1] = fake
      loop.run(function()
        local client = loop.connect { url = fake.url, max_retries = MANY }
        local set = later(function() return client:set("a", 1) end)
        local get = later(function() return client:get "a" end)
        assert.equal("OK", await(set))
        assert.equal("old", await(get))
        assert.equal("new", client:echo "x")
        assert.equal(1, client:stats().reconnects)
        assert.equal(2, fake:connections())
      end)
    end)

  it("NOAUTH on a link that was let in: the next one says the password again", function()
    local fake = peer.start { scripts = {
      { { serve = "GET" }, "-NOAUTH Authentication required.\r\n", { silence = true } },
      { { serve = "GET" }, "+value\r\n", { serve = true } },
    } }
    servers[#servers + 1] = fake
    loop.run(function()
      local client = loop.connect((fake.url:gsub("redis://", "redis://:pw@")))
      assert_fails("EAUTH", "NOAUTH", client:get "a")
      assert.equal("value", client:get "a")
      local passwords = 0
      for _, command in ipairs(fake:received()) do
        passwords = passwords + (command[1] == "AUTH" and 1 or 0)
      end
      assert.equal(2, passwords)
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
