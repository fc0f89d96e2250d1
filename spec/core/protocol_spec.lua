local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local peer = require "spec.support.peer"

local SUBSCRIBED = "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"

local function message(payload, channel)
  channel = channel or "a"
  return ("*3\r\n$7\r\nmessage\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n"):format(
    #channel, channel, #payload, payload)
end

-- What no Redis says: name, bytes, and the code. Where it is ETIMEOUT, silence follows.
local BAD = {
  { "an array of 2,147,483,647", "*2147483647\r\n" },
  { "an array of 2,147,483,647 of arrays of as many", ("*2147483647\r\n"):rep(7) },
  { "an array of 16,777,217", "*16777217\r\n" },
  { "an array whose length overflows 64 bits", "*99999999999999999999\r\n" },
  { "an array of negative length", "*-2\r\n" },
  { "an array whose length is no number", "*x\r\n" },
  { "a bulk string of 536,936,449 bytes", "$536936449\r\n" },
  { "a bulk string whose length overflows 64 bits", "$99999999999999999999\r\n" },
  { "a bulk string of negative length", "$-2\r\n" },
  { "a bulk string whose length is no number", "$abc\r\n" },
  { "a bulk string without its CRLF", "$5\r\nhelloXY" },
  { "a bulk string with its CRLF too late", "$3\r\nhello\r\n" },
  { "deep nesting", ("*1\r\n"):rep(1000) .. ":1\r\n" },
  { "nesting without end", ("*1\r\n"):rep(100000) },
  { "an unknown type byte", "@hello\r\n" },
  { "a NUL byte", "\0" },
  { "a status line without end", "+" .. ("x"):rep(200000) },
  { "an integer that is none", ":12a\r\n" },
  { "an integer that overflows", ":99999999999999999999\r\n" },
  { "a header line without end", "$" .. ("1"):rep(200000) },
  { "HTTP", "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n" },
  { "a half of a bulk string, then silence", "$10\r\nhello", "ETIMEOUT" },
  { "a bulk string of 536,870,913 bytes, then silence", "$536870913\r\n", "ETIMEOUT" },
  { "a header's half, then silence", "*1", "ETIMEOUT" },
}

local GOOD = { { serve = "SUBSCRIBE" }, SUBSCRIBED, { serve = true } }

describe("a peer that answers", function()
  local fake

  after_each(function() fake:stop() end)

  -- What is recognised by its bytes needs no short deadline, and gets none: a loaded machine would
  -- meet it elsewhere too.
  local function connect(code)
    local options = { url = fake.url, backoff_min = 0.001, backoff_max = 0.01 }
    if code == "ETIMEOUT" then options.command_timeout, options.heartbeat = 0.6, 0.3 end
    return loop.connect(options)
  end

  local function assert_small(before)
    loop.assert_growth(before, 64 * 1048576)
  end

  for _, case in ipairs(BAD) do
    local name, bytes, code = case[1], case[2], case[3] or "EPROTO"
    local rest = code == "ETIMEOUT" and { silence = true } or { serve = true }

    it(name .. " in the handshake is refused", function()
      fake = peer.start { script = { { read = 1 }, bytes, rest } }
      local before = loop.resident()
      loop.run(function()
        local client, text, failure = moonpool.connect {
          url = fake.url, connect_timeout = code == "ETIMEOUT" and 0.1 or nil }
        assert.is_nil(client)
        assert.equal(code, failure, text)
        assert.is_truthy(text:find("127.0.0.1:" .. fake.port, 1, true), text)
      end)
      assert_small(before)
    end)

    it(name .. " to a command loses the link, and the next one is used", function()
      fake = peer.start { scripts = {
        { { serve = "GET" }, bytes, rest },
        { { serve = true, replies = { GET = "$3\r\nyes\r\n" } } },
      } }
      local before = loop.resident()
      loop.run(function()
        local redis = connect(code)
        local value, text, failure = redis:get "key"
        assert.is_nil(value)
        -- The link's failure, or the command's own deadline, if that comes first.
        assert.is_true(failure == "ECONN" or code == failure, failure .. ": " .. text)
        loop.wait_until(function() return redis:get "key" == "yes" end)
        assert.is_true(fake:connections() >= 2)
        if code == "EPROTO" then assert.equal(1, redis:stats().reconnects) end
      end)
      assert_small(before)
    end)

    it(name .. " among messages loses the link; the subscription goes on", function()
      fake = peer.start { scripts = {
        { { serve = true } }, -- the commands' link
        { { serve = "SUBSCRIBE" }, SUBSCRIBED, message "before", bytes, rest },
        { { serve = "SUBSCRIBE" }, SUBSCRIBED, message "after", { serve = true } },
      } }
      local before = loop.resident()
      loop.run(function()
        local redis, seen = connect(code), {}
        assert(redis:subscribe("a", function(payload) seen[#seen + 1] = payload end, {
          events = { reconnect = function() seen[#seen + 1] = "reconnect" end } }))
        loop.wait_for(seen, 3)
        assert.same({ "before", "reconnect", "after" }, seen)
      end)
      assert_small(before)
    end)
  end

  for name, bytes in pairs {
    ["a reply to nothing"] = ":1\r\n",
    ["a message that is cut short"] = "*2\r\n$7\r\nmessage\r\n$1\r\na\r\n",
    ["a message with a number for its channel"] = "*3\r\n$7\r\nmessage\r\n:1\r\n$1\r\nx\r\n",
    ["a message with nothing for its payload"] = "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$-1\r\n",
    ["an empty array"] = "*0\r\n",
    ["an array of nothing"] = "*-1\r\n",
    ["an unknown word"] = "*3\r\n$5\r\nhello\r\n$1\r\na\r\n:1\r\n",
    ["a confirmation of what was never asked"] = "*3\r\n$9\r\nsubscribe\r\n$1\r\nz\r\n:2\r\n",
    ["a confirmation whose count is no number"] = "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n$1\r\n1\r\n",
    ["an array in an array"] = "*1\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n",
  } do
    it(name .. " on a subscriber's link loses it; the subscription goes on", function()
      fake = peer.start { scripts = {
        { { serve = true } },
        { { serve = "SUBSCRIBE" }, SUBSCRIBED, message "before", bytes, { serve = true } },
        GOOD,
      } }
      loop.run(function()
        local redis, seen = connect(), {}
        assert(redis:subscribe("a", function(payload) seen[#seen + 1] = payload end, {
          events = { reconnect = function() seen[#seen + 1] = "reconnect" end } }))
        loop.wait_for(seen, 2)
        assert.same({ "before", "reconnect" }, seen)
      end)
    end)
  end

  it("too much at once is refused: a reply that nothing was waiting for", function()
    fake = peer.start { scripts = {
      { { serve = "GET" }, "$3\r\none\r\n$3\r\ntwo\r\n", { serve = true } },
      { { serve = true, replies = { GET = "$3\r\nyes\r\n" } } },
    } }
    loop.run(function()
      local redis = connect()
      assert.equal("one", redis:get "key")
      loop.wait_until(function() return redis:get "key" == "yes" end)
      assert.equal(1, redis:stats().reconnects)
    end)
  end)

  it("nothing that is wanted by a channel that nobody has is no harm", function()
    fake = peer.start { scripts = {
      { { serve = true } },
      { { serve = "SUBSCRIBE" }, SUBSCRIBED, message("stray", "other"), message "mine",
        "*3\r\n$11\r\nunsubscribe\r\n$5\r\nother\r\n:1\r\n", message "still", { serve = true } },
    } }
    loop.run(function()
      local redis, seen = connect(), {}
      assert(redis:subscribe("a", function(payload) seen[#seen + 1] = payload end))
      loop.wait_for(seen, 2)
      assert.same({ "mine", "still" }, seen)
      assert.equal(0, redis:stats().reconnects)
    end)
  end)

  it("with an unsubscription that nobody asked for is asked again", function()
    fake = peer.start { scripts = {
      { { serve = true } },
      { { serve = "SUBSCRIBE" }, SUBSCRIBED, "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n",
        { serve = "SUBSCRIBE" }, SUBSCRIBED, message "again", { serve = true } },
    } }
    loop.run(function()
      local redis, seen = connect(), {}
      assert(redis:subscribe("a", function(payload) seen[#seen + 1] = payload end))
      loop.wait_for(seen, 1)
      assert.same({ "again" }, seen)
    end)
  end)

  it("badly for ever is asked again and again, with backoff", function()
    fake = peer.start { scripts = { { { serve = true } }, { { read = 1 }, "@\r\n" } } }
    loop.run(function()
      local redis = connect()
      moonpool.spawn(redis.subscribe, redis, "a", print)
      fake:wait_for(function() return fake:connections() > 0 end)
      loop.wait_until(function() return fake:connections() >= 6 end)
      assert.equal("PONG", redis:ping()) -- the commands' link is not concerned
    end)
  end)

  -- The same bytes, whole and in pieces of one.
  it("in one-byte pieces gives the same events as in one piece", function()
    local stream = {
      "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$4\r\nb\r\nc\r\n:2\r\n",
    }
    for number = 1, 20 do
      stream[#stream + 1] = message(("p%d\r\n$-1\r\n\0"):format(number):rep(number))
      stream[#stream + 1] = message("", "b\r\nc")
    end
    stream = table.concat(stream)
    local function events_of(piece)
      fake = peer.start { scripts = {
        { { serve = true } },
        { { serve = "SUBSCRIBE" }, { send = stream, piece = piece }, { serve = true } },
      } }
      local seen = {}
      loop.run(function()
        local redis = loop.connect(fake.url)
        assert(redis:subscribe({ "a", "b\r\nc" }, function(payload, channel)
          seen[#seen + 1] = channel .. "|" .. payload
        end, { events = { subscribe = function(event)
          seen[#seen + 1] = ("%s %s %d"):format(event.action, event.channel, event.count)
        end } }))
        loop.wait_for(seen, 42)
      end)
      fake:stop()
      return seen
    end
    local whole = events_of(#stream)
    assert.equal("subscribe a 1", whole[1])
    assert.equal("a|p1\r\n$-1\r\n\0", whole[3])
    assert.same(whole, events_of(1))
    assert.same(whole, events_of(7))
  end)
end)
