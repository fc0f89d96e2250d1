local scratch = require "spec.support.scratch"
local testing = require "moonpool.testing"

describe("moonpool.testing", function()
  local folder

  before_each(function() folder = scratch.folder() end)

  local function write(text, name)
    return scratch.write(("%s/%s.lua"):format(folder, name or "script"), text)
  end

  local function bot(text, settings) return testing.bot(write(text), settings) end
  local function policy(text, settings) return testing.policy(write(text), settings) end

  describe("of a bot", function()
    it("gives what it says to a message", function()
      local dice = testing.bot("examples/bots/dice.lua", { seed = 1 })
      assert.matches("^ann rolls 2d6: %d %+ %d = %d+$", dice:says("ann", "!roll 2d6")[1])
      assert.same({}, dice:says("ann", "hello"))
      assert.equal(1, #dice.said)
    end)

    it("is the same with the same seed", function()
      local function rolls(seed)
        local dice = testing.bot("examples/bots/dice.lua", { seed = seed })
        return table.concat(dice:says("ann", "!roll 20d1000"))
      end
      assert.equal(rolls(7), rolls(7))
      assert.not_equal(rolls(7), rolls(8))
    end)

    it("hands over joins, leaves, new names, actions, other bots' messages", function()
      local own = bot [[
        for _, event in ipairs { "publish", "subscribe", "unsubscribe", "rename" } do
          bot:on(event, function(m)
            m:reply(table.concat({ event, m.type, m.user, m.text or m.to or "-", tostring(m.bot),
              m.room }, " "))
          end)
        end
      ]]
      assert.same({ "subscribe join ann - false test" }, own:join "ann")
      assert.same({ "rename rename ann lee false test" }, own:rename("ann", "lee"))
      assert.same({ "publish action lee waves false test" },
        own:says("lee", "waves", { type = "action" }))
      assert.same({ "publish message other hi true test" }, own:says("other", "hi", { bot = true }))
      assert.same({ "publish message lee hi false den" }, own:says("lee", "hi", { room = "den" }))
      assert.same({ "unsubscribe leave lee - false test" }, own:leave "lee")
      assert.same({ "publish message x y false test" },
        own:event("publish", { user = "x", text = "y" }))
    end)

    it("tells of gaps, reconnects, start, stop, and what patterns match", function()
      local own = bot [[
        bot:on("start", function() bot:say("log", "start") end)
        bot:on("stop", function() bot:say("log", "stop") end)
        bot:on("gap", function(gap) bot:say("log", gap.missing .. " " .. gap.reason) end)
        bot:on("reconnect", function() bot:say("log", "again") end)
        bot:on("pattern", "metrics:*", function(payload, channel)
          bot:say("log", channel .. "=" .. payload)
        end)
      ]]
      assert.equal("start", own.said[1].text)
      assert.same({ "3 trimmed" }, own:event("gap", { missing = 3, reason = "trimmed" }))
      assert.same({ "again" }, own:event "reconnect")
      assert.same({ "metrics:load=0.5" }, own:publish("metrics:load", "0.5"))
      assert.same({}, own:publish("other", "0.5"))
      assert.same({ "stop" }, own:event "stop")
      assert.has_error(function() own:event "flood" end, 'testing: there is no event "flood"')
    end)

    it("does not hand it what it has said itself, but what others have", function()
      local own = bot 'bot:on("publish", function(m) m:reply(m.text .. "!") end)'
      assert.same({ "a!" }, own:says("ann", "a"))
    end)

    it("tells all about what was said", function()
      local own = bot('bot:command("x", function(m) bot:say("den", "y", { key = "k" }) end)',
        { time = 1000 })
      own:advance(2.5)
      own:says("ann", "!x")
      own:says("ann", "!x")
      assert.same({ bot = "script", room = "den", text = "y", type = "message", key = "k",
        at = 1002.5, id = "1002500-1-0000000000000001" }, own.said[1])
      assert.equal(1, #own.said) -- said once, by its key
    end)

    describe("whose clock stands still until it is moved", function()
      it("fires timers in order, each at its time", function()
        local own = bot [[
          local function note(name)
            return function() bot:say("log", ("%s %g"):format(name, bot.time() - 1767225600)) end
          end
          bot:every(10, note "every")
          bot:after(15, note "after")
          bot:at(bot.time() + 25, note "at")
          bot:on("publish", function(m) m:reply(("%g"):format(bot.now())) end)
        ]]
        assert.same({ "0" }, own:says("ann", "now?"))
        assert.same({ "0" }, own:says("ann", "now?"))
        assert.same({}, own:advance(9.999))
        assert.same({ "every 10", "after 15", "every 20", "at 25", "every 30" }, own:advance(21))
        assert.same({ "30.999" }, own:says("ann", "now?"))
      end)

      it("does not fire what was closed", function()
        local own = bot [[
          local timer = bot:every(1, function() bot:say("log", "tick") end)
          bot:command("stop", function() timer.close() end)
        ]]
        assert.same({ "tick", "tick" }, own:advance(2))
        own:says("ann", "!stop")
        assert.same({}, own:advance(10))
      end)

      it("wakes who sleeps; what happens in the room meanwhile waits, as in a host", function()
        local own = bot [[
          bot:on("publish", function(m)
            if m.text == "slow" then bot.sleep(5) end
            m:reply(m.text)
          end)
        ]]
        assert.same({}, own:says("ann", "slow"))
        assert.same({}, own:says("ann", "next"))
        assert.same({ "elsewhere" }, own:says("ann", "elsewhere", { room = "den" }))
        assert.same({}, own:advance(4))
        assert.same({ "slow", "next" }, own:advance(1))
      end)

      it("hands over all that has waited, however much", function()
        local own = bot [[
          bot:on("publish", function(m)
            if m.text == "0" then bot.sleep(1) end
            m:reply(m.text)
          end)
        ]]
        for index = 0, 1000 do assert.same({}, own:says("ann", tostring(index))) end
        local texts = own:advance(1)
        assert.same({ 1001, "0", "1000" }, { #texts, texts[1], texts[1001] })
      end)

      it("lets a day pass at once", function()
        local own = bot [[
          local count = 0
          bot:every(1, function() count = count + 1 end)
          bot:command("count", function(m) m:reply(tostring(count)) end)
        ]]
        own:advance(20000)
        assert.same({ "20000" }, own:says("ann", "!count"))
      end)
    end)

    describe("which keeps something in stores", function()
      local COUNTER = [[
        bot:command("count", function(m)
          bot.store.count = (bot.store.count or 0) + 1
          local here = m:store()
          here.names = here.names or {}
          table.insert(here.names, m.user)
          m:reply(("%d %s"):format(bot.store.count, table.concat(here.names, "+")))
        end)
      ]]

      it("begins with what the test says, and shows what is there", function()
        local own = bot(COUNTER, { store = { count = 41 },
          room_stores = { den = { names = { "bob" } } } })
        assert.same({ "42 ann" }, own:says("ann", "!count"))
        assert.same({ "43 bob+ann" }, own:says("ann", "!count", { room = "den" }))
        assert.same({ count = 43 }, own:stored())
        assert.same({ names = { "ann" } }, own:stored "test")
        assert.same({ names = { "bob", "ann" } }, own:stored "den")
      end)

      it("finds it again after a restart, and nothing else", function()
        local own = bot(COUNTER .. 'bot:on("stop", function() bot:say("log", "bye") end)\n'
          .. 'bot:on("start", function() bot:say("log", tostring(bot.store.count)) end)\n'
          .. 'bot:every(1, function() bot:say("log", "tick") end)')
        own:says("ann", "!count")
        assert.same({ "bye", "1" }, own:restart())
        assert.same({ "tick" }, own:advance(1))
        assert.same({ "2 ann+ann" }, own:says("ann", "!count"))
      end)
    end)

    it("hands its state to the next version, which takes its place", function()
      local own = bot [[
        bot.state.count = 5
        bot:every(1, function() bot:say("log", "old") end)
        bot:command("sleep", function(m) bot.sleep(1) m:reply "awake" end)
      ]]
      own:says("ann", "!sleep")
      assert.same({ "took 5" }, own:reload(write([[
        bot:on("upgrade", function(state) bot:say("log", "took " .. state.count) end)
        bot:on("start", function() bot:say("log", "start") end)
        bot:every(1, function() bot:say("log", "new") end)
      ]], "next")))
      assert.same({ "new" }, own:advance(1))
      local ok, problem = pcall(own.reload, own, write("(", "broken"))
      assert.is_false(ok)
      assert.matches("broken.lua:1: unexpected symbol", problem)
      assert.same({ "new" }, own:advance(1))
    end)

    it("answers what it asks of its room", function()
      local own = bot [[
        bot:command("ask", function(m)
          local texts = {}
          for _, old in ipairs(bot:history(m.room, { last = 3 })) do
            texts[#texts + 1] = old.text
          end
          local users = {}
          for _, member in ipairs(bot:who(m.room)) do users[#users + 1] = member.user end
          m:reply(("%s; %s; %d"):format(table.concat(texts, " "), table.concat(users, " "),
            bot:count(m.room)))
        end)
        bot:command("delete", function(m)
          bot:delete(m.room, bot:history(m.room, { limit = 1, since = 0 })[1].id)
        end)
        bot:command("bad", function(m)
          m:reply(select(3, bot:say("b{c}", "x")))
          m:reply(select(3, bot:history(m.room, { after = "x" })))
        end)
      ]]
      own:join "zoe"
      own:join "ann"
      own:leave "zoe"
      own:says("ann", "one")
      own:says("ann", "two")
      assert.same({ "one two !ask; ann; 1" }, own:says("ann", "!ask"))
      own:says("ann", "!delete")
      assert.same({ "EARG", "EARG" }, own:says("ann", "!bad"))
      local texts = {}
      for _, message in ipairs(own.world:room("test"):history { limit = 2, since = 0 }) do
        texts[#texts + 1] = message.text
      end
      assert.same({ "two", "!ask" }, texts)
    end)

    it("finds modules beside it, and logs", function()
      write("return { word = 'beside' }", "words")
      local own = bot [[
        local words = require "words"
        print(words.word, 1)
        bot:on("publish", function() bot.log("heard", 2) end)
      ]]
      own:says("ann", "x")
      assert.same({ { level = "info", text = "beside\t1" }, { level = "info", text = "heard 2" } },
        own.logs)
    end)

    it("is in a room that it wants to be in", function()
      for rooms, room in pairs { ['"games"'] = "games", ['"room:help-*"'] = "help-test" } do
        local own = bot(("bot.rooms = { %s }\n"):format(rooms)
          .. 'bot:on("publish", function(m) m:reply(m.room) end)')
        assert.same({ room }, own:says("ann", "x"))
        assert.same({}, own:says("ann", "x", { room = "elsewhere" }))
      end
      local own = bot('bot:on("publish", function(m) m:reply(m.room) end)',
        { rooms = { "a", "b" } })
      assert.same({ "a" }, own:says("ann", "x"))
      assert.same({ "b" }, own:says("ann", "x", { room = "b" }))
    end)

    it("is judged by policies, if there are any", function()
      write([[
        policy:on("publish", function(request)
          if request.text:find "bad" then return policy.reject "mind your words" end
          return policy.rewrite(request.text:upper())
        end)
      ]], "loud")
      local own = bot([[
        bot:on("publish", function(m)
          local _, why, code = m:reply(m.text == "SAY" and "bad word" or "got " .. m.text)
          bot.log(why, code)
        end)
      ]], { policies = { folder .. "/loud.lua" } })
      assert.same({ "GOT HELLO" }, own:says("ann", "hello"))
      assert.same({}, own:says("ann", "bad"))
      assert.same({}, own:says("ann", "say"))
      assert.equal("mind your words EREJECTED", own.logs[2].text)
      assert.same({ "rewritten", "rewritten", "rejected", "rewritten", "rejected" }, (function()
        local list = {}
        for index, verdict in ipairs(own.verdicts) do list[index] = verdict.verdict end
        return list
      end)())
      assert.same({ policy = "loud", verdict = "rejected", reason = "mind your words",
        user = "script", room = "test" }, own.verdicts[5])
    end)

    describe("that fails", function()
      local FAILS = [[
        bot:command("fail", function() local x = nil; return x.y end)
        bot:command("ok", function(m) m:reply "fine" end)
      ]]

      it("raises it where the test is, with the traceback", function()
        local own = bot(FAILS)
        local ok, problem = pcall(own.says, own, "ann", "!fail")
        assert.is_false(ok)
        assert.matches("script.lua:1: attempt to index a nil value %(local 'x'%)\nstack traceback",
          problem)
        assert.same({ "fine" }, own:says("ann", "!ok"))
        assert.equal(1, #own.errors)
      end)

      it("keeps it for the test that asks for it", function()
        local own = bot(FAILS, { keeps_errors = true })
        assert.same({}, own:says("ann", "!fail"))
        assert.matches("attempt to index a nil value", own.errors[1])
      end)

      it("is stopped when it goes over its budget", function()
        local own = bot('bot:command("loop", function()\n while true do end end)',
          { keeps_errors = true, budget = 0.01 })
        own:says("ann", "!loop")
        assert.matches("script.lua:2: over its budget of CPU", own.errors[1])
        assert.same({}, own:says("ann", "!loop"))
        own:advance(1)
        assert.equal(1, #own.errors)
      end)

      it("to load is told with its line", function()
        local path = write "bot.name = 5"
        assert.has_error(function() testing.bot(path) end)
        local ok, problem = pcall(testing.bot, write "\n(")
        assert.is_false(ok)
        assert.matches("script.lua:2: unexpected symbol", problem)
      end)

      it("does not answer another bot without end", function()
        write('bot:on("publish", function(m) m:reply "ping" end)', "one")
        local own = bot 'bot:on("publish", function(m) m:reply "pong" end)'
        local other = require("moonpool.host.config").merge(nil,
          { files = { folder .. "/one.lua" } })
        other.bots[1].seed = 1
        own.world:start(assert(own.world:add(other.bots[1])))
        local ok, problem = pcall(own.says, own, "ann", "go")
        assert.is_false(ok)
        assert.matches("more than 10000 messages at once: do bots answer each other without end%?",
          problem)
      end)
    end)

    it("takes only what it knows", function()
      local path = write ""
      local function problem_of(...) return select(2, pcall(testing.bot, ...)) end
      assert.equal("testing.bot[1].optoins: unknown; did you mean options?",
        problem_of(path, { optoins = {} }))
      assert.matches("testing: seed: a number is needed, not string",
        problem_of(path, { seed = "1" }))
      assert.matches("No such file", problem_of(folder .. "/none.lua"))
      assert.matches("one script is needed", (function()
        write("", "other")
        return problem_of(folder)
      end)())
    end)
  end)

  describe("of a policy", function()
    it("gives its verdict", function()
      local own = policy [[
        policy:on("publish", function(request)
          if request.text == "bad" then return policy.reject("no " .. request.user) end
          if request.text == "loud" then return policy.rewrite "quiet" end
        end)
        policy:on("subscribe", function(request)
          if request.user == "eve" then return policy.reject "not you" end
        end)
        policy:on("pattern", "metrics:*", function(request)
          return policy.reject(request.channel)
        end)
      ]]
      assert.equal("allow", own:publish { user = "ann", text = "fine" })
      assert.same({ "reject", "no ann" }, { own:publish { user = "ann", text = "bad" } })
      assert.same({ "rewrite", "quiet" }, { own:publish "loud" })
      assert.same({ "reject", "not you" }, { own:join { user = "eve" } })
      assert.equal("allow", own:join "ann")
      assert.same({ "reject", "metrics:load" }, { own:pattern("metrics:load", "1") })
    end)

    it("takes one of the library by name, with its options, on the test's clock", function()
      local own = testing.policy("rate_limit", { messages = 2, seconds = 10 })
      assert.equal("allow", own:publish "1")
      assert.equal("allow", own:publish "2")
      assert.equal("reject", (own:publish "3"))
      own:advance(5)
      assert.equal("allow", own:publish "4")
      assert.equal("reject", (own:publish "5"))
      assert.has_error(function() testing.policy("rate_limt", {}) end)
    end)

    it("keeps something in stores", function()
      local own = policy([[
        policy:on("publish", function(request)
          policy.store.count = (policy.store.count or 0) + 1
          if policy.store.count > 2 then return policy.reject "enough" end
        end)
      ]], { store = { count = 1 } })
      assert.equal("allow", own:publish "a")
      assert.same({ "reject", "enough" }, { own:publish "b" })
      assert.same({ count = 3 }, own:stored())
    end)

    it("raises what it fails of; a host would reject", function()
      local text = 'policy:on("publish", function(request) return request.x.y end)'
      assert.has_error(function() policy(text):publish "a" end)
      local own = policy(text, { keeps_errors = true })
      assert.same({ "reject", "policy script failed" }, { own:publish "a" })
      assert.equal(1, #own.errors)
    end)
  end)

  it("goes through tables in the order of their keys, so that runs are alike", function()
    local own = bot [[
      local t = { "a", "b", [2.5] = 1, z = 1, y = 2, [true] = 3, [false] = 4 }
      bot:command("keys", function(m)
        local keys = {}
        for key in pairs(t) do keys[#keys + 1] = tostring(key) end
        local key
        repeat
          key = next(t, key)
          keys[#keys + 1] = key ~= nil and tostring(key) or nil
        until key == nil
        for name in pairs(setmetatable({}, { __pairs = function() return next, { q = 1 } end })) do
          keys[#keys + 1] = name
        end
        m:reply(table.concat(keys, " "))
        for name in pairs(t) do t[name] = nil end
        m:reply(tostring(next(t)) .. bot.json.encode { b = 1, c = 2, a = 3 })
        m:reply(tostring(pcall(next, {}, "none")) .. tostring(pcall(pairs)))
      end)
    ]]
    assert.same({ "1 2 2.5 y z false true 1 2 2.5 y z false true q",
      'nil{"a":3,"b":1,"c":2}', "falsefalse" }, own:says("ann", "!keys"))
  end)

  it("does what docs/testing.md shows", function()
    local path = scratch.write(folder .. "/shown_spec.lua",
      scratch.read("docs/testing.md"):match "```lua\n(.-)```")
    local output, status = scratch.shell(("lua5.4 /usr/bin/busted %s 2>&1"):format(path))
    assert.equal(0, status, output)
    assert.matches("2 successes", output)
  end)

  it("leaves no isolate behind", function()
    collectgarbage()
    for _ = 1, 300 do testing.bot("examples/bots/dice.lua"):close() end
    collectgarbage()
    local before = collectgarbage "count"
    for _ = 1, 300 do testing.bot("examples/bots/dice.lua"):close() end
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 500)
  end)
end)
