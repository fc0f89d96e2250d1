local irc_log = require "spec.support.irc_log"
local json = require("moonpool").json
local program = require "spec.support.program"
local redis_server = require "spec.support.redis"
local room_frame = require "moonpool.room_frame"
local replay_check = require "spec.support.replay_check"
local scratch = require "spec.support.scratch"

local LOG = table.concat({
  "=== ann [~a@pool]  has joined #pool",
  "[10:00] <ann> \"quoted\" \\ and caf\xE9",
  "[10:00]  * ann waves",
  "=== mode/#pool [+o ann]  by ChanServ",
  "=== ann is now known as anne",
  "nonsense",
  "=== anne [~a@pool]  has left #pool []",
  "",
}, "\n")

local PAYLOADS = {
  '{"type":"join","user":"ann"}',
  '{"user":"ann","text":"\\"quoted\\" \\\\ and caf\u{FFFD}"}',
  '{"type":"action","user":"ann","text":"waves"}',
  '{"type":"rename","user":"ann","to":"anne"}',
  '{"type":"leave","user":"anne"}',
}

describe("moonpool replay", function()
  local server, reader

  before_each(function()
    server = redis_server.start()
    reader = program.moonpool { "sub", "--json", "--pattern", "*", "--redis", server.url }
    reader:expect '"event":"subscribe"'
  end)

  after_each(function()
    reader:stop()
    server:stop()
  end)

  local function write_log(text)
    return scratch.write(scratch.folder() .. "/pool.log", text or LOG)
  end

  local function replay(options)
    local command = { "replay", "--redis", server.url }
    for index, word in ipairs(options) do command[4 + index - 1] = word end
    for _, name in ipairs { "stdin", "tty", "columns" } do command[name] = options[name] end
    return program.run_moonpool(command)
  end

  local function next_event() return json.decode((reader:expect '"event":"message"')) end

  it("says what a log says, in order", function()
    local result = replay { "--room", "room:pool", write_log() }
    assert.equal(0, result.status, result.stderr)
    for number, payload in ipairs(PAYLOADS) do
      local event = next_event()
      local body, id = room_frame.open(event.payload)
      assert.same({ "room:pool", payload }, { event.channel, body })
      assert.matches("^%d+%-" .. number .. "%-%x+$", id)
    end
  end)

  it("leaves it in the history, of the kind and as much as it is told", function()
    local function texts(command, ...)
      local found = {}
      for index, member in ipairs(server:call(command, "{room:pool}:backlog", ...)) do
        found[index] = room_frame.open(member):match '"text":"(%w*)"'
      end
      return table.concat(found, " ")
    end
    local log = write_log "[10:00] <a> 1\n[10:00] <a> 2\n[10:00] <a> 3\n[10:00] <a> 4\n"
    for kind, expected in pairs { list = "4 3 2", sorted = "2 3 4" } do
      server:call("FLUSHALL")
      local result = replay { "--room", "pool", "--history", kind, "--keep", "3", log }
      assert.equal(0, result.status, result.stderr)
      assert.equal(expected,
        texts(kind == "list" and "LRANGE" or "ZRANGE", "0", "-1"))
      assert.matches("^" .. kind .. " 3 0 %x+$", server:call("GET", "{room:pool}:config"))
    end
    local other = replay { "--room", "pool", "--history", "stream", log }
    assert.equal(1, other.status)
    assert.matches("cannot say it: .*not a stream", other.stderr)
  end)

  it("goes into room ubuntu unless told otherwise", function()
    replay { write_log() }
    assert.equal("room:ubuntu", next_event().channel)
  end)

  it("reads standard input for -", function()
    assert.equal(0, replay({ "-", stdin = "[10:00] <a> piped\n" }).status)
    assert.equal('{"user":"a","text":"piped"}', (room_frame.open(next_event().payload)))
  end)

  it("sums up what it did", function()
    local result = replay { write_log(), write_log() }
    assert.matches("^10 events into ubuntu in %d+%.%d%d s, [%d,]+ a second\n"
      .. "  2 messages, 2 actions, 2 joins, 2 leaves, 2 renames\n"
      .. "  4 skipped of 14 lines: 2 other events, 2 not understood\n$", result.stdout)
    assert.equal("", result.stderr)
  end)

  it("sums it up as JSON", function()
    local summary = json.decode(replay({ "--json", write_log() }).stdout)
    assert.is_true(summary.seconds >= 0 and summary.rate > 0)
    summary.seconds, summary.rate = nil, nil
    assert.same({ room = "ubuntu", files = 1, lines = 7, events = 5, messages = 1, actions = 1,
      joins = 1, leaves = 1, renames = 1, skipped = 2, other_events = 1, unparsable = 1 }, summary)
  end)

  it("keeps the log's times, as many times faster as it is told", function()
    local log = write_log "[10:00] <a> 1\n[10:00] <a> 2\n[10:01] <a> 3\n[10:04] <a> 4\n"
    local result = replay { "--speed", "600", "--json", log }
    assert.equal(0, result.status, result.stderr)
    local seconds = json.decode(result.stdout).seconds -- 240 s of log
    assert.is_true(seconds >= 0.39 and seconds < 100, seconds)
  end)

  it("names a file that it cannot read, before it publishes anything", function()
    local missing = replay { write_log(), "/nonexistent/b.log" }
    assert.equal(1, missing.status)
    assert.equal("moonpool replay: /nonexistent/b.log: No such file or directory\n", missing.stderr)
    local folder = replay { write_log(), "/tmp" }
    assert.equal(1, folder.status)
    assert.equal("moonpool replay: /tmp: Is a directory\n", folder.stderr)
    server:call("PUBLISH", "end", "x")
    assert.equal("end", next_event().channel)
  end)

  it("takes wrong usage for what it is", function()
    local log = write_log()
    for _, options in ipairs { {}, { "--speed", "0", log }, { "--speed", "fast", log },
      { "--room", "a{b}", log }, { "--history", "heap", log }, { "--keep", "-1", log } } do
      local result = replay(options)
      assert.equal(2, result.status)
      assert.matches("^Usage: moonpool replay", result.stderr)
    end
  end)

  it("says where it was when Redis refused", function()
    local log = write_log(("[10:00] <a> x\n[10:01] <a> y\n"):rep(1000))
    local running = program.moonpool { "replay", "--speed", "600", "--redis", server.url, log }
    next_event()
    server:call("ACL", "SETUSER", "default", "-evalsha", "-eval")
    assert.equal(1, running:wait(), running:errors())
    assert.matches("^moonpool replay: at .*/pool%.log:%d+: cannot say it: .*NOPERM",
      running:errors())
    assert.matches("^%d+ events into ubuntu", running:output())
  end)

  it("says where it was when others are not told", function()
    server:call("ACL", "SETUSER", "default", "-publish")
    local result = replay { "--room", "pool", write_log() }
    assert.equal(1, result.status)
    assert.matches("cannot say it: room:pool: stored, not announced", result.stderr)
    assert.matches("^5 events into pool", result.stdout)
  end)

  it("ends when it is told to, with a summary of what it published", function()
    local log = write_log "[10:00] <a> x\n[11:00] <a> y\n"
    local running = program.moonpool { "replay", "--speed", "1", "--json", "--redis", server.url,
      log }
    next_event()
    running:signal "INT"
    assert.equal(0, running:wait())
    assert.equal(1, json.decode(running:output()).events)
    assert.equal("moonpool replay: stopped before the end\n", running:errors())
  end)

  it("shows how far it is on a terminal", function()
    local result = replay { write_log(), tty = true }
    assert.is_truthy(result.stdout:find("░", 1, true))
    assert.is_truthy(result.stdout:find("pool.log", 1, true))
    assert.matches("\r\27%[K5 events into ubuntu", result.stdout)
  end)
end)

describe("a log replayed at full speed", function()
  it("reaches a subscriber and a bot in processes of their own, whole and in order", function()
    local log = irc_log.generate { lines = 20000 }
    local path = scratch.write(scratch.folder() .. "/generated.log", log.text)
    local report = replay_check.run({ path }, { seconds = 120 })
    assert.same({}, report.problems)
    local expected = log.counts.message + log.counts.action
    assert.same({ expected, expected, expected },
      { report.expected, report.received, report.counted })
    for _, kind in ipairs { "message", "action", "join", "rename" } do
      assert.equal(log.counts[kind], report.summary[kind .. "s"])
    end
    assert.equal(log.counts.leave, report.summary.leaves)
    assert.equal(#log.events, report.summary.events)
  end)
end)
