local certificates = require "spec.support.certificates"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local sentinel = require "spec.support.sentinel"

local PACE = 0.001 -- 1,000 messages a second
-- Redis's own part, detection and failover, takes some 3 s; a machine that is busy with other
-- things may need a second election. Past this it hangs.
local HANG_SECONDS = 40
local RUN_SECONDS = HANG_SECONDS + 20

describe("a service that sentinels watch", function()
  local service

  after_each(function()
    if service then service:stop() end
    service = nil
  end)

  local function start(options)
    service = sentinel.start(options)
    return service
  end

  local function address_of(server)
    return "127.0.0.1:" .. server.port
  end

  local function is_on(redis, server)
    return redis:state() == "ready" and redis:address() == address_of(server)
  end

  -- A task that publishes numbers, counting what failed and how, until it is told to stop.
  local function start_publisher(redis)
    local publisher = { sent = 0, codes = {} }
    publisher.task = moonpool.spawn(function()
      local began = moonpool.now()
      while not publisher.is_stopped do
        local due = math.floor((moonpool.now() - began) / PACE)
        while publisher.sent < due do
          publisher.sent = publisher.sent + 1
          local number = publisher.sent
          moonpool.spawn(function()
            local receivers, message, code = redis:publish("room", number)
            if not receivers then
              publisher.codes[code] = (publisher.codes[code] or 0) + 1
              publisher.message = message
            end
          end)
        end
        moonpool.sleep(PACE)
      end
    end)
    return publisher
  end

  -- What a subscriber sees: that its numbers grow, and what comes between them.
  local function start_subscriber(redis)
    local seen = { last = 0, count = 0, reconnects = 0, gaps = 0 }
    assert(redis:subscribe("room", function(payload)
      local number = math.tointeger(tonumber(payload))
      assert(number > seen.last, "a message came twice, or late")
      seen.last = number
      seen.count = seen.count + 1
    end, {
      events = {
        reconnect = function() seen.reconnects = seen.reconnects + 1 end,
        gap = function() seen.gaps = seen.gaps + 1 end,
      },
    }))
    return seen
  end

  -- A failover under load, that `fail` begins.
  local function fail_over(redis, fail)
    local subscriber = loop.connect { url = service.url }
    local seen = start_subscriber(subscriber)
    local publisher = start_publisher(redis)
    loop.wait_until(function() return seen.count >= 100 end)
    local master, replica = service.master, service.replica
    fail(master)
    local function is_moved()
      return is_on(redis, replica) and is_on(subscriber, replica) and seen.reconnects > 0
    end
    loop.wait_until(is_moved, HANG_SECONDS, "all links to be at the new master")
    local count = seen.count
    loop.wait_until(function() return seen.count >= count + 500 end)
    publisher.is_stopped = true
    publisher.task:await()
    loop.wait_until(function() return seen.last == publisher.sent end)
    assert.equal("master", replica:call("ROLE")[1])
    assert.equal(1, replica:subscribers "room")
    assert.equal(seen.reconnects, seen.gaps)
    assert.is_true(seen.reconnects <= 2, seen.reconnects .. " reconnects")
    assert.is_true(redis:stats().reconnects <= 4)
    for code in pairs(publisher.codes) do
      assert.is_true(code == "ECONN" or code == "ETIMEOUT", publisher.message)
    end
    return publisher
  end

  -- Of everybody: the service's own, and those of this spec's questions, are some dozens.
  local function assert_no_storm(servers_before, sentinels_before)
    local servers, sentinels = service:connections()
    servers, sentinels = servers - servers_before, sentinels - sentinels_before
    assert.is_true(servers < 60, servers .. " connections to servers")
    assert.is_true(sentinels < 400, sentinels .. " connections to sentinels")
  end

  it("is served by the new master when the old one is killed", function()
    start()
    loop.run(function()
      local redis = loop.connect { url = service.url }
      assert.equal(address_of(service.master), redis:address())
      local _, sentinels = service:connections()
      local publisher = fail_over(redis, function(master) master:kill() end)
      assert.matches("possibly executed", publisher.message)
      assert_no_storm(0, sentinels)
      -- Until the sentinels make a replica of it, the old one says that it is a master.
      service.master:start()
      local reconnects = redis:stats().reconnects
      loop.kill(service.replica, "normal")
      loop.wait_until(function() return redis:stats().reconnects > reconnects end)
      assert.equal("OK", redis:set("where", "new"))
      assert.equal("new", service.replica:call("GET", "where"))
    end, RUN_SECONDS)
  end)

  it("is served by the new master when the old one is only silent", function()
    start()
    loop.run(function()
      local redis = loop.connect { url = service.url }
      local _, sentinels = service:connections()
      local blocked = moonpool.spawn(function() return redis:blpop("list", 0) end)
      loop.wait_until(function()
        return service.master:call("CLIENT", "LIST"):find("cmd=blpop", 1, true)
      end)
      fail_over(redis, function(master) master:pause() end)
      assert_no_storm(0, sentinels)
      local _, message, code = blocked:await()
      assert.equal("ECONN", code)
      assert.matches("the master of mymaster is now " .. address_of(service.replica) ..
        "; the command was possibly executed", message)
      assert.equal(1, redis:rpush("list", "a"))
      assert.same({ "list", "a" }, redis:blpop("list", 0))
      service.master:resume()
      assert.equal("OK", redis:set("where", "new"))
      assert.equal("new", service.replica:call("GET", "where"))
      assert.equal(address_of(service.replica), redis:address())
    end, RUN_SECONDS)
  end)

  it("is found although a sentinel that was away names the old master", function()
    start()
    loop.run(function()
      local redis = loop.connect { url = service.url, heartbeat = 1 }
      local away = service.sentinels[1]
      away:pause()
      service.master:pause()
      loop.wait_until(function() return is_on(redis, service.replica) end, HANG_SECONDS)
      service.master:resume()
      away:resume()
      for _ = 1, 10 do
        loop.kill(service.replica, "normal")
        loop.wait_until(function() return redis:set("where", "new") == "OK" end)
        assert.equal("new", service.replica:call("GET", "where"))
      end
    end, RUN_SECONDS)
  end)

  it("is moved by hand", function()
    start()
    loop.run(function()
      local redis = loop.connect { url = service.url }
      assert.equal("OK", service.sentinels[2]:call("SENTINEL", "FAILOVER", service.name))
      loop.wait_until(function() return is_on(redis, service.replica) end, HANG_SECONDS)
      assert.equal("OK", redis:set("where", "new"))
    end, RUN_SECONDS)
  end)

  it("has a password, its sentinels another one", function()
    start { password = "of-servers", sentinel_password = "of-sentinels" }
    local url = service.url:gsub("//", "//:of-servers@")
    local function refused(options, code, ...)
      local redis, message, got = moonpool.connect(options)
      assert.is_nil(redis)
      assert.equal(code, got)
      for _, pattern in ipairs { ... } do assert.matches(pattern, message) end
      assert.is_nil(message:find("of-", 1, true))
    end
    loop.run(function()
      local redis = loop.connect(url .. "?sentinel_password=of%2dsentinels")
      assert.equal("OK", redis:set("a", 1))
      redis = loop.connect { url = url, sentinel_password = "of-sentinels" }
      assert.equal("1", redis:get "a")
      refused(url, "EAUTH",
        "^sentinel service mymaster: no sentinel answers: 127.0.0.1:%d+: NOAUTH")
      refused({ url = url, sentinel_password = "of-servers" }, "EAUTH",
        "^sentinel service mymaster: no sentinel answers: 127.0.0.1:%d+: WRONGPASS")
      refused({ url = service.url, sentinel_password = "of-sentinels" }, "EAUTH",
        "^" .. address_of(service.master) .. ": NOAUTH")
    end)
  end)

  if moonpool.features.tls then
    it("is all of TLS", function()
      local pem = certificates.make()
      start { tls = pem }
      loop.run(function()
        local redis, message, code = moonpool.connect(service.url)
        assert.is_nil(redis)
        assert.equal("EAUTH", code)
        assert.matches("^sentinel service mymaster: no sentinel answers: .*certificate", message)
        redis = loop.connect { url = service.url, tls_ca_file = pem.ca }
        assert.equal("OK", service.sentinels[2]:call("SENTINEL", "FAILOVER", service.name))
        loop.wait_until(function() return is_on(redis, service.replica) end, HANG_SECONDS)
        assert.equal("OK", redis:set("where", "new"))
      end, RUN_SECONDS)
    end)
  end

  it("that cannot be found says why", function()
    start()
    local function refused(url, ...)
      local redis, message, code = moonpool.connect(url)
      assert.is_nil(redis)
      assert.equal("ECONN", code)
      for _, pattern in ipairs { ... } do assert.matches(pattern, message) end
    end
    loop.run(function()
      refused(service.url:gsub("mymaster", "another"),
        "^sentinel service another: its sentinels do not know it: ",
        "127.0.0.1:%d+: no such master;")
      refused(("redis+sentinel://%s/mymaster"):format(address_of(service.master)),
        "no sentinel answers: 127.0.0.1:%d+: ERR unknown command ['`]SENTINEL")
      service.sentinels[1]:kill()
      service.sentinels[2]:kill()
      local redis = loop.connect(service.url)
      assert.equal(address_of(service.master), redis:address())
      service.sentinels[3]:kill()
      refused(service.url, "^sentinel service mymaster: no sentinel answers: ",
        "connect to " .. address_of(service.sentinels[1]) .. ": connection refused; ")
      assert.equal("PONG", redis:ping())
    end)
  end)
end)
