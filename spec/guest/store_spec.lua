local guest_box = require "spec.support.guest_box"

describe("guest store", function()
  after_each(guest_box.close_all)

  local function run(box, text)
    box:say("ann", "!run " .. text)
    local failure = table.remove(box.failures)
    return failure and failure:match "^command: ([^\n]*)" or nil
  end

  -- A bot that runs the Lua which it is told.
  local function open(options, more)
    return guest_box.bot([[
      bot:command("run", function(message, args)
        message_store = function() return message:store() end
        say = function(...) message:reply(table.concat({ ... }, " ")) end
        assert(load(args.text, "=run"))()
      end)
    ]] .. (more or ""), options)
  end

  it("keeps fields, and tells once what has changed", function()
    local box = open { stores = { [false] = { count = "41", gone = '"x"' } } }
    assert.is_nil(run(box, "bot.store.count = bot.store.count + 1"))
    assert.is_nil(run(box, "bot.store.gone = nil bot.store.new = 'text' bot.store.yes = false"))
    assert.same({ ["own.count"] = "42", ["own.gone"] = "gone", ["own.new"] = '"text"',
      ["own.yes"] = "false" }, box:commit())
    assert.same({}, box:commit())
    assert.is_nil(run(box, "say(bot.store.count, bot.store.new, tostring(bot.store.yes))"))
    assert.same({ "42 text false" }, box:texts())
  end)

  it("tells by what an event returns that something may have changed", function()
    local box = open { stores = { [false] = { list = "[1]", count = "1" } } }
    local function touched(text)
      local is_touched = box:say("ann", "!run " .. text)
      box:commit()
      return is_touched
    end
    assert.is_false(touched "local x = bot.store.count")
    assert.is_true(touched "bot.store.count = 2")
    assert.is_false(touched "local x = 1")
    assert.is_false(touched "bot.store.count = 2")
    assert.is_true(touched "bot.store.list[2] = 2")
  end)

  it("sees changes in tables that it has handed out", function()
    local box = open { stores = { [false] = { list = "[1,2]", other = "{}" } } }
    run(box, "table.insert(bot.store.list, 3)")
    assert.same({ ["own.list"] = "[1,2,3]" }, box:commit())
    run(box, "bot.store.deep = { a = { b = {} } } bot.store.deep.a.b.c = 1")
    assert.same({ ["own.deep"] = '{"a":{"b":{"c":1}}}' }, box:commit())
    run(box, "bot.store.deep.a.b.c = nil")
    assert.same({ ["own.deep"] = '{"a":{"b":{}}}' }, box:commit())
  end)

  it("sees changes in tables that the script has kept", function()
    local box = open(nil, "scores = bot.store.scores or {} bot.store.scores = scores")
    assert.same({ ["own.scores"] = "{}" }, box:commit())
    for count = 1, 3 do
      assert.is_true(box:say("ann", "!run scores.ann = " .. count))
      assert.same({ ["own.scores"] = ('{"ann":%d}'):format(count) }, box:commit())
    end
    assert.same({}, box:commit())
  end)

  it("is gone through in order; what is removed meanwhile is left out", function()
    local box = open { stores = { [false] = { b = "2", a = "1", c = "3", d = "4" } } }
    run(box, [[
      for key, value in pairs(bot.store) do
        say(key, value)
        bot.store.c = nil
        bot.store["e" .. key] = 1
      end
    ]])
    assert.same({ "a 1", "b 2", "d 4" }, box:texts())
  end)

  it("refuses what cannot be kept, and says which", function()
    local box = open()
    for text, wanted in pairs {
      ["bot.store[1] = 2"] = "run:1: bot.store: a key must be a string, not a number",
      ["bot.store.f = print"] = "run:1: bot.store.f: JSON: a function",
      ["bot.store.t = { 1, x = 2 }"] =
        "run:1: bot.store.t: JSON: a table is both a list and an object",
      ["bot.store.t = { [3] = 1 }"] = "run:1: bot.store.t: JSON: a key is a number, not a string",
      ["bot.store.n = 0/0"] = "run:1: bot.store.n: JSON: a number is not finite",
      ["bot.store.big = ('x'):rep(70000)"] = "run:1: bot.store.big: the store would have 70005 " ..
        "bytes; 65536 are the limit (ETOOBIG)",
      ["message_store().f = print"] = "run:1: bot: store of pool.f: JSON: a function",
      ["setmetatable(bot.store, {})"] = "cannot change a protected metatable",
    } do
      assert.equal(wanted, (run(box, text):gsub("(JSON: a function).*", "%1")))
    end
    assert.same({}, box:commit())
  end)

  it("reports at a commit what a table was made into that cannot be kept, once", function()
    local box = open { stores = { [false] = { list = "[1]" } } }
    run(box, "bot.store.list[2] = print")
    assert.same({}, box:commit())
    assert.same({}, box:commit())
    assert.equal(1, #box.failures)
    assert.matches("^commit: bot.store.list: JSON: a function", box.failures[1])
    run(box, "bot.store.list[2] = 2")
    assert.same({ ["own.list"] = "[1,2]" }, box:commit())
    run(box, "bot.store.list[3] = ('x'):rep(70000)")
    assert.same({}, box:commit())
    assert.equal(1, #box.failures)
    assert.matches("bot.store.list: the store would have 70%d* bytes", box.failures[1])
  end)

  it("that is full can be made smaller", function()
    local box = open { stores = { [false] = { big = ('"%s"'):format(("x"):rep(70000)) } } }
    assert.matches("ETOOBIG", run(box, "bot.store.more = 1"), 1, true)
    assert.is_nil(run(box, "bot.store.big = bot.store.big:sub(2)"))
    assert.is_nil(run(box, "bot.store.big = 'small' bot.store.more = 1"))
    assert.same({ ["own.big"] = '"small"', ["own.more"] = "1" }, box:commit())
  end)

  it("names a key whose text is broken", function()
    local box = open { stores = { [false] = { a = "{", b = "1" } } }
    assert.matches("run:1: bot.store.a: what is stored is broken: JSON: ",
      run(box, "local x = bot.store.a"), 1, true)
    assert.is_nil(run(box, "bot.store.a = bot.store.b"))
    assert.same({ ["own.a"] = "1" }, box:commit())
  end)

  it("can be used where nothing can wait", function()
    local box = open()
    assert.is_nil(run(box, [[
      local store, text = message_store(), "a b a"
      text:gsub("%w", function(name)
        bot.store[name] = (bot.store[name] or 0) + 1
        store[name] = bot.store[name]
      end)
    ]]))
    assert.same({ ["own.a"] = "2", ["own.b"] = "1", ["pool.a"] = "2", ["pool.b"] = "1" },
      box:commit())
  end)

  describe("of a room", function()
    it("is read when it is asked for first", function()
      local box = open { stores = { pool = { count = "1" }, deck = { count = "5" } } }
      assert.same({ false }, box.loaded)
      run(box, "message_store().count = message_store().count + 1")
      run(box, "bot:room_store('room:deck').count = bot:room_store('deck').count + 1")
      assert.same({ false, "pool", "deck" }, box.loaded)
      assert.same({ ["pool.count"] = "2", ["deck.count"] = "6" }, box:commit())
    end)

    it("that cannot be read is an error of the script's", function()
      local box = open()
      box.stores = "broken"
      assert.equal("run:1: bot: store of pool: cannot be read: no link (ECONN)",
        run(box, "local x = message_store() return x"):gsub("script.lua:2", "run:1"))
      box.stores = {}
      assert.is_nil(run(box, "message_store().a = 1"))
    end)

    it("sees what a function changes that has waited meanwhile", function()
      local box = guest_box.bot([[
        bot:on("publish", function(message)
          local list = message:store().list
          bot.sleep(1)
          list[#list + 1] = 2
        end)
      ]], { stores = { pool = { list = "[1]" } } })
      local call = box:begin("publish", box:message { user = "ann", text = "x" })
      assert.same({}, box:commit())
      assert.is_true(box:wake(call))
      assert.same({ ["pool.list"] = "[1,2]" }, box:commit())
      assert.same({}, box:commit())
    end)

    it("is let go of when a function waits for longer than a minute", function()
      local box = guest_box.bot([[
        bot:on("publish", function(message)
          local store = message:store()
          local list = store.list
          bot.sleep(100)
          list[#list + 1] = "lost"
          list = store.list
          list[#list + 1] = "kept"
        end)
        bot:on("start", function()
          for room = 1, 120 do bot:room_store("r" .. room).a = 1 end
        end)
      ]], { stores = { pool = { list = "[]" } }, clock = 0 })
      local call = box:begin("publish", box:message { user = "ann", text = "x" })
      box:set_clock(50)
      assert.same({}, box:commit())
      box:event "start" -- so many rooms that the store is not kept in memory
      box:set_clock(100)
      box:commit()
      box:wake(call)
      assert.same({ ["pool.list"] = '["kept"]' }, box:commit())
    end)

    it("stays in memory only while there are not too many", function()
      local box = guest_box.bot [[
        bot:on("publish", function(message)
          local store = message:store()
          if message.text == "first" then first = store end
          store.count = (store.count or 0) + 1
          if message.text == "last" then first.count = first.count + 10 end
        end)
      ]]
      local function say(room, text)
        box:event("publish", box:message { user = "ann", text = text, room = room })
      end
      box:set_clock(1)
      say("room1", "first")
      box:set_clock(2)
      for room = 2, 150 do say("room" .. room, "x") end
      box:commit()
      box:set_clock(100)
      say("room150", "x") -- 100 of them are in memory after the next commit
      box:commit()
      local before = #box.loaded
      say("room1", "last")
      assert.equal(before + 1, #box.loaded)
      assert.same({ ["room1.count"] = "12" }, box:commit())
      say("room150", "x")
      assert.equal(before + 1, #box.loaded)
    end)

    it("keeps its own place when the script has it while it is not in memory", function()
      local box = guest_box.bot [[
        bot:command("keep", function() kept = bot:room_store("r1") kept.a = 1 end)
        bot:command("fill", function()
          for room = 2, 150 do bot:room_store("r" .. room).a = 1 end
        end)
        bot:command("use", function() kept.a = kept.a + 1 bot:room_store("r1").b = kept.a end)
      ]]
      box:set_clock(1)
      box:say("ann", "!keep")
      box:say("ann", "!fill")
      box:commit()
      box:set_clock(100)
      box:say("ann", "!keep")
      box:set_clock(200)
      box:say("ann", "!fill")
      box:commit()
      box:commit()
      box:say("ann", "!use")
      assert.same({}, box.failures)
      assert.same({ ["r1.a"] = "2", ["r1.b"] = "2" }, box:commit())
    end)
  end)

  describe("of a policy", function()
    local SCRIPT = [[
      policy:on("publish", function(request)
        if request.text == "mute bob" then policy.store.bob = true end
        if request.text == "ban bob" then policy:room_store(request.room).bob = true end
        if policy.store[request.user] then return policy.reject "muted" end
        if policy:room_store(request.room)[request.user] then return policy.reject "banned" end
      end)
    ]]
    local box

    before_each(function()
      box = guest_box.policy(SCRIPT, { clock = 100 })
    end)

    it("is read again, since other processes change it", function()
      assert.equal("allow", (box:judge "x"))
      box.stores[false] = { ann = "true" }
      assert.equal("allow", (box:judge "x"))
      box:set_clock(102)
      assert.equal("muted", select(2, box:judge "x"))
      box.stores[false] = {}
      box.stores.pool = { ann = "1" }
      box:set_clock(104)
      assert.equal("banned", select(2, box:judge "x"))
    end)

    it("is not, before what it has changed itself is there", function()
      assert.equal("allow", (box:judge "mute bob"))
      box:set_clock(110)
      local function by_bob()
        return (select(2, box:judge { user = "bob", text = "x", room = "pool" }))
      end
      assert.equal("muted", by_bob())
      assert.same({ ["own.bob"] = "true" }, box:commit())
      assert.equal("muted", by_bob())
      box.stores[false] = {}
      box:set_clock(113)
      assert.is_nil(by_bob())
    end)

    it("is as it was when it cannot be read", function()
      box.stores[false] = { ann = "true" }
      box:set_clock(102)
      assert.equal("muted", select(2, box:judge "x"))
      box.stores = "broken"
      box:set_clock(104)
      assert.equal("muted", select(2, box:judge "x"))
    end)

    it("is not read by a policy that does not use it", function()
      box = guest_box.policy([[ policy:on("publish", function() end) ]], { clock = 0 })
      for time = 1, 9 do
        box:set_clock(time * 10)
        box:judge "x"
      end
      assert.same({ false }, box.loaded)
    end)
  end)
end)
