-- What scripts keep in Redis, on a real one.
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"
local store = require "moonpool.host.store"

describe("host.store", function()
  local server, client
  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function run(fn)
    moonpool.run(function()
      client = assert(moonpool.connect(server.url))
      fn()
      client:close()
    end)
  end

  it("commits stores and positions, again without harm", function()
    run(function()
      local what = {
        positions = { pool = "5-1-00000000000000aa" }, time = 1.5,
        changes = {
          { room = "pool", key = "a", value = "1" }, { room = false, key = "b", value = '"x"' },
          { room = "pool", key = "gone" },
        },
      }
      for _ = 1, 2 do assert(store.commit(client, "bot", "dice", "main.dice", what)) end
      assert.same({ a = "1" }, store.load(client, "bot", "dice", "pool"))
      assert.same({ b = '"x"' }, store.load(client, "bot", "dice", false))
      assert.equal("5-1-00000000000000aa", store.position(client, "main.dice", "pool"))
      assert.equal(1.5, store.last_alive(client, "main.dice"))
      local seconds = client:ttl "{room:pool}:at:main.dice"
      assert.is_true(seconds > 29 * 86400 and seconds <= 30 * 86400)
      local change = { room = "pool", key = "a" }
      assert(store.commit(client, "bot", "dice", "main.dice", { changes = { change } }))
      assert.same({}, store.load(client, "bot", "dice", "pool"))
    end)
  end)

  it("keeps scripts, kinds and followers apart", function()
    run(function()
      local changes = { { room = "pool", key = "a", value = "1" } }
      assert(store.commit(client, "bot", "dice", "one", { changes = changes,
        positions = { pool = "5-1-00000000000000aa" } }))
      assert.same({}, store.load(client, "policy", "dice", "pool"))
      assert.same({}, store.load(client, "bot", "seen", "pool"))
      assert.is_nil(store.position(client, "two", "pool"))
      assert.is_nil(store.last_alive(client, "one"))
    end)
  end)

  it("finds the rooms of a follower, whatever it is called", function()
    run(function()
      for _, follower in ipairs { "a[1]", "a1", "b*", "bc", "c?", "d\\", "d" } do
        local positions = { ["of " .. follower] = "5-1-00000000000000aa" }
        assert(store.commit(client, "bot", "x", follower, { positions = positions }))
      end
      for _, follower in ipairs { "a[1]", "b*", "c?", "d\\", "d" } do
        assert.same({ "of " .. follower }, store.rooms_of(client, follower, "room:*"))
      end
    end)
  end)

  it("says why a commit failed", function()
    run(function()
      client:set("moonpool:store:bot:dice", "a string")
      local changes = { { room = false, key = "a", value = "1" } }
      local ok, message, code = store.commit(client, "bot", "dice", "one", { changes = changes })
      assert.is_nil(ok)
      assert.matches("WRONGTYPE", message)
      assert.equal("EREDIS", code)
    end)
  end)
end)
