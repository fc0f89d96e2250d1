local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

describe("following a room", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function with_room(fn, options)
    loop.with_client(server, function(redis)
      fn(assert(redis:room("chatty", options)), redis)
    end)
  end

  local function say(room, from, to)
    local ids = {}
    for number = from, to or from do
      ids[#ids + 1] = assert(room:say(tostring(number), { user = "ann" }))
    end
    return ids
  end

  local function numbers(from, to)
    local list = {}
    for number = from, to do list[#list + 1] = tostring(number) end
    return list
  end

  -- A list that the texts are put into, and what puts them there.
  local function collector()
    local texts = {}
    return texts, function(message) texts[#texts + 1] = message.text end
  end

  it("gets what is said after on has returned", function()
    with_room(function(room)
      local seen = {}
      assert.equal(room, room:on("message", function(message) seen[#seen + 1] = message end))
      local ids = say(room, 1, 3)
      loop.wait_for(seen, 3)
      for number, message in ipairs(seen) do
        assert.same({ ids[number], "chatty", "message", "ann", tostring(number) },
          { message.id, message.room, message.type, message.user, message.text })
      end
    end)
  end)

  it("begins at the last ones, at an id, at a time", function()
    with_room(function(room, redis)
      local ids = say(room, 1, 5)
      moonpool.sleep(0.005)
      say(room, 6)
      local at = room:history({ last = 1 })[1].at
      local function check(start, from)
        local other = redis:room "chatty"
        local texts, collect = collector()
        other:on("message", collect)
        assert.is_true(other:follow(start))
        loop.wait_for(texts, 7 - from)
        assert.same(numbers(from, 6), texts)
        other:leave()
      end
      check({ last = 3 }, 4)
      check({ last = 100 }, 1)
      check({ from = ids[2] }, 3)
      check({ since = at }, 6)
      check({ since = 0 }, 1)
    end)
  end)

  it("keeps messages until there is a handler", function()
    with_room(function(room)
      say(room, 1, 3)
      assert(room:follow { last = 2 })
      say(room, 4)
      moonpool.sleep(0.01)
      local texts, collect = collector()
      room:on("message", collect)
      loop.wait_for(texts, 3)
      say(room, 5)
      loop.wait_for(texts, 4)
      assert.same(numbers(2, 5), texts)
    end)
  end)

  it("keeps gaps among them, until there are handlers", function()
    with_room(function(room, redis)
      local ids = say(room, 1, 10)
      redis:xtrim("{room:chatty}:log", "MAXLEN", 3)
      assert(room:follow { from = ids[2] })
      local seen = {}
      room:on("live", function() seen[#seen + 1] = "live" end)
      room:on("gap", function(gap) seen[#seen + 1] = "gap, " .. gap.reason end)
      room:on("message", function(message) seen[#seen + 1] = message.text end)
      say(room, 11)
      loop.wait_until(function() return seen[#seen] == "11" end)
      if seen[5] == "live" then table.remove(seen, 5) end
      assert.same({ "gap, trimmed", "8", "9", "10", "11" }, seen)
    end)
  end)

  it("tells a gap at once while an iterator waits", function()
    with_room(function(room, redis)
      say(room, 1, 3)
      assert(room:follow())
      local gaps = {}
      room:on("gap", function(gap) gaps[#gaps + 1] = gap end)
      local task = moonpool.spawn(function()
        local next_message, state = room:messages()
        return next_message(state).text
      end)
      redis:flushall()
      loop.wait_for(gaps, 1)
      assert.equal("trimmed", gaps[1].reason)
      assert.is_false(task.is_ended)
      say(room, 4)
      assert.equal("4", task:await())
    end, { check = 0.05, check_grace = 0.02 })
  end)

  it("is an iterator", function()
    with_room(function(room)
      say(room, 1, 3)
      local texts = {}
      local function read()
        for message in room:messages { last = 2 } do
          texts[#texts + 1] = message.text
          if message.text == "5" then room:leave() end
        end
        return "ended"
      end
      local task = moonpool.spawn(read)
      loop.wait_for(texts, 2)
      say(room, 4, 6)
      assert.equal("ended", task:await())
      assert.same(numbers(2, 5), texts)
    end)
  end)

  it("hands an iterator over from one loop to the next", function()
    with_room(function(room)
      say(room, 1, 4)
      local texts = {}
      for message in room:messages { last = 4 } do
        texts[#texts + 1] = message.text
        if #texts == 2 then break end
      end
      for message in room:messages() do
        texts[#texts + 1] = message.text
        if #texts == 4 then break end
      end
      assert.same(numbers(1, 4), texts)
      local ok, reason = pcall(function()
        room:on("message", function() end)
        room:messages()
      end)
      assert.is_false(ok)
      assert.matches("has a handler", reason)
    end)
  end)

  it("tells kinds of messages apart", function()
    with_room(function(room)
      local events = {}
      for _, event in ipairs { "message", "join", "leave", "rename", "typing", "delete", "clear",
        "signal" } do
        room:on(event, function(message)
          events[#events + 1] = event .. " " .. message.type .. " " .. tostring(message.user)
        end)
      end
      local id = assert(room:say("hi", { user = "ann" }))
      assert(room:say({ type = "action", text = "waves" }, { user = "ann" }))
      assert(room:say({ type = "poll" }, { user = "ann" }))
      assert(room:say({ type = "rename", to = "ann_" }, { user = "ann" }))
      assert(room:delete(id, { user = "bob" }))
      assert(room:clear { user = "bob" })
      assert(room:typing { user = "ann" })
      assert(room:signal { type = "wave", user = "ann" })
      server:call("PUBLISH", "room:chatty", "hello")
      loop.wait_for(events, 9)
      assert.same({ "message message ann", "message action ann", "message poll ann",
        "rename rename ann", "delete delete bob", "clear clear bob", "typing typing ann",
        "signal wave ann", "signal message nil" }, events)
    end)
  end)

  it("does not take what others publish for the room's own", function()
    with_room(function(room)
      local texts, collect = collector()
      local signals = {}
      room:on("signal", function(signal) signals[#signals + 1] = signal:json() end)
      room:on("message", collect)
      room:on("gap", function(gap) error("a gap: " .. gap.reason) end)
      local foreign = { "[1,2]", "garbage", "{}", "", "\xFF\0", "null",
        '{"id":"99999999999999-1-0123456789abcdef","prev":"1-1-0123456789abcdef"}',
        '{"\\u0069d":"9-9-0123456789abcdef","prev":"0-0-0000000000000000","m":{"text":"forged"}}',
        '{ "id":"9-9-0123456789abcdef","prev":"0-0-0000000000000000","m":{"text":"forged"}}' }
      for index, payload in ipairs(foreign) do
        server:call("PUBLISH", "room:chatty", payload)
        say(room, index)
      end
      loop.wait_for(texts, #foreign)
      loop.wait_for(signals, #foreign)
      assert.same(numbers(1, #foreign), texts)
      assert.same(foreign, signals)
      for _, frame in ipairs { -- well-formed: they have the history read, and nothing is in it
        '{"id":"1-1-0123456789abcdef","m":{"user":"eve","text":"forged"}}',
        '{"id":"99999999999999-9-0123456789abcdef","prev":"0-0-0000000000000000","m":{}}',
        '{"id":"1-9-0123456789abcdef","prev":"9-9-0123456789abcdef","m":{garbage}}',
      } do
        server:call("PUBLISH", "room:chatty", frame)
      end
      say(room, #foreign + 1)
      loop.wait_for(texts, #foreign + 1)
      assert.same(numbers(1, #foreign + 1), texts)
    end)
  end)

  it("tells a gap where it begins after what is not there", function()
    with_room(function(room)
      local ids = say(room, 1, 3)
      local gaps, texts = {}, {}
      room:on("gap", function(gap) gaps[#gaps + 1] = gap end)
      room:on("message", function(message) texts[#texts + 1] = message.text end)
      local from = ids[1]:gsub("%x$", function(digit) return digit == "0" and "1" or "0" end)
      assert(room:follow { from = from })
      loop.wait_for(gaps, 1)
      assert.same({ "gap", "chatty" }, { gaps[1].event, gaps[1].room })
      assert.matches("^%a+$", gaps[1].reason)
      local ahead = "99999999999999-1-0123456789abcdef"
      assert(room:follow { from = ahead })
      loop.wait_for(gaps, 2)
      assert.is_string(gaps[2].from)
    end)
  end)

  it("refuses a start that is none", function()
    with_room(function(room)
      for _, id in ipairs { "", "5", "1-1", "1-1-g123456789abcdef", "-1-1-0123456789abcdef",
        "1-1-0123456789ABCDEF", ("1"):rep(100) } do
        local ok, message, code = room:follow { from = id }
        assert.is_nil(ok)
        assert.matches("not the id", message)
        assert.equal("EARG", code)
        assert.equal("EARG", (select(3, room:history { before = id })))
        assert.equal("EARG", (select(3, room:delete(id, { user = "ann" }))))
      end
      assert.has_error(function() room:follow { last = 1, from = "1-1-0123456789abcdef" } end)
      assert.has_error(function() room:follow { latest = 1 } end)
      assert.has_error(function() room:follow { last = -1 } end)
      assert.has_error(function() room:on("massage", print) end)
      assert.has_error(function() room:on("message", 5) end)
    end)
  end)

  it("goes on after the link was lost, without a gap", function()
    with_room(function(room)
      local texts, collect = collector()
      local events = {}
      room:on("message", collect)
      room:on("reconnect", function(event) events[#events + 1] = event.event end)
      room:on("gap", function(event) events[#events + 1] = event.event end)
      say(room, 1, 10)
      loop.wait_for(texts, 10)
      loop.kill(server, "pubsub")
      say(room, 11, 20)
      loop.wait_for(texts, 20)
      loop.wait_for(events, 1)
      assert.same(numbers(1, 20), texts)
      assert.same({ "reconnect" }, events)
    end)
  end)

  it("may be done by many handles at once", function()
    with_room(function(room, redis)
      local all = {}
      for index = 1, 20 do
        local texts, collect = collector()
        all[index] = texts
        redis:room("chatty"):on("message", collect)
      end
      say(room, 1, 50)
      for _, texts in ipairs(all) do
        loop.wait_for(texts, 50)
        assert.same(numbers(1, 50), texts)
      end
      assert.equal("1", (server:cli("PUBSUB", "NUMSUB", "room:chatty"):match "(%d+)%s*$"))
    end)
  end)
end)
