local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

describe("a room's members", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function with_room(fn, options)
    loop.with_client(server, function(redis)
      fn(assert(redis:room("chatty", options)), redis)
    end)
  end

  local function names(room)
    local list = {}
    for index, member in ipairs(assert(room:who())) do list[index] = member.user end
    table.sort(list)
    return table.concat(list, " ")
  end

  it("are who has joined and not left", function()
    with_room(function(room, redis)
      assert.equal("", names(room))
      assert.equal(0, room:count())
      assert.is_true(room:join { user = "ann" })
      assert.is_true(room:join { user = "ann" })
      local other = redis:room "chatty"
      assert(other:join { user = "bob" })
      assert(other:join { user = "ann" })
      assert.equal("ann bob", names(room))
      assert.equal(2, room:count())
      for _, member in ipairs(room:who()) do
        assert.equal(member.user == "ann" and 2 or 1, member.places)
        assert.is_true(math.abs(member.since - moonpool.time()) < 60)
      end
      assert.is_true(room:leave())
      assert.equal("ann bob", names(room))
      assert.is_true(other:leave())
      assert.equal("", names(room))
      assert.is_true(other:leave())
    end)
  end)

  it("are those who have asked last", function()
    with_room(function(room, redis)
      local other = redis:room "chatty"
      local tasks = {}
      for index = 1, 5 do
        tasks[index] = moonpool.spawn(function() return other:join { user = "ann" } end)
      end
      tasks[6] = moonpool.spawn(function() return other:join { user = "bob" } end)
      for _, task in ipairs(tasks) do assert.is_true(task:await()) end
      assert.equal("ann bob", names(room))
      assert.same({ 1, 1 }, { room:who()[1].places, room:who()[2].places })
      local join = moonpool.spawn(function() return other:join { user = "cat" } end)
      assert.is_true(other:leave()) -- before Redis has confirmed that
      join:await()
      assert.equal("", names(room))
      assert.is_true(other:join { user = "ann" })
      assert.equal("ann", names(room))
    end)
  end)

  it("are told of", function()
    with_room(function(room, redis)
      local events = {}
      room:on("join", function(event) events[#events + 1] = "join " .. event.user end)
      room:on("leave", function(event) events[#events + 1] = "leave " .. event.user end)
      local other = redis:room "chatty"
      assert(other:join { user = "ann" })
      assert(room:join { user = "ann" })
      assert(other:join { user = 'b"ob' })
      other:close()
      loop.wait_for(events, 3)
      assert.same({ "join ann", 'join b"ob', 'leave b"ob' }, events)
    end)
  end)

  it("come by pages", function()
    with_room(function(room)
      local pipeline = {}
      for number = 1, 300 do
        pipeline[number] = moonpool.spawn(function()
          assert(room:join { user = "user " .. number })
        end)
      end
      for _, task in ipairs(pipeline) do task:await() end
      assert.equal(300, room:count())
      local seen, cursor, count = {}, nil, 0
      repeat
        local page
        page, cursor = room:who { limit = 50, cursor = cursor }
        for _, member in ipairs(page) do
          if not seen[member.user] then count = count + 1 end
          seen[member.user] = true
        end
      until not cursor
      assert.equal(300, count)
      assert.equal(300, #room:who())
    end)
  end)

  it("stay although the program drops their handle", function()
    with_room(function(room, redis)
      assert(redis:room("chatty"):join { user = "ann" })
      collectgarbage()
      collectgarbage()
      assert.equal("ann", names(room))
    end)
  end)

  it("are gone with their client", function()
    with_room(function(room)
      local other = loop.connect(server.url)
      assert(other:room("chatty", { lease = 20 }):join { user = "ann" })
      local left = {}
      room:on("leave", function(event) left[#left + 1] = event.user end)
      assert.equal("ann", names(room))
      other:close()
      loop.wait_for(left, 1)
      assert.same({ "ann" }, left)
      assert.equal("", names(room))
    end, { lease = 0.3 })
  end)
end)
