local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

describe("all rooms that match", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function with_client(fn) loop.with_client(server, fn) end

  local function say(redis, room, text)
    return assert(redis:room(room):say(text, { user = "ann" }))
  end

  it("are found by their names", function()
    with_client(function(redis)
      assert.same({}, redis:rooms():list())
      for _, name in ipairs { "galley", "gate", "a*b", "axb", "[c]", "\u{e9}" } do
        say(redis, name, "hi")
      end
      assert(redis:room("gate 2", { history = "list" }):say("hi", { user = "ann" }))
      server:call("SET", "{room:no}:log", "x")
      assert.same({ "[c]", "a*b", "axb", "galley", "gate", "gate 2", "\u{e9}" },
        redis:rooms():list())
      assert.same({ "galley", "gate", "gate 2" }, redis:rooms("ga*"):list())
      assert.same({ "galley", "gate", "gate 2" }, redis:rooms("room:ga*"):list())
      assert.same({ "a*b" }, redis:rooms("a\\*b"):list())
      assert.same({ "[c]" }, redis:rooms("\\[c\\]"):list())
      assert.same({ "gate" }, redis:rooms("gate"):list())
      assert.equal("room:ga*", redis:rooms("ga*").pattern)
    end)
  end)

  it("are told of once each, before what is said in them", function()
    with_client(function(redis)
      say(redis, "old", "before")
      local rooms, seen = redis:rooms(), {}
      assert.equal(rooms, rooms:on("message", function(message)
        seen[#seen + 1] = message.room .. ": " .. message.text
      end))
      assert.equal(rooms, rooms:on("room", function(name)
        moonpool.sleep(0.001)
        seen[#seen + 1] = name
      end))
      say(redis, "new", "1")
      say(redis, "old", "2")
      say(redis, "new", "3")
      loop.wait_for(seen, 5)
      assert.same({ "old", "new", "new: 1", "old: 2", "new: 3" }, seen)
      rooms:close()
      assert.is_true(rooms.closed)
      assert.equal("ECLOSED", (select(3, rooms:on("message", print))))
    end)
  end)

  it("are followed without a gap when the link was lost", function()
    with_client(function(redis)
      local rooms, texts, events = redis:rooms "g*", {}, {}
      rooms:on("message", function(message) texts[#texts + 1] = message.room .. message.text end)
      rooms:on("gap", function(event) events[#events + 1] = event.event end)
      for number = 1, 3 do
        say(redis, "g1", tostring(number))
        say(redis, "g2", tostring(number))
        say(redis, "other", tostring(number))
      end
      loop.wait_for(texts, 6)
      loop.kill(server, "pubsub")
      for number = 4, 6 do
        say(redis, "g1", tostring(number))
        say(redis, "g2", tostring(number))
      end
      loop.wait_for(texts, 12)
      table.sort(texts)
      assert.same({ "g11", "g12", "g13", "g14", "g15", "g16", "g21", "g22", "g23", "g24", "g25",
        "g26" }, texts)
      assert.same({}, events)
    end)
  end)

  it("are an iterator, on a client of their own", function()
    loop.run(function()
      local redis = loop.connect(server.url)
      local rooms = assert(moonpool.rooms("g*", server.url))
      local texts = {}
      local task = moonpool.spawn(function()
        for message in rooms:messages() do
          texts[#texts + 1] = message.room .. ": " .. message.text
          if message.text == "bye" then rooms:close() end
        end
        return "ended"
      end)
      loop.wait_until(function() return rooms:stats().following end)
      loop.wait_until(function() return server:clients "pubsub" == 1 end)
      loop.wait_until(function() return server:call("PUBSUB", "NUMPAT") == 1 end)
      say(redis, "g1", "hi")
      say(redis, "g2", "bye")
      assert.equal("ended", task:await())
      assert.same({ "g1: hi", "g2: bye" }, texts)
      loop.wait_until(function() return server:clients "pubsub" == 0 end)
    end)
  end)

  it("cannot be reached where Redis is not, nor be misused", function()
    with_client(function(redis)
      local rooms, message, code = moonpool.rooms("g*", "unix:///nowhere")
      assert.is_nil(rooms)
      assert.is_string(message)
      assert.equal("ECONN", code)
      assert.has_error(function() redis:rooms(5) end)
      assert.has_error(function() redis:rooms("g*", { history = "list" }) end)
      assert.has_error(function() redis:rooms("g*"):on("massage", print) end)
      rooms = redis:rooms "g*"
      redis:close()
      assert.equal("ECLOSED", (select(3, redis:rooms "g*")))
      assert.equal("ECLOSED", (select(3, rooms:on("message", print))))
      assert.equal("ECLOSED", (select(3, rooms:list())))
    end)
  end)

  it("are collected when the program drops them", function()
    with_client(function(redis)
      local dropped = setmetatable({ [redis:rooms()] = true }, { __mode = "k" })
      local reader = redis:rooms()
      reader:messages()
      dropped[reader] = true
      reader = nil -- luacheck: ignore 311
      loop.wait_until(function()
        collectgarbage()
        return next(dropped) == nil
      end)
      loop.wait_until(function() return server:call("PUBSUB", "NUMPAT") == 0 end)
    end)
  end)
end)
