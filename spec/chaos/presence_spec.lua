local cast = require "spec.chaos.cast"
local chaos = require "spec.chaos.chaos"
local loop = require "spec.core.loop"
local redis_server = require "spec.support.redis"
local wait = require "spec.chaos.wait"

describe("the users of a process that is SIGKILLed", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function users_of(room)
    local names = {}
    for index, member in ipairs(assert(room:who())) do names[index] = member.user end
    table.sort(names)
    return names
  end

  -- Those who are elsewhere, too, stay.
  it("leave, each announced once", function()
    loop.run(function()
      local options = { lease = 4 } -- whom a loaded machine lets wait for a second is not dead
      local client, left = loop.connect(server.url), {}
      local room = assert(client:room(chaos.ROOM, options))
      assert(room:join { user = "watcher" })
      room:on("leave", function(event) left[#left + 1] = event.user end)
      local people = cast.new { url = server.url, room = chaos.ROOM, seed = 1,
        connect = chaos.CONNECT, room_options = options, apart = true }
      local dying = people:add { role = "member", name = "dying", apart = true,
        users = { "ann", "ben", "watcher" } }
      local living = people:add { role = "member", name = "living", apart = true,
        users = { "ben", "cleo" } }
      for _, one in ipairs { dying, living } do
        wait.till(function() return #one:records() > 0 end, "all to have joined")
      end
      assert.same({ "ann", "ben", "cleo", "watcher" }, users_of(room))
      dying.process:signal("KILL")
      dying.process:wait()
      wait.till(function() return #left > 0 end, "a leave")
      assert.same({ "ben", "cleo", "watcher" }, users_of(room))
      people:tell "member"
      wait.till(function() return #left == 3 end, "the others to leave")
      table.sort(left)
      assert.same({ "ann", "ben", "cleo" }, left)
      assert.same({ "watcher" }, users_of(room))
      people:stop()
    end)
  end)
end)
