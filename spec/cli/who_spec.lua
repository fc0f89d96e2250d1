local json = require("moonpool").json
local new_session = require "spec.support.session"
local scratch = require "spec.support.scratch"

describe("moonpool who", function()
  local session = new_session(before_each, after_each)
  local start, run = session.start, session.run

  local function join(user)
    local chat = start { "chat", "lobby", "--as", user, stdin = "pipe" }
    scratch.wait_until(function()
      return run({ "who", "lobby" }).stdout:find(user .. "\t", 1, true)
    end)
    return chat
  end

  it("prints who is there, since when, from how many places", function()
    assert.same({ status = 0, stdout = "", stderr = "" }, run { "who", "lobby" })
    assert.equal("0\n", run({ "who", "lobby", "--count" }).stdout)
    join "ann"
    local bob = join "bob"
    assert.matches("^ann\t%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d\t1 place\nbob\t", run({
      "who", "lobby" }).stdout)
    assert.equal("2\n", run({ "who", "room:lobby", "--count" }).stdout)
    assert.equal('{"count":2}\n', run({ "who", "lobby", "--count", "--json" }).stdout)
    local first = json.decode((run({ "who", "lobby", "--json" }).stdout:match "^[^\n]+"))
    assert.same({ "ann", 1 }, { first.user, first.places })
    assert.is_true(math.abs(first.since - require("moonpool").time()) < 600)
    bob:close_stdin()
    assert.equal(0, bob:wait())
    assert.equal("1\n", run({ "who", "lobby", "--count" }).stdout)
  end)

  it("names each of thousands once", function()
    local moonpool = require "moonpool"
    moonpool.run(function()
      local client = assert(moonpool.connect(session.server.url))
      local room, tasks = client:room "lobby", {}
      for number = 1, 2500 do
        tasks[number] = moonpool.spawn(function() assert(room:join { user = "u" .. number }) end)
      end
      for _, task in ipairs(tasks) do assert(task:await() == nil) end
      local result = run { "who", "lobby" }
      local seen, count = {}, 0
      for user in result.stdout:gmatch "(u%d+)\t" do
        if not seen[user] then count = count + 1 end
        seen[user] = true
      end
      local _, lines = result.stdout:gsub("\n", "")
      assert.same({ 0, 2500, 2500 }, { result.status, count, lines })
      client:close()
    end)
  end)

  it("tells what it may not do", function()
    session.server:call("ACL", "SETUSER", "default", "-evalsha", "-eval", "-hscan", "-hlen")
    for _, words in ipairs { { "who", "lobby" }, { "who", "lobby", "--count" } } do
      local result = run(words)
      assert.equal(1, result.status)
      assert.matches("^moonpool who: cannot .* lobby: .*NOPERM", result.stderr)
    end
  end)
end)
