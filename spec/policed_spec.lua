-- Clients with policies of their own: moonpool.connect { policies = … }.
local assert_fails = require "spec.support.assert_fails"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"

describe("a client with policies", function()
  local server, folder

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)
  before_each(function()
    server:call "FLUSHALL"
    folder = scratch.folder()
  end)

  local function connect(policies, options)
    options = options or {}
    options.url, options.policies = server.url, policies
    return loop.connect(options)
  end

  -- fn(room, client) with a client that has these policies, in a room that ann has joined.
  local function with(policies, fn, options)
    loop.run(function()
      local client = connect(policies, options)
      fn(assert(client:room "chatty"), client)
    end)
  end

  local function script(name, text) return scratch.write(folder .. "/" .. name .. ".lua", text) end

  local function last_text(room) return assert(room:history { last = 1 })[1].text end

  it("says what they allow, in the text that they make of it", function()
    with({ "caps", { "length", characters = 30 } }, function(room)
      assert(room:say("hello", { user = "ann" }))
      assert.equal("hello", last_text(room))
      assert(room:say({ text = "HELLO EVERYBODY", mood = "good" }, { user = "ann" }))
      local message = room:history({ last = 1 })[1]
      assert.same({ "hello everybody", "ann", "good" },
        { message.text, message.user, message.mood })
      assert_fails("EREJECTED", "^too long: 31 characters, 30 are allowed$",
        room:say(("x"):rep(31), { user = "ann" }))
      assert.equal("hello everybody", last_text(room))
    end)
  end)

  it("has them see who says what, where and how", function()
    local path = script("see", [[
      policy:on("publish", function(request)
        return policy.reject(("%s %s %s %s %s %s"):format(request.room, request.user, request.text,
          request.type, request.bot, request.via))
      end)]])
    with({ path }, function(room)
      assert_fails("EREJECTED", "^chatty ann hi message false library$",
        room:say("hi", { user = "ann" }))
      assert_fails("EREJECTED", "^chatty bob 7 action true library$",
        room:say { text = 7, type = "action", user = "bob", bot = true })
      assert(room:join { user = "ann" })
      assert_fails("EREJECTED", "^chatty ann hi message false library$", room:say "hi")
      assert_fails("EREJECTED", "^chatty ann x mood false library$",
        room:signal { type = "mood", text = "x" })
      assert(room:leave())
      assert_fails("EARG", "who says it%?", room:say "hi")
    end)
  end)

  it("joins if they let it", function()
    with({ { "members_only", members = { "ann" } } }, function(room)
      assert_fails("EREJECTED", "for members only", room:join { user = "bob" })
      assert.equal(0, room:count())
      assert(room:join { user = "ann" })
      assert.equal(1, room:count())
    end)
  end)

  it("publishes into channels if they let it", function()
    local path = script("quiet", [[
      policy:on("pattern", "metrics:*", function(request)
        if request.text == "no" then return policy.reject("not " .. request.channel) end
        return policy.rewrite "seven"
      end)]])
    with({ path }, function(_, client)
      local heard = {}
      assert(client:subscribe({ "metrics:cpu", "other" }, function(payload, channel)
        heard[#heard + 1] = channel .. " " .. payload
      end))
      assert_fails("EREJECTED", "not metrics:cpu", client:publish("metrics:cpu", "no"))
      assert.equal(1, client:publish("metrics:cpu", 7))
      assert.equal(1, client:publish("other", "no"))
      loop.wait_for(heard, 2)
      assert.same({ "metrics:cpu seven", "other no" }, heard)
    end)
  end)

  it("leaves other clients alone", function()
    with({ { "length", characters = 1 } }, function(_, client)
      local other = loop.connect(server.url)
      assert(other:room("chatty"):say("hello", { user = "ann" }))
      assert.equal(0, other:publish("x", "hello"))
      client:close()
      assert_fails("ECLOSED", "closed", client:publish("x", "y"))
      assert(other:room("chatty"):say("hello", { user = "ann" }))
    end)
  end)

  it("counts with all others", function()
    local limit = { { "rate_limit", messages = 2, seconds = 1000 } }
    with(limit, function(room)
      local other = connect(limit):room "chatty"
      assert(room:say("1", { user = "ann" }))
      assert(other:say("2", { user = "ann" }))
      assert_fails("EREJECTED", "too many messages", room:say("3", { user = "ann" }))
      assert_fails("EREJECTED", "too many messages", other:say("3", { user = "ann" }))
    end)
  end)

  it("soon knows of a user whom another one has muted", function()
    local mute = { { "mute", moderators = { "mod" } } }
    with(mute, function(room)
      local other = connect(mute):room "chatty"
      assert(room:say("hi", { user = "ann" }))
      assert(other:say("!mute ann spam", { user = "mod" }))
      assert_fails("EREJECTED", "you are muted %(spam%)", other:say("hi", { user = "ann" }))
      loop.wait_until(function() return not room:say("hi", { user = "ann" }) end, nil, "the mute")
    end)
  end)

  it("tells of what they refuse and fail of", function()
    local lines = {}
    local function note(level, message, fields)
      lines[#lines + 1] = ("%s %s %s %s %s"):format(level, fields.script, fields.room, fields.user,
        message:match "^[^\n]*")
    end
    local path = script("broken", [[
      policy:on("publish", function(request) if request.text == "boo" then error "oh" end end)]])
    with({ path, { "length", characters = 3 } }, function(room)
      assert_fails("EREJECTED", "^policy broken failed$", room:say("boo", { user = "ann" }))
      assert_fails("EREJECTED", "^too long", room:say("long", { user = "ann" }))
    end, { policy_log = note })
    assert.equal(3, #lines)
    assert.matches("^error broken chatty nil .*broken.lua:1: oh$", lines[1])
    assert.equal("error broken chatty ann policy failed", lines[2])
    assert.equal("info length chatty ann rejected", lines[3])
  end)

  it("has failures reach the error hook when nobody else wants them", function()
    with({ script("broken", 'policy:on("publish", function() error "oh" end)') }, function(room)
      assert_fails("EREJECTED", "failed", room:say("boo", { user = "ann" }))
      loop.wait_until(function()
        return table.concat(loop.take_errors(), "\n"):find("broken.lua:1: oh", 1, true)
      end)
    end)
    loop.take_errors()
  end)

  it("gives a policy so much time", function()
    local path = script("slow", [[
      policy:on("publish", function(request)
        for _ = 1, 1000 do policy:take("x", 1, 1) end
      end)]])
    with({ path }, function(room)
      server:pause()
      assert_fails("EREJECTED", "^policy slow failed$", room:say("hi", { user = "ann" }))
      server:resume()
    end, { policy_timeout = 0.05, policy_log = function() end })
  end)

  it("rejects while a policy that was stopped is set aside", function()
    local path = script("loop", [[
      policy:on("publish", function(request)
        while request.text == "loop" do pcall(error, "no") end
      end)]])
    with({ path }, function(room)
      assert(room:say("hi", { user = "ann" }))
      assert_fails("EREJECTED", "^policy loop failed$", room:say("loop", { user = "ann" }))
      assert_fails("EREJECTED", "^policy loop failed$", room:say("hi", { user = "ann" }))
      loop.wait_until(function() return room:say("hi", { user = "ann" }) end, nil, "its return")
    end, { policy_log = function() end })
  end)

  it("works before the loop runs", function()
    local client = assert(moonpool.connect { url = server.url, policies = { "caps" } })
    local room = client:room "chatty"
    assert(room:say("HELLO EVERYBODY", { user = "ann" }))
    assert.equal("hello everybody", last_text(room))
    client:close()
  end)

  it("is not connected when one of them cannot be loaded", function()
    loop.run(function()
      local function refuses(expected, policies)
        assert_fails("EARG", expected, moonpool.connect { url = server.url, policies = policies })
      end
      refuses("no policy 'rate_limits' in the library, did you mean rate_limit%?",
        { "rate_limits" })
      refuses("missing.lua", { folder .. "/missing.lua" })
      refuses("wrong.lua:2: unexpected symbol", { script("wrong", "\nif then") })
      refuses('slow_mode: unknown option "second"; did you mean "seconds"%?',
        { { "slow_mode", second = 5 } })
      refuses("two scripts are named 'caps'", { "caps", "caps" })
      refuses("a list of paths is needed", "caps")
      assert.equal(0, server:clients "normal")
    end)
  end)

  it("raises for options that are no such", function()
    local function raises(expected, options)
      options.url, options.policies = server.url, {}
      local ok, message = pcall(moonpool.connect, options)
      assert.is_false(ok)
      assert.matches(expected, message)
    end
    raises("policy_timeout", { policy_timeout = 0 })
    raises("policy_log", { policy_log = "x" })
    raises("polices", { polices = {} })
  end)
end)
