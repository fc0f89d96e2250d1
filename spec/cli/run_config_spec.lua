local new_session = require "spec.support.session"
local program = require "spec.support.program"
local scratch = require "spec.support.scratch"

describe("moonpool run", function()
  local session = new_session(before_each, after_each)
  local folder

  before_each(function()
    folder = scratch.folder()
    scratch.shell(("mkdir -p %s/bots"):format(folder))
  end)

  local function write(name, text) return scratch.write(folder .. "/" .. name, text) end

  local function echo(word)
    return ('bot:command("%s", function(message) message:reply("%s!") end)\n'):format(word, word)
  end

  -- Says something until somebody answers so: what has been reloaded may take a while.
  local function await_answer(text, answer)
    local room = session.start { "sub", "--json", "room:pool" }
    room:expect '"subscribe"'
    scratch.wait_until(function()
      session.run { "say", "pool", text, "--as", "ann" }
      return pcall(room.expect, room, answer, 0.5)
    end, 30, answer)
  end

  describe("with a configuration", function()
    it("runs what it says, on the Redis that it names", function()
      write("bots/hi.lua", echo "hi")
      write("moonpool.conf.lua", ([[
        redis = %q
        bots = { "bots" }
        policies = { { "length", characters = 20 } }
      ]]):format(session.server.url))
      local host = session.keep(program.moonpool { "run", cwd = folder })
      host:expect_error "moonpool: ready %(1 bot, room:%*%)"
      await_answer("!hi", "hi!")
    end)

    it("ends with 78 and all that is wrong, before anything connects", function()
      local path = write("x.conf.lua", 'botz = {}\nredis = "unix:///nonexistent"\nname = 5\n')
      local result = program.run_moonpool { "run", "--config", path }
      assert.equal(78, result.status)
      assert.same(("moonpool run: %s:1: botz: unknown; did you mean bots?\n"
        .. "moonpool run: %s:3: name: a name of letters, digits, _, - and . that begins with none "
        .. "of the last two is needed, not number\n"):format(path, path), result.stderr)
    end)

    it("ends with 78 when there is nothing to run", function()
      local result = program.run_moonpool { "run", cwd = folder }
      assert.same({ 78, "moonpool run: no FILE is given, and there is no ./moonpool.conf.lua\n" },
        { result.status, result.stderr })
    end)

    it("checks it and tells what the scripts react to, without Redis", function()
      write("bots/hi.lua", echo "hi" .. 'bot:on("pattern", "metrics:*", print)')
      local path = write("x.conf.lua", [[
        redis = "unix:///nonexistent"
        bots = { { "bots/hi.lua", name = "greeter", rooms = { "den" } } }
        policies = { { "links", rooms = { "help-*" } } }
      ]])
      local result = program.run_moonpool { "run", "--config", path, "--check" }
      assert.equal(0, result.status, result.stderr)
      assert.matches("bot greeter: publish, !hi, metrics:%* %(in den%)\n", result.stdout)
      assert.matches("policy links: publish %(in help%-%*%)\n", result.stdout)
      write("bots/hi.lua", "(")
      local broken = program.run_moonpool { "run", "--config", path, "--check" }
      assert.equal(78, broken.status)
      assert.matches("bots/hi.lua:1: unexpected symbol", broken.stderr)
    end)

    it("logs as JSON when it is told to", function()
      write("bots/hi.lua", 'bot:on("start", function() print "here" end)')
      local host = session.start { "run", "--log", "json", folder .. "/bots" }
      host:expect_error '^{"time":"20.*","level":"info","script":"hi","message":"here"}$'
    end)
  end)

  it("leaves messages in the history for which a bot's queue has no room", function()
    write("bots/slow.lua", [[
      bot:on("publish", function(message)
        bot.store.heard = (bot.store.heard or "") .. message.text .. " "
        if message.text == "1" then bot.sleep(0.3) end
        if message.text == "200" then message:reply(bot.store.heard) end
      end)
    ]])
    write("moonpool.conf.lua", 'limits = { queue = 5 } bots = { "bots" }')
    local host = session.start { "run", cwd = folder }
    host:expect_error "ready"
    local room = session.start { "sub", "--json", "room:pool" }
    room:expect '"subscribe"'
    local lines = {}
    for index = 1, 200 do lines[index] = tostring(index) end
    assert.equal(0, session.run({ "say", "pool", "--as", "ann",
      stdin = table.concat(lines, "\n") .. "\n" }).status)
    room:expect('"text\\":\\"' .. table.concat(lines, " "))
  end)

  describe("with --watch", function()
    it("loads what has changed, keeps what was when that is broken, begins what is new", function()
      local path = write("bots/hi.lua", echo "one")
      local host = session.start { "run", "--watch", folder .. "/bots" }
      host:expect_error "ready"
      await_answer("!one", "one!")
      write("bots/hi.lua", echo "two")
      host:expect_error "hi: reloaded"
      await_answer("!two", "two!")
      write("bots/hi.lua", "(")
      host:expect_error("hi: not reloaded: .*hi.lua:1: unexpected symbol")
      await_answer("!two", "two!")
      write("bots/new.lua", echo "three")
      await_answer("!three", "three!")
      assert.is_truthy(path)
    end)

    it("loads scripts anew whose modules have changed", function()
      scratch.shell(("mkdir -p %s/bots/lib"):format(folder))
      write("bots/lib/words.lua", 'return "one!"')
      write("bots/hi.lua", [[
        local words = require "lib.words"
        bot:command("what", function(message) message:reply(words) end)
      ]])
      write("bots/other.lua", "")
      local host = session.start { "run", "--watch", folder .. "/bots" }
      host:expect_error "ready"
      await_answer("!what", "one!")
      write("bots/lib/words.lua", 'return "two!"')
      host:expect_error "hi: reloaded"
      await_answer("!what", "two!")
      assert.is_nil(host:errors():find("other: reloaded", 1, true))
    end)

    it("follows its configuration", function()
      write("bots/hi.lua", 'bot:command("what", function(m) m:reply(bot.options.answer) end)')
      local function configure(answer)
        write("moonpool.conf.lua",
          ('bots = { { "bots/hi.lua", options = { answer = "%s" } } }'):format(answer))
      end
      configure "one!"
      local host = session.start { "run", "--watch", cwd = folder }
      host:expect_error "ready"
      await_answer("!what", "one!")
      write("moonpool.conf.lua", "botz = {}")
      host:expect_error "not reloaded: moonpool.conf.lua:1: botz: unknown"
      configure "two!"
      await_answer("!what", "two!")
    end)
  end)
end)
