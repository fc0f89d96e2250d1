local json = require("moonpool").json
local new_session = require "spec.support.session"

describe("moonpool", function()
  local session = new_session(before_each, after_each)
  local run = session.run

  local function say(options)
    local words = { "say", "lobby", "--as", "ann", stdin = options.stdin }
    table.move(options, 1, #options, #words + 1, words)
    local result = run(words)
    assert.equal(0, result.status, result.stderr)
    local ids = {}
    for id in result.stdout:gmatch "[^\n]+" do ids[#ids + 1] = id end
    return ids
  end

  local function history(...)
    local result = run { "history", "lobby", "--json", ... }
    assert.equal(0, result.status, result.stderr)
    local events = {}
    for line in result.stdout:gmatch "[^\n]+" do events[#events + 1] = assert(json.decode(line)) end
    return events
  end

  local function texts(...)
    local list = {}
    for index, event in ipairs(history(...)) do list[index] = event.text or event.event end
    return table.concat(list, " ")
  end

  describe("history", function()
    for _, kind in ipairs { "stream", "list", "sorted" } do
      it("reads a " .. kind .. ", oldest first", function()
        local ids = say { "--history", kind, stdin = "1\n2\n3\n4\n5\n" }
        local last = tonumber(say({ stdin = "6" })[1]:match "^%d+") / 1000
        local edge = ("%.3f"):format(last)
        assert.equal("1 2 3 4 5 6", texts())
        assert.equal("5 6", texts("--last", "2"))
        assert.equal("1 2", texts("--limit", "2"))
        assert.equal("1 2 3 4 5 6", texts "--all")
        assert.equal("3 4 5 6", texts("--after", ids[2]))
        assert.equal("1 2 3", texts("--before", ids[4]))
        assert.equal("2 3", texts("--before", ids[4], "--last", "2"))
        assert.equal("3 4", texts("--after", ids[2], "--limit", "2"))
        assert.equal("6", texts("--since", edge))
        assert.equal("1 2 3 4 5", texts("--till", ("%.3f"):format(last - 0.001)))
        assert.equal("1 2 3 4 5 6", texts("--since", "10m"))
        assert.equal("", texts("--till", "10m"))
      end)
    end

    it("is the last hundred unless told otherwise, and all of a long one", function()
      local lines = {}
      for number = 1, 2500 do lines[number] = tostring(number) end
      local all = table.concat(lines, " ")
      say { "--keep", "0", stdin = table.concat(lines, "\n") }
      assert.equal(table.concat(lines, " ", 2401), texts())
      assert.equal(all, texts "--all")
      assert.equal(all, texts("--since", "1h"))
      assert.equal(table.concat(lines, " ", 1, 1500), texts("--limit", "1500"))
      assert.equal(table.concat(lines, " ", 1001), texts("--last", "1500"))
    end)

    it("is nothing where nothing was said", function()
      assert.same({ status = 0, stdout = "", stderr = "" }, run { "history", "lobby" })
      assert.same({ status = 0, stdout = "", stderr = "" }, run { "history", "lobby", "--all" })
    end)

    it("is printed for people", function()
      say { stdin = "hi" }
      say { "--action", "waves" }
      assert.matches("^%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d <ann> hi\n"
        .. "%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d %* ann waves\n$",
        run({ "history", "lobby" }).stdout)
    end)

    it("tells what it cannot read", function()
      session.server:call("SET", "{room:lobby}:log", "no stream")
      local result = run { "history", "lobby" }
      assert.equal(1, result.status)
      assert.matches("^moonpool history: cannot read lobby: .*WRONGTYPE", result.stderr)
    end)

    it("takes wrong usage for what it is", function()
      for words, why in pairs {
        ["--since 2026-02-30"] = "there is no such day", ["--till 10y"] = "no unit 'y'",
        ["--after x"] = "'x' is not the id", ["--before 1-2-3"] = "'1-2-3' is not the id",
        ["--last 0"] = "a whole number above 0", ["--last 1 --all"] = "can not be used together",
      } do
        local command = { "history", "lobby" }
        for word in words:gmatch "%S+" do command[#command + 1] = word end
        local result = run(command)
        assert.equal(2, result.status)
        assert.is_truthy(result.stderr:find(why, 1, true), result.stderr)
      end
    end)
  end)

  describe("delete", function()
    it("deletes messages by their ids, and tells so", function()
      local ids = say { stdin = "1\n2\n3\n" }
      local result = run { "delete", "lobby", ids[1], ids[3], "--as", "op" }
      assert.same({ 0, "" }, { result.status, result.stderr })
      assert.matches("^%d+%-4%-%x+\n%d+%-5%-%x+\n$", result.stdout)
      assert.equal("2 delete delete", texts())
      local told = history("--last", "1")[1]
      assert.same({ "op", ids[3] }, { told.user, told.target })
    end)

    it("names the message that there is not", function()
      say { stdin = "1" }
      local id = "1-1-0000000000000000"
      local result = run { "delete", "lobby", id }
      assert.equal(1, result.status)
      assert.is_truthy(result.stderr:find("moonpool delete: " .. id .. ": ", 1, true))
      result = run { "delete", "lobby", "one" }
      assert.equal(2, result.status)
    end)
  end)

  for _, command in ipairs { "clear", "destroy" } do
    describe(command, function()
      local function is_done() return not texts():find "1" end

      it("does it, with --yes or when it is told yes", function()
        say { stdin = "1" }
        local result = run { command, "lobby", "--yes" }
        assert.same({ 0, "" }, { result.status, result.stderr })
        assert.is_true(is_done())
        say { stdin = "1" }
        local asked = session.start { command, "lobby", tty = true, stdin = "pipe" }
        asked:write "y\n"
        assert.equal(0, asked:wait(), asked:output())
        assert.matches("Remove .*lobby.* %[y/N%]", asked:output())
        assert.is_true(is_done())
      end)

      it("does not do it when it is told no, or nobody can be asked", function()
        say { stdin = "1" }
        for _, answer in ipairs { "n\n", "\n", "\4", "yikes\n" } do
          local asked = session.start { command, "lobby", tty = true, stdin = "pipe" }
          asked:write(answer)
          assert.equal(1, asked:wait())
          assert.matches("nothing was done", asked:output())
        end
        local result = run { command, "lobby" }
        assert.equal(2, result.status)
        assert.matches("%-%-yes is needed", result.stderr)
        assert.is_false(is_done())
      end)
    end)
  end

  it("clear leaves the message that tells of it, destroy no key", function()
    say { stdin = "1\n2\n" }
    assert.matches("^%d+%-3%-%x+\n$", run({ "clear", "lobby", "--yes", "--as", "op" }).stdout)
    assert.same({ "clear", "op" }, { history()[1].event, history()[1].user })
    assert.equal("", run({ "destroy", "lobby", "--yes" }).stdout)
    assert.equal(0, session.server:call "DBSIZE")
  end)
end)
