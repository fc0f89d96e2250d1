local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local program = require "spec.support.program"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"

describe("a room in trouble", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function with_room(fn, options)
    loop.with_client(server, function(redis)
      fn(assert(redis:room("chatty", options)), redis)
    end)
  end

  local function say(room, from, to)
    for number = from, to or from do assert(room:say(tostring(number), { user = "ann" })) end
  end

  -- Follows: the texts, and the gaps, as they come.
  local function follow(room, start)
    local texts, gaps = {}, {}
    room:on("gap", function(gap) gaps[#gaps + 1] = gap end)
    room:on("message", function(message) texts[#texts + 1] = message.text or message.type end)
    if start then assert(room:follow(start)) end
    return texts, gaps
  end

  it("tells that Redis has lost everything, and goes on", function()
    with_room(function(room)
      local texts, gaps = follow(room)
      say(room, 1, 3)
      loop.wait_for(texts, 3)
      server:call "FLUSHALL"
      loop.wait_for(gaps, 1)
      assert.is_string(gaps[1].from)
      say(room, 4)
      loop.wait_for(texts, 4)
      assert.equal("4", texts[4])
    end, { check = 0.05, check_grace = 0.02 })
  end)

  it("tells that it was destroyed", function()
    with_room(function(room, redis)
      local texts, gaps = follow(room)
      say(room, 1, 2)
      loop.wait_for(texts, 2)
      assert(redis:room("chatty"):destroy())
      loop.wait_for(gaps, 1)
      say(room, 3)
      loop.wait_for(texts, 3)
      assert.same({ "1", "2", "3" }, texts)
    end)
  end)

  it("does not mind SCRIPT FLUSH while it is followed", function()
    with_room(function(room)
      local texts, gaps = follow(room)
      for number = 1, 30 do
        say(room, number)
        server:call("SCRIPT", "FLUSH")
        if number % 10 == 0 then loop.kill(server, "pubsub") end
      end
      loop.wait_for(texts, 30)
      for number, text in ipairs(texts) do assert.equal(tostring(number), text) end
      assert.same({}, gaps)
    end)
  end)

  it("tells of a log that is something else, and goes on once it is gone", function()
    server:call("SET", "{room:chatty}:log", "no stream")
    with_room(function(room)
      local ok, message = room:follow { last = 5 }
      assert.is_nil(ok)
      assert.matches("WRONGTYPE", message)
      assert.is_false(room:stats().following)
      server:call("DEL", "{room:chatty}:log")
      local texts = follow(room, { last = 5 })
      say(room, 1)
      loop.wait_for(texts, 1)
    end)
  end)

  it("hears what is said from now on when it asks for the future", function()
    with_room(function(room)
      say(room, 1, 2)
      local texts, gaps = follow(room, { since = moonpool.time() + 3600 })
      say(room, 3)
      loop.wait_for(texts, 1)
      assert.same({ "3" }, texts)
      assert.same({}, gaps)
    end)
  end)

  for _, kind in ipairs { "list", "sorted" } do
    it("tells what a handler of a " .. kind .. " was too slow for", function()
      with_room(function(room)
        local count, missing, is_held = 0, 0, true
        room:on("gap", function(gap)
          assert(gap.reason == "overflow")
          missing = missing + gap.missing
        end)
        room:on("message", function()
          loop.wait_until(function() return not is_held end)
          count = count + 1
        end)
        say(room, 1, 100)
        loop.wait_until(function() return room:stats().paused end)
        is_held = false
        loop.wait_until(function() return count + missing == 100 end)
        assert.is_true(missing > 0)
      end, { history = kind, max_mailbox = 10 })
    end)

    it("tells what was said while the link was lost, of a " .. kind, function()
      with_room(function(room)
        say(room, 1, 3)
        local texts, gaps = follow(room, { last = 2 })
        loop.wait_for(texts, 2)
        assert.same({ "2", "3" }, texts)
        local number = 3
        repeat -- it may be back before the next one is said
          number = number + 1
          loop.kill(server, "pubsub")
          say(room, number)
          loop.wait_until(function() return #gaps > 0 or texts[#texts] == tostring(number) end)
        until #gaps > 0
        assert.equal("unavailable", gaps[1].reason)
        loop.wait_until(function() return room:stats().live end)
        say(room, number + 1)
        loop.wait_until(function() return texts[#texts] == tostring(number + 1) end)
      end, { history = kind })
    end)
  end

  it("carries a megabyte", function()
    with_room(function(room)
      local texts = follow(room)
      local text = ("0123456789\"\\\n\u{e9}\u{1f600}"):rep(60000)
      assert(#text > 1048576)
      assert(room:say(text, { user = "ann" }))
      loop.wait_for(texts, 1)
      assert.is_true(texts[1] == text)
    end, { max_message = 4 * 1048576 })
  end)

  it("fails what it waits for when the client is closed", function()
    with_room(function(room, redis)
      local results, count = {}, 0
      server:pause()
      for index, fn in ipairs {
        function() return room:say("hi", { user = "ann" }) end,
        function() return room:history() end,
        function() return room:follow() end,
        function() return room:join { user = "ann" } end,
        function() return room:who() end,
        function() return room:count() end,
      } do
        moonpool.spawn(function()
          results[index] = select(3, fn())
          count = count + 1
        end)
      end
      redis:close()
      server:resume()
      loop.wait_until(function() return count == 6 end)
      assert.same({ "ECLOSED", "ECLOSED", "ECLOSED", "ECLOSED", "ECLOSED", "ECLOSED" }, results)
    end)
  end)

  it("does not hold up the program's end", function()
    local source = [[
      local moonpool = require "moonpool"
      local redis = assert(moonpool.connect(os.getenv "URL"))
      local kept = {}
      for index = 1, 5 do
        local room = assert(redis:room("chatty"))
        if index > 1 and index < 5 then room:on("message", function() moonpool.sleep(1000) end) end
        if index > 2 then assert(room:join { user = "ann" }) end
        if index > 3 then assert(room:say "hi") end
        if index == 5 then room:messages { last = 1 } end
        kept[index] = room
      end
      moonpool.spawn(function() redis:room("x"):say("late", { user = "ann" }) end)
      kept[2]:close()
      print "done"
    ]]
    local here = scratch.shell "pwd"
    assert.same({ status = 0, stdout = "done\n", stderr = "" }, program.run {
      program.LUA, scratch.write(scratch.folder() .. "/ends.lua", source), env = {
        LUA_PATH = ("%s/lua/?.lua;%s/lua/?/init.lua;;"):format(here, here),
        LUA_CPATH = package.cpath, URL = server.url,
      } })
  end)
end)
