local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"

describe("a room's history", function()
  local server

  before_each(function() server = redis_server.start() end)
  after_each(function() server:stop() end)

  local function with_room(options, fn)
    loop.with_client(server, function(redis)
      fn(assert(redis:room("chatty", options)), redis)
    end)
  end

  local function texts_of(messages)
    local texts = {}
    for index, message in ipairs(assert(messages)) do
      texts[index] = message.text or message.type
    end
    return table.concat(texts, " ")
  end

  for _, kind in ipairs { "stream", "list", "sorted" } do
    it("is a " .. kind, function()
      with_room({ history = kind, keep = 8 }, function(room)
        local ids = {}
        for number = 1, 10 do
          ids[number] = assert(room:say(tostring(number), { user = "ann" }))
          moonpool.sleep(0.002)
        end
        local all = assert(room:history())
        assert.equal("3 4 5 6 7 8 9 10", texts_of(all))
        for index, message in ipairs(all) do assert.equal(ids[index + 2], message.id) end
        assert.equal("9 10", texts_of(room:history { last = 2 }))
        assert.equal("9 10", texts_of(room:history { limit = 2 }))
        assert.equal("6 7", texts_of(room:history { before = ids[8], last = 2 }))
        assert.equal("6 7", texts_of(room:history { after = ids[5], limit = 2 }))
        assert.equal("5 6 7", texts_of(room:history { since = all[3].at, till = all[5].at }))
        assert.equal("", texts_of(room:history { since = all[8].at + 1 }))
        assert.equal("", texts_of(room:history { after = ids[10] }))
      end)
    end)
  end

  it("is empty where nothing was said", function()
    with_room(nil, function(room)
      assert.same({}, room:history())
      assert.same({}, room:history { last = 10 })
    end)
  end)

  it("tells a log of another type", function()
    server:call("SET", "{room:chatty}:log", "no stream")
    with_room(nil, function(room)
      local messages, message, code = room:history()
      assert.is_nil(messages)
      assert.matches("WRONGTYPE", message)
      assert.equal("EREDIS", code)
    end)
  end)

  it("loses what is deleted, and all when it is cleared", function()
    with_room(nil, function(room)
      local ids = {}
      for number = 1, 3 do ids[number] = assert(room:say(tostring(number), { user = "ann" })) end
      local told = assert(room:delete(ids[2], { user = "ann" }))
      local messages = room:history()
      assert.equal("1 3 delete", texts_of(messages))
      assert.same({ told, ids[2], "ann" }, { messages[3].id, messages[3].target, messages[3].user })
      assert.equal("EARG", (select(3, room:delete(ids[2], { user = "ann" }))))
      assert(room:clear { user = "bob" })
      assert.equal("clear", texts_of(room:history()))
      assert.is_true(room:destroy())
      assert.same({}, room:history())
      assert.equal(0, server:call("EXISTS", "{room:chatty}:log", "{room:chatty}:config"))
    end)
  end)

  it("can be made shorter", function()
    with_room({ keep = 20 }, function(room, redis)
      for number = 1, 10 do assert(room:say(tostring(number), { user = "ann" })) end
      assert.is_true(room:configure { keep = 3 })
      assert(room:say("11", { user = "ann" }))
      assert.equal("9 10 11", texts_of(room:history()))
      local other = redis:room("chatty", { keep = 20 })
      assert.equal("EARG", (select(3, other:say("x", { user = "ann" }))))
      assert.has_error(function() room:configure { keep = -5 } end)
    end)
  end)
end)
