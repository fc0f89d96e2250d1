local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local peer = require "spec.support.peer"
local redis_server = require "spec.support.redis"

-- nil, a message that holds `text` as it is, and the code.
local function assert_fails(code, text, options)
  local client, message, failure = moonpool.connect(options)
  assert.is_nil(client)
  assert.equal(code, failure)
  assert.is_truthy(message:find(text, 1, true), message .. " does not hold " .. text)
end

describe("moonpool.connect", function()
  describe("without a server", function()
    it("names the address that refused", function()
      local socket, port = redis_server.refusing_port()
      finally(function() socket:close() end)
      assert_fails("ECONN", ("127.0.0.1:%d: connection refused"):format(port),
        ("redis://127.0.0.1:%d"):format(port))
      assert_fails("ECONN", ("localhost:%d: connection refused"):format(port),
        ("redis://localhost:%d"):format(port))
      assert_fails("ECONN", "unix:/no/such.sock: no such file", "unix:///no/such.sock")
    end)

    it("names the host that does not resolve", function()
      assert_fails("ECONN", "resolve moonpool.invalid: ", {
        url = "redis://moonpool.invalid:6379", connect_timeout = 5 })
    end)

    it("says what is wrong with a URL", function()
      for url, text in pairs {
        ["http://localhost"] = 'unknown scheme "http"; redis, rediss, unix and ',
        ["localhost:6379"] = "no scheme",
        [""] = "no scheme",
        ["redis://h:99999"] = 'the port after "h" is not a number from 1 to 65535',
        ["redis://h/x"] = 'database "x" is not a number',
        ["redis://h?colour=red"] = 'unknown option "colour"',
        ["redis://"] = "no host",
      } do
        assert_fails("EARG", text, url)
      end
    end)

    it("does not show the password of a URL that it refuses", function()
      for _, url in ipairs { "redis://me:secret@h:x", "redis://me:secret@h/x",
        "http://me:secret@h", "redis://me:secret@h?a=b" } do
        local _, message = moonpool.connect(url)
        assert.is_nil(message:find("secret", 1, true), message)
      end
    end)

    it("raises for options that are none", function()
      for pattern, options in pairs {
        ["unknown option 'colour'"] = { colour = "red" },
        ["unknown option '%?'"] = { "redis://localhost" },
        ["option 'url' must be a string"] = { url = 1 },
        ["option 'name' must be a string"] = { name = true },
        ["option 'connect_timeout' must be a time in seconds"] = { connect_timeout = "1" },
        ["option 'heartbeat' must be a time in seconds"] = { heartbeat = -1 },
        ["option 'command_timeout' must be a time in seconds"] = { command_timeout = 0 / 0 },
        ["option 'max_queue' must be a whole number from 0 on"] = { max_queue = 0.5 },
        ["option 'max_mailbox' must be a whole number from 0 on"] = { max_mailbox = -1 },
        ["option 'max_reply_depth' is too large"] = { max_reply_depth = 4294967296 },
        ["option 'url' must not hold a NUL byte"] = { url = "redis://localhost\0.evil" },
      } do
        assert.error_matches(function() moonpool.connect(options) end, pattern)
      end
      assert.error_matches(function() moonpool.connect(5) end, "URL or table of options expected")
      assert.error_matches(function() moonpool.connect "redis://a\0b" end, "URL with a NUL byte")
    end)

    it("refuses a name that CLIENT SETNAME would refuse", function()
      assert_fails("EARG", "name: ", { name = "a b" })
      assert_fails("EARG", "name: ", { name = "a\nb" })
    end)
  end)

  describe("to something else", function()
    local fake

    local function start(...) fake = peer.start { script = { ... } } end

    after_each(function() fake:stop() end)

    local function address() return "127.0.0.1:" .. fake.port end

    it("says so when it speaks HTTP", function()
      start({ read = 1 }, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
      assert_fails("EPROTO", address() .. ": the peer does not speak Redis's protocol", fake.url)
    end)

    it("says so when it greets in its own way", function()
      start "SSH-2.0-OpenSSH_9.2\r\n"
      assert_fails("EPROTO", address() .. ": the peer does not speak Redis's protocol", fake.url)
    end)

    it("gives up silence after connect_timeout", function()
      start { silence = true }
      local began = moonpool.now()
      assert_fails("ETIMEOUT", address() .. ": no answer to the handshake within 150 ms",
        { url = fake.url, connect_timeout = 0.15 })
      assert.is_true(moonpool.now() - began >= 0.14)
    end)

    it("gives up half a reply after connect_timeout", function()
      start({ read = 1 }, "+PON", { silence = true })
      assert_fails("ETIMEOUT", address(), { url = fake.url, connect_timeout = 0.1 })
    end)

    it("gives up a peer that dribbles after connect_timeout", function()
      start({ read = 1 }, "+", { silence = 0.06 }, "P", { silence = 0.06 }, "O", { silence = true })
      assert_fails("ETIMEOUT", address(), { url = fake.url, connect_timeout = 0.1 })
    end)

    it("tells a connection that ends during the handshake", function()
      start({ read = 1 }, { close = true })
      assert_fails("ECONN", address(), fake.url)
    end)

    it("tells a connection that is reset during the handshake", function()
      start({ read = 1 }, "+PON", { reset = true })
      assert_fails("ECONN", address(), fake.url)
    end)

    it("passes on what a server says that is not ready", function()
      start { serve = true, replies = {
        PING = "-LOADING Redis is loading the dataset in memory\r\n" } }
      assert_fails("ECONN", address() .. ": LOADING Redis is loading", fake.url)
    end)

    it("does not go on trying after it has failed", function()
      start({ read = 1 }, { close = true })
      assert_fails("ECONN", address(), { url = fake.url, backoff_min = 0.001 })
      loop.run(function() moonpool.sleep(0.05) end) -- in which it would have tried again
      assert.equal(1, fake:connections())
    end)
  end)

  describe("to Redis", function()
    local server

    local function start(options) server = redis_server.start(options) end

    after_each(function() server:stop() end)

    it("gives a client over TCP and over a Unix socket", function()
      start { port = true }
      loop.run(function()
        local tcp, unix = loop.connect(server.tcp_url), loop.connect(server.url)
        assert.equal("PONG", tcp:ping())
        assert.equal("PONG", unix:ping())
        assert.equal("127.0.0.1:" .. server.port, tcp:address())
        assert.equal("unix:" .. server.socket, unix:address())
        assert.equal("ready", tcp:state())
        assert.matches("127%.0%.0%.1:" .. server.port, tostring(tcp))
        tcp:close()
        assert.equal("closed", tcp:state())
        assert.is_nil(tcp:address())
      end)
    end)

    it("finds localhost whether it is IPv4 or IPv6", function()
      start { port = true }
      loop.run(function()
        assert.equal("PONG", loop.connect("redis://localhost:" .. server.port):ping())
      end)
    end)

    it("says the password, with and without a user", function()
      start { port = true, config = { "requirepass tide", "user ann on >p%40ss ~* &* +@all" } }
      local place = "127.0.0.1:" .. server.port
      loop.run(function()
        assert.equal("default", loop.connect("redis://:tide@" .. place):acl "whoami")
        assert.equal("default", loop.connect("redis://default:tide@" .. place):acl "whoami")
        assert.equal("ann", loop.connect("redis://ann:p%2540ss@" .. place):acl "whoami")
        local ann = loop.connect("redis://ann:p%2540ss@" .. place)
        assert.truthy(ann:subscribe("a", print)) -- the second link says it too
      end)
    end)

    it("fails with EAUTH for a wrong password, or none", function()
      start { port = true, config = { "requirepass tide" } }
      local place = "127.0.0.1:" .. server.port
      assert_fails("EAUTH", place .. ": WRONGPASS", "redis://:ebb@" .. place)
      assert_fails("EAUTH", place .. ": WRONGPASS", "redis://bob:tide@" .. place)
      assert_fails("EAUTH", place .. ": NOAUTH", "redis://" .. place)
    end)

    it("selects the database of the URL", function()
      start { port = true }
      loop.run(function()
        local third = loop.connect(server.tcp_url .. "/3")
        third:set("here", "yes")
        assert.equal(redis_server.null, server:call("GET", "here"))
        loop.kill(server, "normal")
        loop.wait_until(function() return third:get "here" == "yes" end) -- after a reconnect too
      end)
      assert_fails("EARG", "SELECT 99: ERR DB index is out of range", server.tcp_url .. "/99")
    end)

    it("names its links", function()
      start()
      loop.run(function()
        local named = loop.connect { url = server.url, name = "diver-1" }
        assert.equal("diver-1", named:client "getname")
        named:subscribe("a", print)
        local _, count = server:call("CLIENT", "LIST"):gsub("name=diver%-1 ", "")
        assert.equal(2, count)
      end)
    end)

    it("is refused when there are too many clients, in Redis's words", function()
      start { config = { "maxclients 1" } }
      loop.run(function()
        -- Redis may still count the client that asked whether it is up.
        loop.wait_until(function() return pcall(loop.connect, server.url) end)
        -- A place may become free: that is waited for, connect_timeout in all.
        assert_fails("ECONN", "max number of clients reached",
          { url = server.url, connect_timeout = 2, backoff_max = 0.1 }, 10)
      end)
    end)

    it("gives 200 clients at once", function()
      start()
      loop.run(function()
        local connected = 0
        for _ = 1, 200 do
          moonpool.spawn(function()
            loop.connect(server.url)
            connected = connected + 1
          end)
        end
        loop.wait_until(function() return connected == 200 end)
        assert.equal(200, server:clients "normal")
      end)
    end)

    it("closes once, and answers ECLOSED then", function()
      start()
      local client = assert(moonpool.connect(server.url))
      assert.is_true(client:close())
      assert.is_true(client:close())
      for _, call in ipairs { "get", "subscribe", "psubscribe", "ssubscribe", "stats" } do
        assert.same({ nil, "closed", "ECLOSED" }, { client[call](client, "a") })
      end
    end)

    it("closes when it is collected", function()
      start()
      assert(moonpool.connect(server.url))
      collectgarbage()
      collectgarbage()
      loop.run(function()
        loop.wait_until(function() return server:clients "normal" == 0 end)
      end)
    end)
  end)
end)
