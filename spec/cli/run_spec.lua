local bot_room = require "spec.support.bot_room"
local program = require "spec.support.program"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"
local system = require("moonpool.core").system

-- A Redis URL that nothing answers at: whoever gets to connect fails with another message.
local NOWHERE = "unix:///nonexistent/redis.sock"

local function write_script(text, name)
  return scratch.write(scratch.folder() .. "/" .. (name or "script.lua"), text)
end

local function run_nowhere(...)
  local command = { "run", "--redis", NOWHERE }
  table.move({ ... }, 1, select("#", ...), #command + 1, command)
  return program.run_moonpool(command)
end

describe("moonpool run", function()
  describe("before anything connects, ends with 78 and names", function()
    local function assert_refused(result, ...)
      assert.equal(78, result.status, result.stderr)
      for _, text in ipairs { ... } do
        assert.is_truthy(result.stderr:find(text, 1, true),
          ("no %q in %q"):format(text, result.stderr))
      end
      assert.is_nil(result.stderr:find("nonexistent/redis", 1, true))
      assert.equal("", result.stdout)
    end

    it("the line of a syntax error", function()
      local path = write_script "bot.name = 'x'\nbot:on(\n'publish' function() end)\n"
      assert_refused(run_nowhere(path), path .. ":3: ')' expected")
    end)

    it("a script that is not there", function()
      assert_refused(run_nowhere "/nonexistent/bot.lua",
        "/nonexistent/bot.lua: No such file or directory")
    end)

    it("the line where a script fails", function()
      local path = write_script "local x = nil\nx.y = 1\n"
      assert_refused(run_nowhere(path), path .. ":2: attempt to index a nil value (local 'x')")
    end)

    it("all scripts that cannot be loaded", function()
      local first, second = write_script "(", write_script(")", "other.lua")
      assert_refused(run_nowhere(first, "examples/bots/dice.lua", second), first .. ":1:",
        second .. ":1:")
    end)

    it("the line of a misuse", function()
      for text, message in pairs {
        ['bot:on("say", print)'] = 'bot:on: unknown event "say"; there are gap, pattern, publish',
        ['bot:on("publish")'] = "bot:on: function: a function is needed, not nil",
        ['bot:on("publish", print, "high")'] = "bot:on: priority: a number is needed, not string",
        ['bot:on("pattern", print)'] = "bot:on: pattern: a string is needed, not function",
        ['bot:command("two words", print)'] = 'bot:command: bad name "two words"',
        ['bot:command("a", print) bot:command("A", print)'] = "bot:command: there is a !a already",
        ["bot:every(0, print)"] = "bot:every: seconds: more than 0 is needed",
        ["bot:every(print)"] = "bot:every: seconds: a number is needed, not function",
        ['bot:say("pool")'] = "bot:say: text: a string is needed, not nil",
      } do
        local path = write_script("\n\n" .. text)
        assert_refused(run_nowhere(path), path .. ":3: " .. message)
      end
    end)

    it("bad names and rooms", function()
      for text, message in pairs {
        ['bot.name = ""'] = "bot.name: a name without control characters is needed",
        ["bot.name = 7"] = "bot.name: a name",
        ['bot.rooms = "pool"'] = "bot.rooms: a list of strings is needed, not string",
        ['bot.rooms = { "a", "b{c}" }'] = "bot.rooms[2]: bad room name: a brace at byte 2",
      } do
        local path = write_script(text)
        assert_refused(run_nowhere(path), path .. ": " .. message)
      end
    end)

    it("two bots of one name", function()
      local first, second = write_script("", "dice.lua"), write_script("", "dice.lua")
      assert_refused(run_nowhere(first, second),
        ("%s: two scripts are named 'dice', %s besides"):format(second, first))
      local third = write_script("bot.name = 'dice'", "other.lua")
      assert_refused(run_nowhere(first, third),
        third .. ': there is another bot named "dice", from ' .. first)
    end)

    it("a folder without scripts", function()
      local folder = scratch.folder()
      assert_refused(run_nowhere(folder), folder .. ": no *.lua in this folder")
    end)

    it("a script that is no text", function()
      local path = write_script(string.dump(function() end))
      assert_refused(run_nowhere(path), path)
    end)
  end)

  it("ends with 78 when it gets no script", function()
    local result = program.run_moonpool { "run" }
    assert.equal(78, result.status)
    assert.matches("no FILE is given, and there is no ./moonpool.conf.lua", result.stderr, 1, true)
  end)

  it("names the Redis that it cannot reach", function()
    local result = run_nowhere "examples/bots/dice.lua"
    assert.equal(1, result.status)
    assert.is_truthy(result.stderr:find("/nonexistent/redis.sock", 1, true), result.stderr)
  end)

  describe("with scripts that load", function()
    local room

    after_each(function() room:close() end)

    it("tells what runs and when it is ready", function()
      room = bot_room.open { scripts = {
        ["b.lua"] = 'bot.rooms = { "deck" }', ["a.lua"] = 'bot.name = "alpha"',
        ["c.lua"] = 'bot:on("pattern", "metrics:*", print)',
      } }
      assert.equal("running: alpha, b, c\nmoonpool: ready (3 bots, metrics:* room:* room:deck)\n",
        room.host:errors())
    end)

    it("subscribes once for all bots", function()
      room = bot_room.open { "examples/bots/dice.lua", "examples/bots/seen.lua",
        "examples/bots/stats.lua" }
      assert.equal(2, room.server:call("PUBSUB", "NUMPAT")) -- the reader's, and room:*
      assert.equal(2, room.server:clients "pubsub")
    end)

    it("hands each bot every message", function()
      room = bot_room.open { scripts = {
        ["a.lua"] = 'bot:on("publish", function(m) if not m.bot then m:reply(m.text) end end)',
        ["b.lua"] = 'bot:on("publish", function(m) if m.user == "a" then m:reply(m.text) end end)',
      } }
      room:say("ann", "x")
      assert.equal("x", room:expect("a").text)
      assert.equal("x", room:expect("b").text)
    end)

    it("keeps one bot going while another awaits", function()
      room = bot_room.open { scripts = {
        ["slow.lua"] = 'bot:on("publish", function() require("moonpool").sleep(3600) end)',
        ["fast.lua"] = 'bot:on("publish", function(m) m:reply(m.text) end)',
      } }
      for number = 1, 3 do
        room:say("ann", tostring(number))
        assert.equal(tostring(number), room:expect("fast").text)
      end
      assert.equal(0, (room:stop()))
    end)

    it("keeps the globals of scripts apart", function()
      room = bot_room.open { scripts = {
        ["a.lua"] = 'shared = "a" string_upper = string.upper _G.other = 1',
        ["b.lua"] = [[
          bot:on("start", function()
            bot:say("pool", ("%s %s %s"):format(shared, other, rawget(_G, "bot") == bot))
          end)
        ]],
      } }
      assert.equal("nil nil true", room:expect("b").text)
    end)

    it("says nothing with --quiet", function()
      room = bot_room.open { "examples/bots/dice.lua" }
      local host = program.moonpool { "run", "-q", "--redis", room.server.url,
        write_script 'bot.name = "quiet" bot:on("start", function() bot:say("pool", "up") end)' }
      assert.equal("up", room:expect("quiet").text)
      host:signal "INT"
      assert.equal(0, host:wait())
      assert.equal("", host:errors() .. host:output())
    end)

    it("has counted everything that was published when it is told to end", function()
      room = bot_room.open { "examples/bots/stats.lua" }
      local lines = {}
      for number = 1, 5000 do lines[number] = number .. "\n" end
      local said = program.run_moonpool { "say", "pool", "--as", "ann", "--redis",
        room.server.url, stdin = table.concat(lines) }
      assert.equal(0, said.status, said.stderr)
      local ended, _, output = room:stop()
      assert.equal(0, ended)
      assert.matches("5000 messages, 0 of them actions, by 1 users", output)
    end)

    it("ends in order when Redis is away", function()
      room = bot_room.open { "examples/bots/stats.lua" }
      room:say("ann", "!stats")
      room:expect "stats" -- that others have heard ann does not mean that the bot has
      room.server:pause()
      local ended, _, output = room:stop()
      room.server:resume()
      assert.equal(0, ended)
      assert.matches("1 messages, 0 of them actions, by 1 users", output)
    end)

    it("gives functions for stop a few seconds, no more", function()
      room = bot_room.open { script = [[
        bot:on("stop", function()
          print "stopping"
          require("moonpool").sleep(3600)
        end)
      ]] }
      local ended, _, output = room:stop()
      assert.equal(0, ended)
      assert.matches("script: stopping\n", output)
    end)

    it("goes on after its worker was killed", function()
      room = bot_room.open {
        script = 'bot:on("publish", function(m) m:reply("heard " .. m.text) end)',
      }
      room:say("ann", "one")
      assert.equal("heard one", room:expect("script").text)
      local children = scratch.read(("/proc/%d/task/%d/children"):format(room.host.pid,
        room.host.pid))
      assert.is_true(system.kill(tonumber(children:match "%d+"), "SIGKILL"))
      room.host:expect_error "warning worker %d+ was ended by SIGKILL; starting another one$"
      room.host:expect_error "^moonpool: ready"
      room:say("ann", "two")
      assert.equal("heard two", room:expect("script").text)
      assert.equal(0, (room:stop()))
    end)

    it("leaves Redis without subscriptions or connections of its own", function()
      room = bot_room.open { "examples/bots" }
      assert.equal(2, room.server:clients "pubsub")
      assert.equal(0, (room:stop()))
      scratch.wait_until(function()
        return room.server:clients "pubsub" == 1 and room.server:clients "normal" == 1
      end, nil, "the reader's links alone")
    end)
  end)

  it("says which bot's subscription Redis refuses", function()
    local server = redis_server.start()
    server:call("ACL", "SETUSER", "default", "resetchannels", "&room:*")
    local path = write_script('bot:on("pattern", "secret:*", print)', "spy.lua")
    local result = program.run_moonpool { "run", path, "--redis", server.url }
    server:stop()
    assert.equal(1, result.status)
    assert.matches("^moonpool run: spy: cannot subscribe: .*secret:%*.*NOPERM ", result.stderr)
  end)
end)
