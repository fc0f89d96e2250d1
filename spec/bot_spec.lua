local bot_room = require "spec.support.bot_room"
local program = require "spec.support.program"
local scratch = require "spec.support.scratch"

-- What the scripts below report goes through a room of its own.
local PREAMBLE = [[
local function tell(...)
  local words = table.pack(...)
  for index = 1, words.n do words[index] = tostring(words[index]) end
  bot:say("told", table.concat(words, " "))
end
]]

describe("bot", function()
  local room

  local function open(script) room = bot_room.open { script = PREAMBLE .. script } end
  local function told() return room:expect("script").text end

  after_each(function()
    room:close()
    room = nil
  end)

  describe("events", function()
    it("are publish, subscribe, unsubscribe and rename", function()
      open [[
        local function fields(event)
          return function(m) tell(event, m.type, m.room, m.user, m.text, m.to, m.bot) end
        end
        for _, event in ipairs { "publish", "subscribe", "unsubscribe", "rename" } do
          bot:on(event, fields(event))
        end
      ]]
      room:say("ann", "hi")
      assert.equal("publish message pool ann hi nil false", told())
      room:act("ann", "waves")
      assert.equal("publish action pool ann waves nil false", told())
      room:join "bob"
      assert.equal("subscribe join pool bob nil nil false", told())
      room:leave "bob"
      assert.equal("unsubscribe leave pool bob nil nil false", told())
      room:rename("ann", "anne")
      assert.equal("rename rename pool ann nil anne false", told())
      room:publish '{"user":"other","text":"beep","bot":true}'
      assert.equal("publish message pool other beep nil true", told())
    end)

    it("make text of what is no JSON object", function()
      open [[ bot:on("publish", function(m) tell(m.user, m.text) end) ]]
      for payload, text in pairs {
        ["plain words"] = "plain words", ["[1,2]"] = "[1,2]", ["12"] = "12", ['"x"'] = '"x"',
        ["null"] = "null", ["{broken"] = "{broken", ["caf\xE9"] = "caf\u{FFFD}",
      } do
        room:publish(payload)
        assert.equal("nil " .. text, told())
      end
      room:publish '{"user":7,"text":["no"]}'
      assert.equal("nil ", told())
      room:publish '{"user":"ann","text":"caf\xE9"}'
      assert.equal("ann caf\u{FFFD}", told())
      room:publish ' {"text":"spaced"}'
      assert.equal("nil spaced", told())
    end)

    it("do not bring back what the bot said", function()
      open [[ bot:on("publish", function(m) m:reply("heard " .. m.text) end) ]]
      room:say("ann", "one")
      assert.equal("heard one", told())
      room:say("ann", "two")
      assert.equal("heard two", told())
    end)

    it("of one kind run by priority, then in order", function()
      open [[
        bot:on("publish", function() tell "b" end)
        bot:on("publish", function() tell "c" end)
        bot:on("publish", function() tell "a" end, 5)
        bot:on("publish", function() tell "d" end, -5)
      ]]
      room:say("ann", "go")
      assert.equal("a b c d", table.concat({ told(), told(), told(), told() }, " "))
    end)

    it("can be given up", function()
      open [[
        local stop
        stop = bot:on("publish", function() stop() tell "once" end)
        bot:on("publish", function(m) tell(m.text) end)
      ]]
      room:say("ann", "1")
      room:say("ann", "2")
      assert.equal("once 1 2", table.concat({ told(), told(), told() }, " "))
    end)

    it("arrive in order, one at a time, while a function awaits", function()
      open [[
        bot:on("publish", function(m)
          tell("begin", m.text)
          require("moonpool").sleep(m.text == "1" and 0.05 or 0)
          tell("end", m.text)
        end)
      ]]
      for number = 1, 3 do room:say("ann", tostring(number)) end
      for number = 1, 3 do
        assert.equal("begin " .. number, told())
        assert.equal("end " .. number, told())
      end
    end)

    it("start and stop frame the bot's life; it may speak in both", function()
      open [[
        bot:on("start", function() tell "hello" end)
        bot:on("stop", function() tell "goodbye" end)
      ]]
      assert.equal("hello", told())
      assert.equal(0, (room:stop()))
      assert.equal("goodbye", told())
    end)

    it("tell of a lost link", function()
      open [[
        local events = {}
        bot.rooms = { "pool", "d*" }
        local function keep(event) events[#events + 1] = event.event end
        bot:on("gap", keep)
        bot:on("reconnect", keep)
        bot:command("events", function() tell(table.concat(events, " ")) end)
      ]]
      for times = 1, 2 do
        room.server:call("CLIENT", "KILL", "TYPE", "pubsub")
        room.reader:expect '"event":"reconnect"'
        scratch.wait_until(function()
          return room.server:subscribers "room:pool" == 1
            and room.server:call("PUBSUB", "NUMPAT") == 2 -- the reader's, and d*
        end)
        local said = program.run_moonpool { "say", "pool", "--as", "ann", "--redis",
          room.server.url, "!events" } -- stored: a bare PUBLISH may come before the feed is whole
        assert.equal(0, said.status, said.stderr)
        assert.equal(("reconnect "):rep(times):sub(1, -2), told())
      end
    end)

    it("wait in the room while a function awaits: none is missed", function()
      open [[
        local is_open, count = false, 0
        bot:on("pattern", "open", function() is_open = true end)
        bot:on("publish", function(message)
          while not is_open do bot.sleep(0.01) end
          count = count + 1
          if message.text == "last" then tell(count) end
        end)
        bot:on("gap", function(event) tell("gap", event.missing, event.reason) end)
      ]]
      local lines = ("x\n"):rep(5000) .. "last\n"
      local said = program.run_moonpool { "say", "pool", "--as", "ann", "--redis",
        room.server.url, stdin = lines }
      assert.equal(0, said.status, said.stderr)
      room:publish("now", "open")
      assert.equal("5001", told())
    end)
  end)

  describe("commands", function()
    it("get the words after them", function()
      open [[
        bot:command("Echo", function(m, args)
          tell(#args, args[1], args[2], "<" .. args.text .. ">")
        end)
      ]]
      room:say("ann", "!echo  two   words ")
      assert.equal("2 two words <two   words>", told())
      room:say("ann", "!ECHO")
      assert.equal("0 nil nil <>", told())
    end)

    it("are for messages of users only", function()
      open [[ bot:command("go", function(m) tell(m.user) end) ]]
      room:publish '{"user":"other","text":"!go","bot":true}'
      room:act("ann", "!go")
      room:say("ann", "please !go")
      room:say("ann", "!gone")
      room:say("bob", "!go")
      assert.equal("bob", told())
    end)

    it("come after the functions for the same message", function()
      open [[
        bot:command("go", function() tell "command" end)
        bot:on("publish", function() tell "publish" end)
      ]]
      room:say("ann", "!go")
      assert.equal("publish", told())
      assert.equal("command", told())
    end)
  end)

  describe("rooms", function()
    it("are those that it names", function()
      open [[
        bot.rooms = { "deck", "room:help-*" }
        bot:on("publish", function(m) tell(m.room) end)
      ]]
      room:say("ann", "in pool")
      room:publish('{"user":"ann","text":"x"}', "room:help-me")
      assert.equal("help-me", told())
      room:publish('{"user":"ann","text":"x"}', "room:deck")
      assert.equal("deck", told())
    end)

    it("bring a message once where their patterns overlap", function()
      open [[
        bot.rooms = { "p*", "pool", "*", "p*" }
        bot:on("publish", function(m) tell(m.room, m.text) end)
      ]]
      for number = 1, 3 do
        room:say("ann", tostring(number))
        assert.equal("pool " .. number, told())
      end
      room:publish('{"user":"ann","text":"x"}', "room:deck")
      assert.equal("deck x", told())
    end)

    it("are said things in by name, with or without room:", function()
      open [[
        bot:on("start", function() bot:say("a b", "one") bot:say("room:deck", 2) end)
        bot:on("publish", function() tell(bot:say("a{b}", "x")) end)
      ]]
      local first = room:expect "script"
      assert.same({ "room:a b", "one", true }, { first.channel, first.text, first.bot })
      local second = room:expect "script"
      assert.same({ "room:deck", "2" }, { second.channel, second.text })
      room:say("ann", "x")
      assert.matches("^nil bad room name: a brace at byte 2 EARG$", told())
    end)
  end)

  describe("patterns", function()
    it("bring any channel that matches", function()
      open [[
        bot:on("pattern", "metrics:*", function(payload, channel) tell(channel, payload) end)
      ]]
      room:publish("cpu 7", "metrics:a")
      assert.equal("metrics:a cpu 7", told())
    end)

    it("can be added and given up at any time", function()
      open [[
        local stop
        bot:command("watch", function()
          stop = bot:on("pattern", "m:*", function(payload) tell(payload) end)
          tell "watching"
        end)
        bot:command("leave", function() stop() stop() tell "left" end)
      ]]
      room:publish("unseen", "m:1")
      room:say("ann", "!watch")
      assert.equal("watching", told())
      assert.equal(3, room.server:call("PUBSUB", "NUMPAT"))
      room:publish("seen", "m:1")
      assert.equal("seen", told())
      room:say("ann", "!leave")
      assert.equal("left", told())
      assert.equal(2, room.server:call("PUBSUB", "NUMPAT"))
    end)
  end)

  describe("timers", function()
    it("fire again and again until closed", function()
      open [[
        local ticks, timer = 0, nil
        timer = bot:every(0.01, function()
          ticks = ticks + 1
          if ticks == 3 then timer:close() end
          tell("tick", ticks)
        end)
        bot:command("count", function() tell("ticks", ticks) end)
        bot:command("more", function() bot:every(0.01, function() tell "more" end) end)
      ]]
      for tick = 1, 3 do assert.equal("tick " .. tick, told()) end
      room:say("ann", "!count")
      assert.equal("ticks 3", told())
      room:say("ann", "!more")
      assert.equal("more", told())
      assert.equal("more", told())
    end)
  end)

  describe("failures", function()
    it("print a traceback and leave the rest running", function()
      open [[
        local function inner(m) local n = nil; return n .. m.text end
        bot:on("publish", function(m) inner(m) end)
        bot:on("publish", function(m) tell(m.text) end)
        bot:command("fail", function() error({}) end)
        local timer
        timer = bot:every(0.01, function() timer:close() error "tick" end)
      ]]
      local host = room.host
      host:expect_error "script%.lua:11: tick event=timer$"
      room:say("ann", "one")
      assert.equal("one", told())
      room:say("ann", "!fail")
      assert.equal("!fail", told())
      room:say("ann", "two")
      assert.equal("two", told())
      host:expect_error "error script: .*/script%.lua:6: attempt to concatenate a nil"
      host:expect_error "^ *stack traceback:$"
      host:expect_error "script%.lua:6: in .*inner"
      host:expect_error "script%.lua:7: in "
      host:expect_error "error object: table"
      local status, _, errors = room:stop()
      assert.equal(0, status)
      assert.is_nil(errors:find("xpcall", 1, true))
      assert.is_nil(errors:find("moonpool/bot/", 1, true))
    end)

    it("of start and stop are reported too", function()
      open [[
        bot:on("start", function() error "no start" end)
        bot:on("stop", function() error "no stop" end)
      ]]
      room.host:expect_error "script.lua:6: no start"
      assert.equal(0, (room:stop()))
      room.host:expect_error "script.lua:7: no stop"
    end)
  end)
end)
