local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

describe("saying something in a room", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function with_room(name, options, fn)
    loop.with_client(server, function(redis) fn(assert(redis:room(name, options)), redis) end)
  end

  local function bodies(room)
    local list = {}
    for index, message in ipairs(assert(room:history())) do list[index] = message:json() end
    return list
  end

  it("stores it under an id", function()
    with_room("chatty", nil, function(room)
      local first = assert(room:say("hi", { user = "ann" }))
      local second = assert(room:say { user = "ann", text = "there" })
      assert.matches("^%d+%-1%-%x+$", first)
      assert.matches("^%d+%-2%-%x+$", second)
      local messages = assert(room:history())
      assert.same({ first, second }, { messages[1].id, messages[2].id })
      assert.same({ "hi", "there" }, { messages[1].text, messages[2].text })
      assert.is_true(math.abs(messages[1].at - moonpool.time()) < 60)
      assert.equal("chatty", messages[1].room)
    end)
  end)

  it("announces it in the frame of the protocol", function()
    with_room("chatty", nil, function(room, redis)
      local frames = {}
      redis:subscribe("room:chatty", function(payload) frames[#frames + 1] = payload end)
      local id = assert(room:say("hi", { user = "ann" }))
      loop.wait_for(frames, 1)
      assert.equal(('{"id":"%s","prev":"0-0-0000000000000000","m":{"user":"ann","text":"hi"}}')
        :format(id), frames[1])
    end)
  end)

  it("writes all that a message has, always in the same order", function()
    with_room("chatty", nil, function(room)
      assert(room:say { zeta = { b = 1, a = { 2 } }, alpha = true, bot = true, target = "t",
        to = "o", text = 'say "hi"\n', user = "ann", type = "poll" })
      assert(room:say { text = 12, user = "ann", type = "message" })
      assert.same({
        [[{"type":"poll","user":"ann","text":"say \"hi\"\n","to":"o","target":"t","bot":true,]] ..
          [["alpha":true,"zeta":{"a":[2],"b":1}}]],
        '{"user":"ann","text":"12"}',
      }, bodies(room))
      local message = room:history { last = 2 }[1]
      assert.same({ true, { a = { 2 }, b = 1 } }, { message.alpha, message.zeta })
    end)
  end)

  it("replaces what is not UTF-8", function()
    with_room("chatty", nil, function(room)
      assert(room:say("caf\xE9 \xED\xA0\x80", { user = "ann\xFF" }))
      local message = room:history()[1]
      assert.equal("ann\u{FFFD}", message.user)
      assert.equal("caf\u{FFFD} \u{FFFD}\u{FFFD}\u{FFFD}", message.text)
      local _, reason, code = room:say({ text = "", mood = "\xFF" }, { user = "ann" })
      assert.matches("the member 'mood': .*UTF%-8", reason)
      assert.equal("EARG", code)
    end)
  end)

  it("takes effect once for a key", function()
    with_room("chatty", nil, function(room)
      local first = assert(room:say("hi", { user = "ann", key = "k" }))
      assert.equal(first, room:say("hi", { user = "ann", key = "k" }))
      assert.same({ nil, "EARG" }, { room:say("else", { user = "ann", key = "k" }),
        (select(3, room:say("else", { user = "ann", key = "k" }))) })
      assert.not_equal(first, assert(room:say("hi", { user = "bob", key = "k" })))
      assert.equal(2, #room:history())
    end)
  end)

  it("wants a user", function()
    with_room("chatty", nil, function(room)
      local id, message, code = room:say "hi"
      assert.is_nil(id)
      assert.matches("who says it", message)
      assert.equal("EARG", code)
      assert(room:join { user = "ann" })
      assert(room:say "hi")
      assert(room:say("hi", { user = "bob" }))
      assert.same({ '{"user":"ann","text":"hi"}', '{"user":"bob","text":"hi"}' }, bodies(room))
      assert(room:leave())
      assert.equal("EARG", (select(3, room:say "hi")))
    end)
  end)

  it("keeps the order of many that are said at once", function()
    with_room("chatty", nil, function(room)
      local tasks, ids = {}, {}
      for number = 1, 1000 do
        tasks[number] = moonpool.spawn(function()
          ids[number] = assert(room:say(tostring(number), { user = "ann" }))
        end)
      end
      for _, task in ipairs(tasks) do assert(select("#", task:await()) == 0) end
      local messages = assert(room:history { last = 1000 })
      assert.equal(1000, #messages)
      for number, message in ipairs(messages) do
        assert.equal(tostring(number), message.text)
        assert.equal(ids[number], message.id)
      end
    end)
  end)

  it("refuses what is too large before it is sent", function()
    with_room("chatty", nil, function(room)
      local id, message, code = room:say(("x"):rep(1048576), { user = "ann" })
      assert.is_nil(id)
      assert.matches("larger than max_message", message)
      assert.equal("ETOOBIG", code)
      local function assert_refused(reason, ...)
        assert.is_nil((...))
        assert.matches(reason, (select(2, ...)))
        assert.equal("EARG", (select(3, ...)))
      end
      assert_refused("1 to 256 bytes", room:say("hi", { user = ("u"):rep(257) }))
      assert_refused("a key at most 256", room:say("hi", { user = "ann", key = ("k"):rep(257) }))
      assert_refused("1 to 256 bytes", room:join { user = ("u"):rep(257) })
      assert_refused("1 to 256 bytes", room:join { user = "" })
      assert.equal(0, #room:history())
    end)
    with_room("large", { max_message = 3 * 1048576 }, function(room)
      local text = ("0123456789abcde\n"):rep(65536)
      assert(room:say(text, { user = "ann" }))
      assert.is_true(room:history()[1].text == text)
    end)
  end)

  it("is refused where the log is something else", function()
    server:call("SET", "{room:chatty}:log", "no stream")
    with_room("chatty", nil, function(room)
      local id, message, code = room:say("hi", { user = "ann" })
      assert.is_nil(id)
      assert.matches("WRONGTYPE", message)
      assert.equal("EREDIS", code)
      assert.equal("PONG", server:call "PING")
      server:call("DEL", "{room:chatty}:log")
      assert(room:say("hi", { user = "ann" }))
    end)
  end)

  it("does not notice SCRIPT FLUSH", function()
    with_room("chatty", nil, function(room, redis)
      for number = 1, 50 do
        if number % 5 == 0 then server:call("SCRIPT", "FLUSH") end
        assert(room:say(tostring(number), { user = "ann" }))
        if number % 7 == 0 then redis:script("flush") end
        assert.equal(number, #room:history { last = 1000 })
      end
    end)
  end)

  it("tells that the room has another kind of history", function()
    with_room("chatty", { history = "list", keep = 5 }, function(room, redis)
      assert(room:say("hi", { user = "ann" }))
      local other = assert(redis:room("chatty", { history = "sorted" }))
      local id, message, code = other:say("hi", { user = "ann" })
      assert.is_nil(id)
      assert.matches("list", message)
      assert.equal("EARG", code)
      assert(redis:room("chatty"):say("hi", { user = "ann" }))
    end)
  end)

  it("tells what is stored and not replicated", function()
    with_room("chatty", { durability = "replicas:1", replicas_timeout = 0.05 }, function(room)
      local id, message, code, stored = room:say("hi", { user = "ann" })
      assert.is_nil(id)
      assert.equal("EPARTIAL", code)
      assert.matches("stored, not replicated", message)
      assert.equal(room:history()[1].id, stored)
    end)
  end)

  it("fails on what is closed", function()
    with_room("chatty", nil, function(room, redis)
      local other = redis:room "other"
      other:close()
      assert.is_true(other.closed)
      assert.equal("ECLOSED", (select(3, other:say("hi", { user = "ann" }))))
      assert.equal("ECLOSED", (select(3, other:history())))
      assert.equal("ECLOSED", (select(3, other:on("message", print))))
      redis:close()
      assert.equal("ECLOSED", (select(3, room:say("hi", { user = "ann" }))))
      assert.equal("ECLOSED", (select(3, room:join { user = "ann" })))
      assert.equal("ECLOSED", (select(3, room:follow())))
      assert.equal("ECLOSED", (select(3, redis:room "chatty")))
    end)
  end)

  describe("what is misused", function()
    local function assert_raises(pattern, fn, ...)
      local ok, message = pcall(fn, ...)
      assert.is_false(ok)
      assert.matches(pattern, message)
    end

    it("raises", function()
      with_room("chatty", nil, function(room)
        assert_raises("a text or a table is needed, not nil", room.say, room)
        assert_raises("'text' must be a string, not a table", room.say, room, { text = {} })
        assert_raises("'user' must be a string, not a boolean", room.say, room, { user = true })
        assert_raises("cannot have a member 'id'", room.say, room, { id = "1-1-0" }, { user = "a" })
        assert_raises("a number, not a string", room.say, room, { "hi" }, { user = "a" })
        assert_raises("unknown option 'ttl'", room.say, room, "hi", { ttl = 1 })
        assert_raises("unknown option 'ttl'", room.history, room, { ttl = 1 })
        assert_raises("'user' must be a string", room.join, room, {})
      end)
    end)

    it("raises for a room's options", function()
      with_room("chatty", nil, function(_, redis)
        local function assert_refused(pattern, options)
          assert_raises(pattern, redis.room, redis, "chatty", options)
        end
        assert_refused("unknown option 'size'", { size = 1 })
        assert_refused("'history' must be", { history = "set" })
        assert_refused("'durability' must be", { durability = "replicas:0" })
        assert_refused("'keep' must be a whole number", { keep = -1 })
        assert_refused("'keep_for' must be a time", { keep_for = "day" })
        assert_refused("'backlog' must be a string", { backlog = 1 })
        assert_refused("table expected", "stream")
      end)
    end)

    it("is refused for a room's name", function()
      loop.with_client(server, function(redis)
        for _, name in ipairs { "", "room:", "a{b", "a\nb", "a\0b", ("x"):rep(10240), "x\u{9B}" } do
          local room, message, code = redis:room(name)
          assert.is_nil(room)
          assert.matches("^bad room name: ", message)
          assert.equal("EARG", code)
        end
        assert.equal("chatty", redis:room("room:chatty").name)
        assert.is_nil(redis:room("chatty").places)
        assert.is_nil(redis:room("chatty")[1])
        assert.equal("room:chatty", redis:room("chatty").channel)
        assert.equal("EARG", (select(3, redis:room("chatty", { page = 0 }))))
      end)
    end)
  end)
end)
