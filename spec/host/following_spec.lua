-- Followers of rooms on a real Redis: positions, new rooms, gaps.
local committed = require "moonpool.host.store"
local discoveries = require "moonpool.host.discovery"
local followings = require "moonpool.host.following"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"
local resumption = require "moonpool.host.resumption"

local SECONDS = 20

describe("a follower", function()
  local server, client, writer, logged
  local log = { write = function(_, _, message) logged[#logged + 1] = message end }

  before_each(function()
    server = redis_server.start()
    logged = {}
  end)
  after_each(function() server:stop() end)

  local function run(fn)
    moonpool.run(function()
      client, writer = assert(moonpool.connect(server.url)), assert(moonpool.connect(server.url))
      local ok, failure = xpcall(fn, debug.traceback)
      client:close()
      writer:close()
      if not ok then error(failure, 0) end
    end)
  end

  local function say(room, text)
    return assert(writer:room(room):say(text, { user = "ann" }))
  end

  local function await(what, condition)
    local deadline = moonpool.now() + SECONDS
    while not condition() do
      assert(moonpool.now() < deadline, "still waiting for " .. what)
      moonpool.sleep(0.005)
    end
  end

  -- A follower that notes "room text" of what is said, and "room kind …" of all else, into `heard`.
  local function new(heard, options)
    options = options or {}
    options.follower, options.log = options.follower or "bot", log
    options.rooms = options.rooms or { "room:*" }
    options.handler = options.handler or function(kind, room, value)
      if kind == "publish" then
        heard[#heard + 1] = ("%s %s"):format(room, value.text)
      elseif kind == "gap" then
        heard[#heard + 1] = ("%s gap %s %s"):format(room, value.reason, value.from or "-")
      else
        heard[#heard + 1] = ("%s %s %s"):format(room, kind, value.user or "-")
      end
    end
    return followings.new(client, options)
  end

  local function start(heard, options)
    local follower = new(heard, options)
    assert(follower:start())
    return follower
  end

  local function commit(follower, time)
    assert(committed.commit(client, "bot", follower.follower, follower.follower, {
      positions = follower:take_positions(), time = time or follower:redis_time(),
    }))
  end

  local function await_heard(heard, last)
    await(last, function() return heard[#heard] == last end)
  end

  local function numbers(room, from, to)
    local list = {}
    for number = from, to do list[#list + 1] = ("%s %d"):format(room, number) end
    return list
  end

  -- While a writer goes on the follower is stopped and started, `times` times.
  local function stop_and_start(rooms, times)
    local heard, said, is_over = {}, 0, false
    local follower = start(heard, { rooms = rooms })
    say("pool", "0")
    local task = moonpool.spawn(function()
      while not is_over do
        said = said + 1
        say("pool", tostring(said))
      end
    end)
    for _ = 1, times do
      local before = #heard
      await("messages", function() return #heard > before + 20 end)
      follower:close()
      commit(follower)
      follower = start(heard, { rooms = rooms })
    end
    is_over = true
    task:await()
    await_heard(heard, "pool " .. said)
    assert.same(numbers("pool", 0, said), heard)
    follower:close()
  end

  it("hears every message once over stops and starts, by name", function()
    run(function() stop_and_start({ "pool" }, 10) end)
  end)

  it("hears every message once over stops and starts, by a pattern", function()
    run(function() stop_and_start({ "room:*" }, 10) end)
  end)

  it("begins at its position, though more is said while Redis is searched for rooms", function()
    run(function()
      local heard = {}
      local follower = start(heard, { rooms = { "pool" } })
      say("pool", "1")
      await_heard(heard, "pool 1")
      commit(follower)
      follower:close()
      say("pool", "2")
      local discovery = discoveries.new(client)
      local list = discovery.list
      function discovery:list(pattern)
        say("pool", "3")
        await("discovery", function() return discovery.known["room:pool"] end)
        moonpool.sleep(0.01)
        return list(self, pattern)
      end
      follower = start(heard, { discovery = discovery })
      await_heard(heard, "pool 3")
      assert.same(numbers("pool", 1, 3), heard)
      follower:close()
    end)
  end)

  it("begins at the end when it runs for the first time", function()
    run(function()
      local heard = {}
      say("pool", "old")
      local discovery = discoveries.new(client)
      local list = discovery.list
      function discovery:list(pattern)
        say("pool", "while Redis is searched")
        return list(self, pattern)
      end
      local follower = start(heard, { discovery = discovery })
      say("pool", "new")
      await_heard(heard, "pool new")
      for _, line in ipairs(heard) do assert.not_equal("pool old", line) end
      follower:close()
    end)
  end)

  it("finds rooms that are made while it runs, from their first message on", function()
    run(function()
      local rooms, each = 50, 20
      local by_room, count, texts = {}, 0, {}
      local follower = start(nil, { handler = function(_, room, message)
        by_room[room] = by_room[room] or {}
        table.insert(by_room[room], message.text)
        count = count + 1
        if count % 7 == 0 then moonpool.sleep(0.001) end
      end })
      for number = 1, each do texts[number] = tostring(number) end
      for number = 1, rooms do
        moonpool.spawn(function()
          for _, text in ipairs(texts) do say("new" .. number, text) end
        end)
      end
      await("all", function() return count >= rooms * each end)
      assert.equal(rooms * each, count)
      for number = 1, rooms do assert.same(texts, by_room["new" .. number]) end
      follower:close()
    end)
  end)

  it("finds rooms that were made while the link was lost", function()
    run(function()
      local heard = {}
      local follower = start(heard)
      server:call("CLIENT", "KILL", "TYPE", "pubsub")
      for number = 1, 3 do say("new", tostring(number)) end
      await_heard(heard, "new 3")
      assert.same(numbers("new", 1, 3), heard)
      follower:close()
    end)
  end)

  it("hears again what it had not committed, and skips nothing", function()
    run(function()
      local heard, again = {}, {}
      local follower = start(heard)
      say("pool", "1")
      await_heard(heard, "pool 1")
      commit(follower)
      for number = 2, 5 do say("pool", tostring(number)) end
      await_heard(heard, "pool 5")
      follower:close()
      say("pool", "6")
      follower = start(again)
      await_heard(again, "pool 6")
      assert.same(numbers("pool", 2, 6), again)
      follower:close()
    end)
  end)

  it("hears all of a room in which it had committed nothing before it died", function()
    run(function()
      local heard, again = {}, {}
      local follower = start(heard)
      say("new", "1")
      await_heard(heard, "new 1")
      follower:take_positions()
      commit(follower)
      follower:close()
      follower = start(again)
      await_heard(again, "new 1")
      follower:close()
    end)
  end)

  it("does not skip what it had not handled when it had only begun", function()
    run(function()
      local heard, again = {}, {}
      say("pool", "old")
      local held = true
      local follower = start(nil, { handler = function()
        while held do moonpool.sleep(0.001) end
      end })
      say("pool", "1")
      commit(follower)
      follower:close()
      held = false
      follower = start(again)
      await_heard(again, "pool 1")
      assert.same({}, heard)
      follower:close()
    end)
  end)

  it("begins no later than what is said in the millisecond in which it was made", function()
    run(function()
      local follower = new {}
      for _, time in ipairs { 1764000000.1239, 1764000000.9996, 1764000000.1235 } do
        follower.since = time
        local from = { tonumber(resumption.at(time):match "^@(.*)"),
          resumption.start_of(follower, "pool").since }
        for _, since in ipairs(from) do -- a feed begins at the nearest millisecond
          assert.is_true(math.floor(since * 1000 + 0.5) <= math.floor(time * 1000), since)
        end
      end
    end)
  end)

  it("begins at the end with a gap after more than catch_up seconds", function()
    run(function()
      local heard = {}
      local follower = start(heard)
      local id = say("pool", "1")
      await_heard(heard, "pool 1")
      commit(follower, follower:redis_time() - 100)
      follower:close()
      say("pool", "2")
      local is_ready, again = false, {}
      follower = new(again, { catch_up = 50 })
      local note = follower.handler
      function follower.handler(...) -- as a bot does, which handles nothing before it has started
        while not is_ready do moonpool.sleep(0.001) end
        note(...)
      end
      assert(follower:start())
      is_ready = true
      say("pool", "3")
      await_heard(again, "pool 3")
      assert.same({ "pool gap stopped " .. id, "pool 3" }, again)
      follower:close()
    end)
  end)

  it("has a position of its own", function()
    run(function()
      local one, two = {}, {}
      local first, second = start(one, { follower = "one" }), start(two, { follower = "two" })
      say("pool", "1")
      await_heard(one, "pool 1")
      await_heard(two, "pool 1")
      commit(first)
      first:close()
      say("pool", "2")
      await_heard(two, "pool 2")
      commit(second)
      second:close()
      say("pool", "3")
      first, second = start(one, { follower = "one" }), start(two, { follower = "two" })
      await_heard(one, "pool 3")
      await_heard(two, "pool 3")
      assert.same(numbers("pool", 1, 3), one)
      assert.same(numbers("pool", 1, 3), two)
      first:close()
      second:close()
    end)
  end)

  it("is told once that a room was destroyed, and goes on with its next life", function()
    run(function()
      local heard = {}
      local follower = start(heard)
      local id = say("pool", "1")
      await_heard(heard, "pool 1")
      assert(writer:room("pool"):destroy())
      say("pool", "2")
      await_heard(heard, "pool 2")
      assert.same({ "pool 1", "pool gap trimmed " .. id, "pool 2" }, heard)
      commit(follower)
      follower:close()
      follower = start(heard)
      say("pool", "3")
      await_heard(heard, "pool 3")
      assert.equal(4, #heard)
      follower:close()
    end)
  end)

  it("goes on after what was cleared while it followed, without a gap", function()
    run(function()
      local heard = {}
      local follower = start(heard)
      say("pool", "1")
      await_heard(heard, "pool 1")
      follower:take_positions()
      local id = assert(writer:room("pool"):clear { user = "ann" })
      local positions
      await("position", function()
        positions = follower:take_positions()
        return positions
      end)
      assert.same({ pool = id }, positions)
      follower:give_back(positions)
      commit(follower)
      follower:close()
      follower = start(heard)
      say("pool", "2")
      await_heard(heard, "pool 2")
      assert.same(numbers("pool", 1, 2), heard)
      follower:close()
    end)
  end)

  it("tells of what was missed in a list, which has no links, and goes on", function()
    run(function()
      local heard = {}
      local list = assert(writer:room("list", { history = "list" }))
      local follower = start(heard)
      local id = assert(list:say("1", { user = "ann" }))
      await_heard(heard, "list 1")
      commit(follower)
      follower:close()
      assert(list:say("2", { user = "ann" }))
      follower = start(heard)
      assert(list:say("3", { user = "ann" }))
      await_heard(heard, "list 3")
      assert.same({ "list 1", "list gap unavailable " .. id, "list 3" }, heard)
      follower:close()
    end)
  end)

  it("hears what is in no history, also of who joins, leaves, is renamed", function()
    run(function()
      local heard = {}
      local follower = start(heard)
      for _, payload in ipairs {
        '{"user":"ann","text":"hi"}', '{"type":"join","user":"bob"}',
        '{"type":"rename","user":"bob","to":"rob"}', '{"type":"leave","user":"rob"}', "plain",
      } do
        writer:publish("room:pool", payload)
      end
      await_heard(heard, "pool plain")
      assert.same({
        "pool hi", "pool subscribe bob", "pool rename bob", "pool unsubscribe rob", "pool plain",
      }, heard)
      local late = {}
      local second = start(late, { follower = "late", discovery = follower.discovery })
      writer:publish("room:pool", "later")
      await_heard(late, "pool later")
      second:close()
      follower:close()
    end)
  end)

  it("follows no more than max_rooms, and says so", function()
    run(function()
      local heard = {}
      for number = 1, 4 do say("room" .. number, "old") end
      local follower = start(heard, { max_rooms = 3 })
      assert.equal(3, #follower:list())
      say("new", "1")
      await("warning", function() return #logged == 2 end)
      for _, message in ipairs(logged) do assert.matches("more than 3 rooms", message) end
      follower:close()
    end)
  end)

  it("loses nothing while its handler waits with a full mailbox", function()
    run(function()
      local heard, held = {}, true
      local follower = start(nil, { queue = 8, handler = function(_, room, message)
        while held do moonpool.sleep(0.001) end
        heard[#heard + 1] = ("%s %s"):format(room, message.text)
      end })
      for number = 1, 100 do say("pool", tostring(number)) end
      held = false
      await_heard(heard, "pool 100")
      assert.same(numbers("pool", 1, 100), heard)
      follower:close()
    end)
  end)

  it("drains: what was published is handled", function()
    run(function()
      local heard = {}
      local follower = start(nil, { handler = function(_, room, message)
        moonpool.sleep(0.001)
        heard[#heard + 1] = ("%s %s"):format(room, message.text)
      end })
      say("pool", "0")
      await("beginning", function() return #heard == 1 end)
      for number = 1, 20 do say("pool", tostring(number)) end
      follower:drain(SECONDS)
      assert.same(numbers("pool", 0, 20), heard)
      follower:close()
    end)
  end)
end)
