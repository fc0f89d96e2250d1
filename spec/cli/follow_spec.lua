local json = require("moonpool").json
local new_session = require "spec.support.session"

local ID = "%d+%-%d+%-%x+"

describe("moonpool follow", function()
  local session = new_session(before_each, after_each)
  local start, run = session.start, session.run

  -- Says each of the texts as ann: their ids.
  local function say(...)
    local result =
      run { "say", "lobby", "--as", "ann", stdin = table.concat({ ... }, "\n") .. "\n" }
    assert.equal(0, result.status, result.stderr)
    local ids = {}
    for id in result.stdout:gmatch "[^\n]+" do ids[#ids + 1] = id end
    return ids
  end

  local function follow(...) return start { "follow", "lobby", ... } end

  local function follow_json(...)
    local program = follow("--json", ...)
    program:expect '"event":"live"'
    return program
  end

  local function signal(body) session.server:call("PUBLISH", "room:lobby", body) end

  -- The texts of the messages, of a program that has ended.
  local function texts(result)
    local list = {}
    for line in result.stdout:gmatch "[^\n]+" do
      local event = assert(json.decode(line))
      if event.event == "message" then list[#list + 1] = event.text end
    end
    return table.concat(list, " ")
  end

  it("prints what is said from now on, as JSON", function()
    say "before"
    local program = follow_json("--count", "2")
    local ids = say("one", "two", "three")
    assert.equal(0, program:wait())
    local lines = {}
    for line in program:output():gmatch "[^\n]+" do
      lines[#lines + 1] = line:gsub('"at":%d+%.%d%d%d', '"at":AT')
    end
    assert.same({
      lines[1],
      ('{"event":"message","id":"%s","at":AT,"user":"ann","text":"one"}'):format(ids[1]),
      ('{"event":"message","id":"%s","at":AT,"user":"ann","text":"two"}'):format(ids[2]),
    }, lines)
    assert.matches(('^{"event":"live","id":"%s"}$'):format(ID), lines[1])
  end)

  it("prints it for people", function()
    local program = follow("--last", "10", "--count", "2")
    say "hi \27[31m"
    run { "say", "lobby", "waves", "--as", "ann", "--action" }
    assert.equal(0, program:wait())
    assert.matches("^%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d <ann> hi ␛%[31m\n"
      .. "%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d %* ann waves\n$", program:output())
  end)

  it("begins where it is told to", function()
    local ids = say("1", "2", "3", "4", "5")
    local function begun(...) return texts(run { "follow", "lobby", "--json", ... }) end
    assert.equal("4 5", begun("--last", "2", "--count", "2"))
    assert.equal("1 2", begun("--last", "100", "--count", "2"))
    assert.equal("3 4", begun("--from", ids[2], "--count", "2"))
    assert.equal("1 2 3", begun("--since", "10m", "--count", "3"))
    assert.equal("1", begun("--since", "2026-01-01T00:00Z", "--count", "1"))
  end)

  it("prints what is not stored, too", function()
    local program = follow_json()
    signal '{"type":"join","user":"bob"}'
    program:expect '^{"event":"join","user":"bob"}$'
    signal '{"type":"typing","user":"bob"}'
    program:expect '^{"event":"typing","user":"bob"}$'
    signal "plain words"
    program:expect '^{"event":"signal","type":"message","text":"plain words"}$'
    signal '{"type":"leave","user":"bob"}'
    program:expect '^{"event":"leave","user":"bob"}$'
  end)

  it("tells of deleting, clearing and destroying", function()
    local ids = say("1", "2")
    local program = follow_json("--last", "1")
    run { "delete", "lobby", ids[1], "--as", "op" }
    program:expect(('^{"event":"delete","id":"%s","at":[%%d.]+,"user":"op","target":"%s"}$'):format(
      ID, (ids[1]:gsub("%-", "%%-"))))
    run { "clear", "lobby", "--yes", "--as", "op" }
    program:expect('^{"event":"clear","id":"' .. ID .. '","at":[%d.]+,"user":"op"}$')
    run { "destroy", "lobby", "--yes" }
    program:expect('^{"event":"gap","from":"' .. ID
      .. '","to":null,"missing":null,"reason":"%a+"}$')
  end)

  it("goes on after its connection was lost, without missing anything", function()
    say "1"
    local program = follow_json("--last", "1", "--count", "103")
    local more = {}
    for round = 1, 3 do
      say("lost " .. round)
      session.server:call("CLIENT", "KILL", "TYPE", "pubsub")
      program:expect '^{"event":"reconnect"}$'
    end
    for number = 1, 99 do more[number] = "more " .. number end
    say(table.unpack(more))
    assert.equal(0, program:wait())
    local expected = { "1", "lost 1", "lost 2", "lost 3", table.unpack(more) }
    assert.equal(table.concat(expected, " "), texts { stdout = program:output() })
  end)

  it("tells what the history does not have any more", function()
    local first = say("1", "2", "3")[1]
    session.server:call("XTRIM", "{room:lobby}:log", "MAXLEN", "0")
    local last = say("4")[1]
    local program = follow("--json", "--from", first, "--count", "1")
    assert.equal(0, program:wait())
    assert.is_truthy(program:output():find(
      ('{"event":"gap","from":"%s","to":"%s","missing":null,"reason":"trimmed"}\n'):format(first,
        last), 1, true), program:output())
    program = follow("--from", first, "--count", "1")
    assert.equal(0, program:wait())
    assert.matches("%-%- missed some messages %(trimmed%)\n.*<ann> 4\n$", program:output())
  end)

  it("ends in order on SIGTERM and Ctrl-C", function()
    for _, how in ipairs { "TERM", "INT" } do
      local program = follow_json()
      program:signal(how)
      assert.equal(0, program:wait())
      assert.equal("", program:errors())
    end
  end)

  it("paints on a terminal, unless it is told not to", function()
    say "hi"
    local function shown(env)
      env.REDIS_URL, env.TERM = session.server.url, "xterm"
      return run({ "follow", "lobby", "--last", "1", "--count", "1", tty = true, env = env }).stdout
    end
    assert.matches("%-%- %d%d%d%d%-%d%d%-%d%d.*%d%d:%d%d:%d%d.*\27%[38;5;%d+m<ann>\27%[0m hi",
      shown { NO_COLOR = false })
    assert.is_nil(shown({ NO_COLOR = "1" }):find("\27[", 1, true))
  end)

  it("names what it may not do", function()
    session.server:call("ACL", "SETUSER", "default", "resetchannels", "&other")
    local result = run { "follow", "lobby" }
    assert.equal(1, result.status)
    assert.matches("^moonpool follow: cannot follow lobby: .*room:lobby", result.stderr)
  end)

  it("takes wrong usage for what it is", function()
    for words, why in pairs {
      ["--last x"] = "a whole number from 0 on is needed, not 'x'",
      ["--from 7"] = "'7' is not the id of a message", ["--since soon"] = "bad time 'soon'",
      ["--last 1 --since 1m"] = "can not be used together",
      ["--count 0"] = "a whole number above 0",
    } do
      local words_of = { "follow", "lobby" }
      for word in words:gmatch "%S+" do words_of[#words_of + 1] = word end
      local result = run(words_of)
      assert.equal(2, result.status)
      assert.is_truthy(result.stderr:find(why, 1, true), result.stderr)
    end
  end)
end)
