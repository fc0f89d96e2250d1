local guest_box = require "spec.support.guest_box"
local moonpool = require "moonpool"

-- What load answers for a script that cannot be loaded.
local function problem_of(script, options)
  local ok, problem = pcall(guest_box.bot, script, options)
  assert.is_false(ok)
  return problem
end

describe("guest bot", function()
  after_each(guest_box.close_all)

  describe("description", function()
    it("tells its name, rooms, patterns, events and commands", function()
      local box = guest_box.bot([[
        bot.name = "dice"
        bot.rooms = { "games", "room:help-*" }
        bot:on("subscribe", function() end)
        bot:on("pattern", "metrics:*", function() end)
        bot:command("Roll", { usage = "[NdM]", help = "rolls dice", aliases = { "R" } }, print)
      ]])
      assert.same({
        name = "dice", rooms = { "games", "room:help-*" },
        patterns = { { id = 1, pattern = "metrics:*" } },
        events = { subscribe = true, publish = true, upgrade = true },
        commands = { { name = "roll", usage = "[NdM]", help = "rolls dice" } },
      }, box.description)
    end)

    it("has the file's name and all rooms unless the script sets them", function()
      local box = guest_box.bot("assert(bot.name == 'karma' and bot.options.a == 1)",
        { name = "karma", options = { a = 1 } })
      assert.equal("karma", box.description.name)
      assert.same({ "room:*" }, box.description.rooms)
      assert.same({ upgrade = true }, box.description.events)
    end)

    it("names what is wrong with name and rooms", function()
      assert.equal("bot.name: a name without control characters is needed",
        problem_of 'bot.name = "a\\n"')
      assert.equal("bot.rooms: a list of strings is needed, not string",
        problem_of 'bot.rooms = "pool"')
      assert.equal("bot.rooms[2]: a string is needed, not number",
        problem_of 'bot.rooms = { "pool", 7 }')
    end)
  end)

  describe("loading", function()
    it("answers what failed, with the script's part of the traceback", function()
      assert.equal("script.lua:2: syntax error near 'nonsense'", problem_of "\nthis nonsense")
      local problem = problem_of "local function f()\n  error 'no'\nend\nf()"
      assert.equal("script.lua:2: no\nstack traceback:\n\t[C]: in function 'error'\n" ..
        "\tscript.lua:2: in local 'f'\n\tscript.lua:4: in main chunk", problem)
    end)

    it("tells misuse with the script's line", function()
      for script, wanted in pairs {
        ['bot:on("message", print)'] = 'bot:on: unknown event "message" (here "publish"); there'
          .. " are gap, pattern, publish, reconnect, rename, start, stop, subscribe, unsubscribe,"
          .. " upgrade",
        ['bot:on("nope", print)'] = 'bot:on: unknown event "nope"; there are gap, pattern, publish,'
          .. " reconnect, rename, start, stop, subscribe, unsubscribe, upgrade",
        ['bot:on("publish")'] = "bot:on: function: a function is needed, not nil",
        ['bot:on("publish", print, "x")'] = "bot:on: priority: a number is needed, not string",
        ['bot:on("pattern", print)'] = "bot:on: pattern: a string is needed, not function",
        ['bot:on("pattern", "x")'] = "bot:on: function: a function is needed, not nil",
        ['bot:command("a b", print)'] = 'bot:command: bad name "a b": one word without ! is needed',
        ['bot:command("a", { usage = 1 }, print)'] =
          "bot:command: usage: a string is needed, not number",
        ['bot:command("a", { hlep = "" }, print)'] =
          "bot:command: unknown option hlep; there are aliases, help, usage",
        ['bot:command("a", { aliases = { "a!" } }, print)'] =
          'bot:command: bad name "a!": one word without ! is needed',
        ['bot:command("a", {})'] = "bot:command: function: a function is needed, not table",
        ['bot:every(0, print)'] = "bot:every: seconds: more than 0 is needed, not 0",
        ['bot:every("x", print)'] = "bot:every: seconds: a number is needed, not string",
        ['bot:after(0/0, print)'] = "bot:after: seconds: a number is needed, not -nan",
        ['bot:after(1/0, print)'] = "bot:after: seconds: a number is needed, not inf",
        ['bot:at(1)'] = "bot:at: function: a function is needed, not nil",
        ['bot:say("pool")'] = "bot:say: text: a string is needed, not nil",
        ['bot:say("pool", "x", { kye = "" })'] = "bot:say: unknown option kye; there are key, type",
        ['bot.sleep()'] = "bot.sleep: seconds: a number is needed, not nil",
        ['bot:room_store()'] = "bot:room_store: room: a string is needed, not nil",
        ['bot.room = { "x" }'] = "bot.room cannot be set; what can be is name, rooms, state",
        ['bot.store = {}'] = "bot.store cannot be set; what can be is name, rooms, state",
        ['bot:who("x", { limti = 1 })'] = "bot:who: unknown option limti; there are cursor, limit",
      } do
        local first = problem_of("\n" .. script):match "^[^\n]*"
        assert.equal("script.lua:2: " .. wanted, (first:gsub("not nan", "not -nan")))
      end
    end)

    it("refuses a command twice", function()
      assert.matches("script.lua:2: bot:command: there is a !roll already",
        problem_of 'bot:command("roll", print)\nbot:command("ROLL", print)', 1, true)
      assert.matches("script.lua:2: bot:command: there is a !r already", problem_of(
        'bot:command("roll", { aliases = { "r" } }, print)\nbot:command("R", print)'), 1, true)
    end)

    it("is over when it is over: name and rooms stay", function()
      local box = guest_box.bot [[ bot:command("move", function() bot.rooms = { "x" } end) ]]
      box:say("ann", "!move")
      assert.matches("bot.rooms is read once, when the script has been loaded; set it there",
        box.failures[1], 1, true)
    end)

    it("asks for its store first; a failure is the script's", function()
      assert.same({ false }, guest_box.bot("").loaded)
      assert.equal("bot.store: cannot be read: no link (ECONN)",
        problem_of("", { stores = "broken" }))
    end)
  end)

  describe("events", function()
    it("run by priority, then in order, and can be given up", function()
      local box = guest_box.bot [[
        local function say(text) return function(m) m:reply(text) end end
        bot:on("publish", say "b")
        local remove = bot:on("publish", say "gone")
        bot:on("publish", say "c")
        bot:on("publish", say "a", 5)
        bot:on("publish", say "d", -5)
        remove()
        remove()
      ]]
      box:say("ann", "x")
      assert.same({ "a", "b", "c", "d" }, box:texts())
    end)

    it("are not the bot's own", function()
      local box = guest_box.bot [[
        bot.name = "dice"
        for _, event in ipairs { "publish", "subscribe", "unsubscribe", "rename" } do
          bot:on(event, function(m) bot:say(m.room, event .. " " .. m.user) end)
        end
      ]]
      for _, event in ipairs { "publish", "subscribe", "unsubscribe", "rename" } do
        box:event(event, box:message { user = "dice", text = "x", bot = true })
        box:event(event, box:message { user = "dice", text = "x" })
        box:event(event, box:message { user = "other", text = "x", bot = true })
      end
      assert.same({ "publish dice", "publish other", "subscribe dice", "subscribe other",
        "unsubscribe dice", "unsubscribe other", "rename dice", "rename other" }, box:texts())
    end)

    it("are gap, reconnect, start and stop, too", function()
      local box = guest_box.bot [[
        bot:on("gap", function(event) bot:say("a", event.room .. event.missing) end)
        bot:on("reconnect", function(event) bot:say("a", event.event) end)
        bot:on("start", function() bot:say("a", "start") end)
        bot:on("stop", function() bot:say("a", "stop") end)
      ]]
      box:event "start"
      box:event("gap", { room = "pool", missing = 7 })
      box:event("reconnect", { event = "reconnect" })
      box:event "stop"
      assert.same({ "start", "pool7", "reconnect", "stop" }, box:texts())
    end)

    it("that fail are told; the next function runs", function()
      local box = guest_box.bot [[
        local function inner() local n; return n.x end
        bot:on("publish", function() inner() end)
        bot:on("publish", function() error({}) end)
        bot:on("publish", function(m) m:reply "third" end)
      ]]
      box:say("ann", "x")
      assert.same({ "third" }, box:texts())
      assert.equal(2, #box.failures)
      assert.equal("publish: script.lua:1: attempt to index a nil value (local 'n')\n" ..
        "stack traceback:\n\tscript.lua:1: in upvalue 'inner'\n" ..
        "\tscript.lua:2: in function <script.lua:2>", box.failures[1])
      assert.matches("^publish: [^\n]*table[^\n]*\nstack traceback:", box.failures[2])
    end)

    it("that wait hold up no other", function()
      local box = guest_box.bot [[
        bot:on("publish", function(m)
          if m.text == "wait" then bot.sleep(5) end
          m:reply(m.text)
        end)
      ]]
      local call = box:begin("publish", box:message { user = "ann", text = "wait" })
      box:say("bob", "quick")
      assert.same({ "quick" }, box:texts())
      box:wake(call)
      assert.same({ "wait" }, box:texts())
    end)

    it("wait in coroutines of the script's, too", function()
      local box = guest_box.bot [[
        bot:on("publish", function(m)
          local co = coroutine.wrap(function()
            bot.sleep(1)
            coroutine.yield "slept"
          end)
          m:reply(co())
        end)
      ]]
      box:wake(box:begin("publish", box:message { user = "ann", text = "x" }))
      assert.same({ "slept" }, box:texts())
    end)

    it("a failure with a long text is told in short", function()
      local box = guest_box.bot [[
        bot:on("publish", function() error(("x"):rep(1000000)) end)
      ]]
      box:say("ann", "x")
      assert.is_true(#box.failures[1] < 20000)
      assert.matches("script.lua:1: in function <script.lua:1>$", box.failures[1])
    end)
  end)

  describe("patterns", function()
    it("are called by number, and asked for when they come later", function()
      local box = guest_box.bot [[
        bot:on("pattern", "a:*", function(payload, channel) bot:say("a", channel .. payload) end)
        bot:command("add", function()
          remove = bot:on("pattern", "b:*", function(payload) bot:say("a", payload) end)
        end)
        bot:command("remove", function() remove() remove() end)
      ]]
      assert.same({}, box.patterns)
      box:event("pattern", 1, "7", "a:x")
      box:say("ann", "!add")
      assert.same({ [2] = "b:*" }, box.patterns)
      box:event("pattern", 2, "8", "b:x")
      box:say("ann", "!remove")
      box:event("pattern", 2, "9", "b:x")
      assert.same({}, box.patterns)
      assert.same({ "a:x7", "8" }, box:texts())
    end)

    it("that are refused answer why", function()
      local box = guest_box.bot [[
        bot:command("add", function(m)
          local remove, message, code = bot:on("pattern", "b", print)
          m:reply(("%s %s %s"):format(remove, message, code))
        end)
      ]]
      box.refuses = true
      box:say("ann", "!add")
      assert.same({ "nil refused EPERM" }, box:texts())
    end)
  end)

  describe("saying", function()
    it("passes the room, text and options, and answers what the host does", function()
      local box = guest_box.bot [[
        bot:on("publish", function(m)
          local id = bot:say("room:other", 7, { key = "k", type = "action" })
          m:reply(id)
          bot:say("x", "y")
        end)
      ]]
      box:say("ann", "x")
      assert.same({ "room:other", "7", { key = "k", type = "action" } }, box.said[1])
      assert.same({ "pool", "1-1-0000000000000001", {} }, box.said[2])
    end)

    it("answers a refusal", function()
      local box = guest_box.bot [[
        bot:on("publish", function(m) print(m:reply "x") end)
      ]]
      box.refuses = true
      box:say("ann", "x")
      assert.same({ "info: nil\trefused\tEPERM" }, box.log)
    end)

    it("is for when the script runs", function()
      assert.matches('script.lua:1: bot:say: the script is being loaded; do it in bot:on("start"',
        problem_of 'bot:say("pool", "x")', 1, true)
      assert.matches("script.lua:1: bot:delete: the script is being loaded",
        problem_of 'bot:delete("pool", "1-1")', 1, true)
    end)

    it("asks the host about rooms", function()
      local box = guest_box.bot [[
        bot:on("start", function()
          local history = bot:history("pool", { last = 2 })
          print(history[1].text, bot:count "pool")
          bot:who("pool")
          bot:delete("pool", "1-1")
        end)
      ]]
      box.answer = function(op) return op == "history" and { { text = "hi" } } or 3 end
      box:event "start"
      assert.same({ "info: hi\t3" }, box.log)
      assert.same({ { "history", "pool", { last = 2 } }, { "count", "pool", {} },
        { "who", "pool", {} }, { "delete", "pool", "1-1" } }, box.asked)
    end)

    it("reaches Redis only when that was granted", function()
      assert.matches("field 'redis'", problem_of "bot.redis:get 'x'", 1, true)
      local box = guest_box.bot([[
        bot:on("start", function() bot.redis:get("k") bot.redis:call("SET", "k", 1) end)
        bot:on("stop", function() bot.redis:set("k", {}) end)
      ]], { grants = { redis = true } })
      box:event "start"
      box:event "stop"
      assert.matches("script.lua:2: bot.redis: argument 2: a string or number is needed, not table",
        box.failures[1], 1, true)
      assert.same({ { "redis", "get", "k" }, { "redis", "SET", "k", 1 } }, box.asked)
    end)
  end)

  describe("the log", function()
    it("has what is printed and logged, also where nothing can wait", function()
      local box = guest_box.bot [[
        bot:on("publish", function(m)
          print(m.text, nil, 1.5)
          bot.log("two", "words")
          local text = m.text:gsub("%w", function(letter) print(letter) end)
          print(text)
        end)
      ]]
      box:say("ann", "ab")
      assert.same({ "info: ab\tnil\t1.5", "info: two words", "info: ab", "info: a", "info: b" },
        box.log)
    end)

    it("has long lines cut, and not too many that had to wait", function()
      local box = guest_box.bot [[
        bot:on("publish", function()
          print(("x"):rep(1000000))
          local text = ("x"):rep(150):gsub("x", print)
        end)
      ]]
      box:say("ann", "ab")
      assert.equal(#"info: " + 8192 + #"…", #box.log[1])
      assert.equal(102, #box.log)
      assert.equal("warning: 50 more lines were dropped", box.log[102])
    end)
  end)

  describe("upgrades", function()
    it("carry the state over, and begin the new version as any", function()
      local old = guest_box.bot [[ bot.state.count = 7 bot.state.list = { 1, 2 } ]]
      local state = old:event "state"
      local box = guest_box.bot [[
        bot.state.count, bot.state.polls = 0, {}
        bot:on("start", function() bot:say("a", bot.state.count .. #bot.state.list
          .. type(bot.state.polls)) end)
      ]]
      box:event("upgrade", state)
      assert.same({ "72table" }, box:texts())
    end)

    it("leave out of the state what cannot be handed over, and say so", function()
      local box = guest_box.bot [[
        bot.state = { good = { 1, { a = bot.null } }, f = { { print } }, [true] = 1 }
        bot.state.loop = bot.state
        bot.state.co = coroutine.create(print)
        bot.state.keys = { [print] = 1 }
      ]]
      local state = box:event "state"
      assert.same({ good = { 1, { a = moonpool.null } }, [true] = 1 }, state)
      table.sort(box.failures)
      assert.same({
        "state: bot.state.co is not handed over: it has a thread",
        "state: bot.state.f is not handed over: it has a function",
        "state: bot.state.keys is not handed over: it has a key that is a function",
      }, { box.failures[1], box.failures[2], box.failures[3] })
      assert.matches("^state: bot.state.loop is not handed over: it", box.failures[4])
      box = guest_box.bot "bot.state = 7"
      assert.same({}, box:event "state")
      assert.same({ "state: bot.state is not handed over: it must be a table" }, box.failures)
      box:event("upgrade", { a = 1 })
      assert.same({ a = 1 }, box:event "state")
    end)

    it("give the state to who wants it", function()
      local box = guest_box.bot [[
        bot:on("start", function() bot:say("a", "start") end)
        bot:on("upgrade", function(state) bot:say("a", "was " .. tostring(state.count)) end)
      ]]
      box:event("upgrade", { count = 3 })
      box:event("upgrade", nil)
      assert.same({ "was 3", "was nil" }, box:texts())
    end)
  end)
end)
