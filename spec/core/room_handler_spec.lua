local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

describe("a room's handler", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function with_room(fn, options)
    loop.with_client(server, function(redis)
      fn(assert(redis:room("chatty", options)), redis)
    end)
  end

  local function say(room, from, to)
    local tasks = {}
    for number = from, to do
      tasks[#tasks + 1] = moonpool.spawn(function()
        assert(room:say(tostring(number), { user = "ann" }))
      end)
    end
    for _, task in ipairs(tasks) do task:await() end
  end

  local function numbers(from, to)
    local list = {}
    for number = from, to do list[#list + 1] = tostring(number) end
    return list
  end

  it("that awaits gets its messages in order, one at a time", function()
    with_room(function(room, redis)
      local texts, running = {}, 0
      room:on("message", function(message)
        running = running + 1
        assert(running == 1, "two calls at the same time")
        assert(redis:echo(message.text) == message.text)
        if tonumber(message.text) % 10 == 1 then moonpool.sleep(0.001) end
        texts[#texts + 1] = message.text
        running = running - 1
      end)
      room:on("typing", function()
        assert(running == 0, "two calls at the same time")
        texts[#texts + 1] = "typing"
      end)
      say(room, 1, 50)
      assert(room:typing { user = "ann" })
      loop.wait_for(texts, 51)
      local expected = numbers(1, 50)
      expected[51] = "typing"
      assert.same(expected, texts)
    end)
  end)

  it("that fails is told of, and gets the next message", function()
    with_room(function(room, redis)
      local texts = {}
      room:on("message", function(message)
        texts[#texts + 1] = message.text
        if message.text == "2" then error("on purpose", 0) end
      end)
      say(room, 1, 3)
      loop.wait_for(texts, 3)
      assert.same(numbers(1, 3), texts)
      local errors = loop.take_errors()
      assert.equal(1, #errors)
      assert.matches("^on purpose\nstack traceback:", errors[1])
      assert.equal(1, redis:stats().failures)
    end)
  end)

  it("that is too slow for its mailbox misses nothing", function()
    with_room(function(room)
      local texts, gaps, is_held = {}, {}, true
      room:on("gap", function(gap) gaps[#gaps + 1] = gap end)
      room:on("message", function(message)
        loop.wait_until(function() return not is_held end)
        texts[#texts + 1] = message.text
      end)
      say(room, 1, 500)
      loop.wait_until(function() return room:stats().paused end)
      assert.is_true(room:stats().mailbox <= 10)
      is_held = false
      loop.wait_for(texts, 500)
      say(room, 501, 510)
      loop.wait_for(texts, 510)
      assert.same(numbers(1, 510), texts)
      assert.same({}, gaps)
    end, { max_mailbox = 10 })
  end)

  it("that is slow is bounded by bytes as well", function()
    with_room(function(room)
      local texts, is_held = {}, true
      room:on("message", function(message)
        loop.wait_until(function() return not is_held end)
        texts[#texts + 1] = message.text
      end)
      say(room, 1, 200)
      loop.wait_until(function() return room:stats().paused end)
      assert.is_true(room:stats().mailbox < 40)
      is_held = false
      loop.wait_for(texts, 200)
      assert.same(numbers(1, 200), texts)
    end, { max_mailbox_bytes = 1000 })
  end)

  it("that is too slow hears what was trimmed meanwhile", function()
    with_room(function(room)
      local texts, missing, is_held = {}, 0, true
      room:on("gap", function(gap)
        assert(gap.reason == "trimmed")
        missing = missing + gap.missing
      end)
      room:on("message", function(message)
        loop.wait_until(function() return not is_held end)
        texts[#texts + 1] = message.text
      end)
      say(room, 1, 300)
      loop.wait_until(function() return room:stats().paused end)
      server:call("XTRIM", "{room:chatty}:log", "MAXLEN", 50)
      is_held = false
      loop.wait_until(function() return #texts + missing == 300 end)
      assert.is_true(missing > 200)
      assert.equal("300", texts[#texts])
    end, { max_mailbox = 10, keep = 0 })
  end)

  it("may leave and close", function()
    with_room(function(room, redis)
      local texts, is_done = {}, false
      assert(room:join { user = "ann" })
      room:on("message", function(message)
        texts[#texts + 1] = message.text
        assert(room:leave())
        assert(redis:ping())
        is_done = true
      end)
      say(redis:room "chatty", 1, 5)
      loop.wait_until(function() return is_done end)
      assert.same({ "1" }, texts)
      assert.is_false(room:stats().following)
      room:follow { last = 2 } -- "closed", should the handler leave before it has begun
      loop.wait_until(function() return #texts == 2 end)
      loop.wait_until(function() return not room:stats().following end)
      assert.same({ "1", "4" }, texts)

      local other = redis:room "other"
      local count = 0
      other:on("message", function()
        count = count + 1
        other:close()
        moonpool.sleep(0.001)
        is_done = "closed"
      end)
      assert(redis:room("other"):say("x", { user = "ann" }))
      assert(redis:room("other"):say("y", { user = "ann" }))
      loop.wait_until(function() return is_done == "closed" end)
      assert.equal(1, count)
      assert.is_true(other.closed)
    end)
  end)

  it("may follow anew, from where it was", function()
    with_room(function(room)
      local texts, positions = {}, {}
      room:on("message", function(message)
        texts[#texts + 1] = message.text
        positions[message.text] = message.id
        if #texts == 3 then assert(room:follow { from = positions["2"] }) end
      end)
      say(room, 1, 4)
      loop.wait_until(function() return texts[#texts] == "4" end)
      assert.same({ "1", "2", "3", "3", "4" }, texts)
    end)
  end)

  it("can be taken away, and given back", function()
    with_room(function(room)
      local texts = {}
      local function collect(message) texts[#texts + 1] = message.text end
      room:on("message", collect)
      say(room, 1, 1)
      loop.wait_for(texts, 1)
      assert.equal(room, room:on("message", nil))
      say(room, 2, 2)
      loop.wait_until(function() return room:stats().messages == 2 end)
      room:on("message", collect)
      say(room, 3, 3)
      loop.wait_for(texts, 2)
      assert.same({ "1", "3" }, texts)
    end)
  end)

  it("keeps the loop running until the room is left", function()
    local texts = {}
    loop.run(function()
      local redis = loop.connect(server.url)
      moonpool.spawn(function()
        local room = redis:room "chatty"
        room:on("message", function(message)
          texts[#texts + 1] = message.text
          room:leave()
        end)
      end):await() -- subscribed is not yet followed: it awaits where the history ends, too
      assert(redis:room("chatty"):say("hi", { user = "ann" }))
      loop.wait_for(texts, 1)
    end)
    assert.same({ "hi" }, texts)
  end)

  it("ends run when its room is left", function()
    local ended = false
    moonpool.run(function()
      local redis = assert(moonpool.connect(server.url))
      local room = redis:room "chatty"
      room:on("message", function()
        room:leave()
        ended = true
      end)
      assert(room:say("hi", { user = "ann" }))
    end)
    assert.is_true(ended)
  end)

  it("goes on when the program drops its handle", function()
    with_room(function(room, redis)
      local texts = {}
      redis:room("chatty"):on("message", function(message) texts[#texts + 1] = message.text end)
      collectgarbage()
      collectgarbage()
      say(room, 1, 3)
      loop.wait_for(texts, 3)
    end)
  end)

  it("is not held by a room that was dropped and has none", function()
    with_room(function(room, redis)
      local dropped = setmetatable({}, { __mode = "k" })
      for _ = 1, 20 do
        local other = redis:room "chatty"
        assert(other:follow { last = 5 })
        other:on("gap", function() other:close() end)
        dropped[other] = true
      end
      local reader = redis:room "chatty"
      reader:messages()
      dropped[reader] = true
      reader = nil -- luacheck: ignore 311
      local left = redis:room "chatty"
      left:on("message", function() left:close() end)
      left:leave()
      dropped[left] = true
      left = nil -- luacheck: ignore 311
      loop.wait_until(function()
        collectgarbage()
        return next(dropped) == nil
      end)
      assert(room:say("hi", { user = "ann" }))
    end)
  end)

  it("may be waiting when the client is closed", function()
    with_room(function(room, redis)
      local is_in, latch = false, { open = false }
      room:on("message", function()
        is_in = true
        loop.wait_until(function() return latch.open end)
        latch.done = true
      end)
      moonpool.spawn(function() room:say("hi", { user = "ann" }) end)
      loop.wait_until(function() return is_in end)
      redis:close()
      latch.open = true
      loop.wait_until(function() return latch.done end)
    end)
  end)
end)
