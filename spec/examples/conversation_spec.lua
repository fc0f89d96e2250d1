local irc_reader = require "moonpool.irc_reader"
local json = require("moonpool").json
local program = require "spec.support.program"
local room_frame = require "moonpool.room_frame"
local redis_server = require "spec.support.redis"

describe("examples/conversation.log", function()
  local server, bots, reader

  setup(function()
    server = redis_server.start()
    reader = program.moonpool { "sub", "--json", "room:moonpool", "--redis", server.url }
    reader:expect '"event":"subscribe"'
    bots = program.moonpool { "run", "examples/bots", "--redis", server.url }
    bots:expect_error "^moonpool: ready %(8 bots, room:%*%)$"
  end)

  teardown(function()
    bots:stop()
    reader:stop()
    server:stop()
  end)

  -- Who of the bots says something next.
  local function next_bot()
    repeat
      local event = json.decode((reader:expect '"event":"message"'))
      local message = json.decode((room_frame.open(event.payload)))
      if message.bot then return message.user end
    until false
  end

  it("has lines of every kind and no other", function()
    local log = assert(irc_reader.open { "examples/conversation.log" })
    repeat until not log:next()
    for _, kind in ipairs { "message", "action", "join", "leave", "rename" } do
      assert.is_true(log.counts[kind] > 0, kind)
    end
    assert.equal(0, log.counts.event + log.counts.unparsable)
  end)

  it("gets an answer from every bot", function()
    local replay = program.run_moonpool {
      "replay", "--room", "moonpool", "examples/conversation.log", "--redis", server.url,
    }
    assert.equal(0, replay.status, replay.stderr)
    local answers = { greeter = 0, dice = 0, seen = 0, stats = 0 }
    for _ = 1, 10 do
      local bot = next_bot()
      answers[bot] = answers[bot] + 1
    end
    assert.same({ greeter = 4, dice = 3, seen = 2, stats = 1 }, answers)
  end)
end)
