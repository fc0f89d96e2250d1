local certificates = require "spec.support.certificates"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local peer = require "spec.support.peer"
local program = require "spec.support.program"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"

local function escape(path) return (path:gsub("[^%w/._-]", function(byte)
  return ("%%%02X"):format(byte:byte())
end)) end

-- nil, a message that holds `text` as it is, and the code. Where localhost is ::1, too, the message
-- tells first that nobody listens there.
local NOT_IPV6 = "^(.-localhost:%d+): connection refused %(::1%); (.*) %(127%.0%.0%.1%)"
local function assert_fails(code, text, options)
  local client, message, failure = moonpool.connect(options)
  assert.is_nil(client)
  assert.equal(code, failure, message)
  message = message:gsub(NOT_IPV6, "%1: %2")
  assert.is_truthy(message:find(text, 1, true), message .. " does not hold " .. text)
end

describe("TLS", function()
  if not moonpool.features.tls then
    it("is told to be missing in a build without it", function()
      assert_fails("ENOSUPPORT", "this build has no TLS", "rediss://localhost")
    end)
    return
  end

  local pem, server

  setup(function() pem = certificates.make() end)

  local function connect(options)
    options = options or {}
    options.url = options.url or server.rediss_url
    options.tls_ca_file = options.tls_ca_file or pem.ca
    return loop.connect(options)
  end

  local function address() return "localhost:" .. server.tls_port end

  describe("to Redis's own port for it", function()
    before_each(function() server = redis_server.start { tls = pem } end)
    after_each(function() server:stop() end)

    it("carries commands, large values and messages", function()
      loop.run(function()
        local redis = connect()
        local large = ("0123456789abcdef"):rep(256 * 1024) -- 4 MB
        assert.equal("PONG", redis:ping())
        assert.equal("OK", redis:set("large", large))
        assert.is_true(large == redis:get "large")
        local heard = {}
        assert(redis:subscribe("news", function(payload) heard[#heard + 1] = payload end))
        assert.equal(1, redis:publish("news", large))
        for n = 1, 1000 do moonpool.spawn(redis.publish, redis, "news", n) end
        loop.wait_for(heard, 1001)
        assert.is_true(large == heard[1])
        assert.equal("1000", heard[1001])
        assert.equal(address(), redis:address())
      end)
    end)

    it("is there again after the links were killed, and after the server was", function()
      loop.run(function()
        local redis, heard = connect { backoff_min = 0.001, backoff_max = 0.01 }, {}
        local events = { reconnect = function() heard[#heard + 1] = "reconnect" end }
        assert(redis:subscribe("a", function(payload) heard[#heard + 1] = payload end,
          { events = events }))
        loop.kill(server, "normal")
        loop.kill(server, "pubsub")
        loop.wait_for(heard, 1)
        server:restart()
        loop.wait_for(heard, 2)
        loop.wait_until(function() return redis:publish("a", "x") == 1 end)
        loop.wait_for(heard, 3)
        assert.same({ "reconnect", "reconnect", "x" }, heard)
      end)
    end)

    it("checks host names and addresses", function()
      loop.run(function()
        for _, host in ipairs { "localhost", "127.0.0.1", "LOCALHOST" } do
          assert.equal("PONG", connect { url = ("rediss://%s:%d"):format(host, server.tls_port) }
            :ping())
        end
      end)
    end)

    it("takes its options from the URL, too", function()
      local query = "?tls_ca_file=" .. escape(pem.ca)
      loop.run(function()
        assert.equal("PONG", loop.connect(server.rediss_url .. query):ping())
        assert.equal("PONG", loop.connect(server.rediss_url .. "/3?tls_verify=false"):ping())
        assert.equal("PONG", loop.connect(server.rediss_url .. "?tls_ca_dir="
          .. escape(pem.ca_dir)):ping())
      end)
      assert_fails("EAUTH", "not for redis.example", server.rediss_url .. query
        .. "&tls_server_name=redis.example")
    end)

    it("says which certificate it refuses, and why", function()
      local own = { url = server.rediss_url, tls_ca_file = pem.ca }
      for name, text in pairs {
        expired = "the server's certificate expired on 2021-01-01 00:00:00 UTC",
        early = "the server's certificate is not valid before 2090-01-01 00:00:00 UTC",
        elsewhere = "the server's certificate is for redis.example, 192.0.2.1, not for localhost",
        self_signed = "the server's certificate is self-signed, and not trusted",
      } do
        assert(server:call("CONFIG", "SET", "tls-cert-file", pem[name]))
        assert_fails("EAUTH", ("connect to %s: %s"):format(address(), text), own)
        loop.run(function() -- who insists gets through
          assert.equal("PONG", loop.connect { url = server.rediss_url, tls_verify = false }:ping())
        end)
      end
      assert(server:call("CONFIG", "SET", "tls-cert-file", pem.self_signed))
      loop.run(function() -- as does who trusts just that certificate
        assert.equal("PONG", connect { tls_ca_file = pem.self_signed }:ping())
      end)
      assert(server:call("CONFIG", "SET", "tls-cert-file", pem.server))
      assert_fails("EAUTH", "is from a CA that is not trusted: CN=Pool CA", {
        url = server.rediss_url, tls_ca_file = pem.other_ca })
      assert_fails("EAUTH", "is for localhost, 127.0.0.1, ::1, not for 127.0.0.9", {
        url = server.rediss_url, tls_ca_file = pem.ca, tls_server_name =
        "127.0.0.9" })
    end)

    it("expects the name that it is told to", function()
      assert(server:call("CONFIG", "SET", "tls-cert-file", pem.elsewhere))
      loop.run(function()
        assert.equal("PONG", connect { tls_server_name = "redis.example." }:ping())
        assert.equal("PONG", connect { tls_server_name = "192.0.2.1" }:ping())
      end)
    end)

    it("refuses a certificate that the server got meanwhile, and says so to who waits", function()
      loop.run(function()
        local redis = connect { backoff_min = 0.001, backoff_max = 0.01, command_timeout = 0.3 }
        assert(server:call("CONFIG", "SET", "tls-cert-file", pem.expired))
        loop.kill(server, "normal")
        loop.wait_until(function() return redis:state() == "waiting" end)
        assert.is_nil((redis:get "a"))
        assert(server:call("CONFIG", "SET", "tls-cert-file", pem.server))
        loop.wait_until(function() return redis:ping() == "PONG" end)
      end)
    end)

    it("tells a port with TLS from one without", function()
      server:stop()
      server = redis_server.start { tls = pem, port = true }
      assert_fails("ECONN", "(a port for TLS takes rediss://)",
        "redis://127.0.0.1:" .. server.tls_port)
      -- Redis takes TLS's first words for a command of its old protocol, whose line may never end.
      local _, _, code = moonpool.connect { connect_timeout = 0.3,
        url = "rediss://127.0.0.1:" .. server.port, tls_ca_file = pem.ca }
      assert.is_true(code == "ETIMEOUT" or code == "EPROTO" or code == "ECONN", code)
    end)

    it("uses the system's store of CAs, which SSL_CERT_FILE replaces", function()
      local url = server.rediss_url
      local refused = program.run_moonpool { "pub", "news", "hello", "--redis", url,
        env = { SSL_CERT_FILE = pem.other_ca } }
      assert.equal(1, refused.status)
      assert.matches("a CA that is not trusted", refused.stderr)
      local sub = program.moonpool { "sub", "--count", "1", "news", "--redis",
        url .. "?tls_ca_file=" .. escape(pem.ca) }
      scratch.wait_until(function() return server:subscribers "news" == 1 end)
      local pub = program.run_moonpool { "pub", "news", "hello", "--redis", url,
        env = { SSL_CERT_FILE = pem.ca } }
      assert.same({ 0, "" }, { pub.status, pub.stderr })
      assert.equal(0, sub:wait())
      assert.equal("news hello\n", sub:output())
    end)
  end)

  describe("with certificates of clients", function()
    setup(function() server = redis_server.start { tls = pem, tls_clients = true } end)
    teardown(function() server:stop() end)

    local function options(more)
      more.url, more.tls_ca_file = server.rediss_url, pem.ca
      return more
    end

    it("shows its own", function()
      loop.run(function()
        assert.equal("PONG", connect { tls_cert_file = pem.client,
          tls_key_file = pem.client_key }:ping())
        assert.equal("PONG", connect { tls_cert_file = pem.client_both }:ping())
        assert.equal("PONG", loop.connect(("%s?tls_ca_file=%s&tls_cert_file=%s&tls_key_file=%s")
          :format(server.rediss_url, escape(pem.ca), escape(pem.client), escape(pem.client_key)))
          :ping())
      end)
    end)

    it("says that the server wants one, or another one", function()
      for _, protocols in ipairs { "TLSv1.2", "TLSv1.3" } do
        assert(server:call("CONFIG", "SET", "tls-protocols", protocols))
        assert_fails("EAUTH", address() .. ": the server requires a client certificate", options {})
        assert_fails("EAUTH", "the server refused the client certificate: it does not trust the CA",
          options { tls_cert_file = pem.self_signed, tls_key_file = pem.key })
      end
    end)
  end)

  it("names the file that it cannot use, and why", function()
    local text = scratch.write(pem.folder .. "/text", "no certificate\n")
    local none = pem.folder .. "/none"
    for _, case in ipairs {
      { { tls_ca_file = none }, "tls_ca_file " .. none .. ": no such file or directory" },
      { { tls_ca_file = text },
        "tls_ca_file " .. text .. ": no certificate in PEM form in it" },
      { { tls_ca_file = pem.folder }, "tls_ca_file " .. pem.folder .. ": " },
      { { tls_ca_dir = none }, "tls_ca_dir " .. none .. ": no such file or directory" },
      { { tls_ca_dir = text }, "tls_ca_dir " .. text .. ": not a directory" },
      { { tls_cert_file = none }, "tls_cert_file " .. none .. ": no such file or directory" },
      { { tls_cert_file = text },
        "tls_cert_file " .. text .. ": no certificate in PEM form in it" },
      { { tls_cert_file = pem.client },
        "tls_cert_file " .. pem.client .. ": no private key in PEM form in it" },
      { { tls_cert_file = pem.client, tls_key_file = none },
        "tls_key_file " .. none .. ": no such file or directory" },
      { { tls_cert_file = pem.client, tls_key_file = text },
        "tls_key_file " .. text .. ": no private key in PEM form in it" },
      { { tls_cert_file = pem.client, tls_key_file = pem.key },
        "tls_key_file " .. pem.key .. ": the key does not belong to the certificate" },
      { { tls_cert_file = pem.client, tls_key_file = pem.locked_key },
        "tls_key_file " .. pem.locked_key .. ": the key needs a passphrase" },
      { { tls_key_file = pem.client_key }, "tls_key_file needs tls_cert_file" },
      { { tls_server_name = "" }, "tls_server_name: " },
      { { tls_server_name = ("x"):rep(256) }, "tls_server_name: " },
      { { url = "redis://localhost", tls_ca_file = pem.ca }, "need a URL with TLS: rediss://" },
      { { url = "redis://localhost", tls_verify = false }, "need a URL with TLS: rediss://" },
      { { url = "redis://localhost?tls_ca_file=x" }, "unknown option \"tls_ca_file\"" },
    } do
      local options = case[1]
      options.url = options.url or "rediss://localhost"
      assert_fails("EARG", case[2], options)
    end
    assert.error_matches(function() moonpool.connect { tls_verify = "no" } end,
      "option 'tls_verify' must be true or false")
  end)

  describe("to something else", function()
    local fake
    after_each(function() fake:stop() end)

    local function assert_refuses(code, text, ...)
      fake = peer.start { script = { ... } }
      assert_fails(code, ("127.0.0.1:%d: %s"):format(fake.port, text), {
        url = "rediss://127.0.0.1:" .. fake.port, tls_ca_file = pem.ca, connect_timeout = 0.3 })
    end

    it("says so when it speaks no TLS", function()
      assert_refuses("EPROTO", "the peer does not speak TLS", "-ERR unknown command\r\n")
    end)

    it("gives up silence after connect_timeout", function()
      assert_refuses("ETIMEOUT", "TLS handshake: no answer within ", { silence = true })
    end)

    it("tells a connection that ends during the handshake", function()
      assert_refuses("ECONN", "TLS handshake: ", { silence = 0.01 }, { close = true })
    end)
  end)
end)
