local loop = require "spec.core.loop"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"

-- The users that docs/rooms.md proposes, as the words of ACL SETUSER.
local function users()
  local list = {}
  for line in scratch.read("docs/rooms.md"):gmatch "ACL (SETUSER [^\n]*)" do
    local words = {}
    for word in line:gmatch "%S+" do words[#words + 1] = word end
    list[#list + 1] = words
  end
  return list
end

describe("the ACL that keeps others from publishing", function()
  local server

  before_each(function()
    server = redis_server.start { port = true }
    for _, words in ipairs(users()) do
      assert(server:call("ACL", table.unpack(words)))
    end
  end)
  after_each(function() server:stop() end)

  local function as(user)
    return loop.connect(("redis://%s:secret@127.0.0.1:%d"):format(user, server.port))
  end

  local function assert_refused(value, message)
    assert.is_nil(value)
    assert.matches("NOPERM", message)
  end

  it("lets moonpool do all that rooms can", function()
    loop.run(function()
      local redis = as "crew"
      for _, kind in ipairs { "stream", "list", "sorted" } do
        local room = assert(redis:room(kind, { history = kind, keep = 10 }))
        local texts, joined, errors = {}, {}, {}
        room:on("error", function(event) errors[#errors + 1] = event.message end)
        room:on("join", function(message) joined[#joined + 1] = message.user end)
        room:on("message", function(message) texts[#texts + 1] = message.text end)
        assert(room:join { user = "ann" })
        assert(room:say "hi")
        local id = assert(room:say("ho", { key = "k" }))
        assert.equal(id, room:say("ho", { key = "k" }))
        loop.wait_for(texts, 2)
        loop.wait_for(joined, 1)
        assert.equal(2, #assert(room:history()))
        assert.equal("ann", room:who()[1].user)
        assert.equal(1, room:count())
        assert(room:delete(id))
        assert(room:configure { keep = 5 })
        assert(room:clear())
        assert(room:typing())
        assert(room:leave())
        assert.equal(kind, redis:rooms(kind):list()[1])
        assert(room:destroy())
        assert.same({}, errors)
      end
      assert_refused(redis:set("elsewhere", 1))
      assert_refused(redis:publish("elsewhere", 1))
    end)
  end)

  it("lets others read along and nothing else", function()
    loop.run(function()
      local crew, guest = as "crew", as "guest"
      local payloads = {}
      local function keep(payload) payloads[#payloads + 1] = payload end
      assert(guest:subscribe("room:chatty", keep))
      assert(guest:psubscribe("room:*", keep))
      assert(crew:room("chatty"):say("hi", { user = "ann" }))
      loop.wait_for(payloads, 2)
      assert.equal(1, #assert(guest:xrange("{room:chatty}:log", "-", "+")))
      assert_refused(guest:publish("room:chatty", "forged"))
      assert_refused(guest:xadd("{room:chatty}:log", "*", "m", "{}"))
      assert_refused(guest:del "{room:chatty}:log")
      assert_refused(guest:eval("return redis.call('PUBLISH', 'room:chatty', 'x')", 0))
      assert_refused(guest:room("chatty"):say("hi", { user = "eve" }))
      assert_refused(guest:xrange("elsewhere", "-", "+"))
    end)
  end)

  it("keeps other programs away from the rooms", function()
    loop.run(function()
      local other = as "other"
      assert(other:set("app:a", 1))
      assert(other:publish("app:a", 1))
      assert_refused(other:publish("room:chatty", "forged"))
      assert_refused(other:subscribe("room:chatty", print))
      assert_refused(other:set("{room:chatty}:head", "1-1-0123456789abcdef"))
      local _, message = other:eval("return redis.call('PUBLISH', 'room:chatty', 'x')", 0)
      assert.matches("can.t publish to the channel", message)
      assert_refused(other:eval("return redis.call('DEL', KEYS[1])", 1, "{room:chatty}:log"))
    end)
  end)

  it("tells who follows and may not what Redis refuses", function()
    loop.run(function()
      local room = as("other"):room "chatty"
      local ok, message, code = room:follow()
      assert.is_nil(ok)
      assert.matches("NOPERM", message)
      assert.equal("EPERM", code)
      assert.is_false(room:stats().following)
      assert.equal("EPERM", (select(3, room:on("message", print))))
      assert.equal("EPERM", (select(3, room:history())))
      assert.equal("EPERM", (select(3, room:join { user = "eve" })))
      assert.has_error(function() room:messages() end)
    end)
  end)
end)
