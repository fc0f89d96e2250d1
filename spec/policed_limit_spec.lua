-- A rate limit that many programs share: all that was said, and no more than was allowed.
local loop = require "spec.core.loop"
local program = require "spec.support.program"
local redis_server = require "spec.support.redis"

local PROCESSES, MESSAGES, SECONDS = 8, 40, 4.3
local BUCKET = "moonpool:bucket:rate_limit:user:6:chatty:ann"

describe("a rate limit of eight programs", function()
  local server
  local speakers = {}

  setup(function() server = redis_server.start() end)
  teardown(function()
    for _, speaker in ipairs(speakers) do speaker:stop() end
    server:stop()
  end)

  -- When the last token was taken, in microseconds; units that were missing then, units of a token.
  local function bucket()
    local at, missing, units = tostring(server:call("GET", BUCKET)):match "^(%d+):(%d+):(%d+)$"
    return math.tointeger(at), math.tointeger(missing), math.tointeger(units)
  end

  local function start_all()
    for index = 1, PROCESSES do
      speakers[index] = program.start { "lua5.4", "spec/policed_process.lua", server.url,
        tostring(MESSAGES), tostring(SECONDS),
        env = { LUA_PATH = package.path, LUA_CPATH = package.cpath } }
    end
    for _, speaker in ipairs(speakers) do speaker:expect "^ready$" end
  end

  local function let_speak(seconds)
    for _ = 1, PROCESSES do server:call("RPUSH", "go", 1) end
    server:call("BLPOP", "nothing", seconds)
    server:call("SET", "stop", 1)
    local said, rejected = 0, 0
    for _, speaker in ipairs(speakers) do
      local _, yes, no = speaker:expect "^(%d+)%s+(%d+)$"
      said, rejected = said + yes, rejected + no
    end
    return math.tointeger(said), math.tointeger(rejected)
  end

  it("lets as many messages through as it says, to the message", function()
    start_all()
    loop.run(function()
      local room = loop.connect {
        url = server.url,
        policies = { { "rate_limit", messages = MESSAGES, seconds = SECONDS } },
      }:room("chatty", { keep = 0 })
      assert(room:say("hi", { user = "ann" }))
      local began, missing_first = bucket()
      local said, rejected = let_speak(1)
      while room:say("hi", { user = "ann" }) do said = said + 1 end
      local ended, missing, units = bucket()

      assert.is_true(said >= MESSAGES - 1 and rejected > 0, said .. " said")
      assert.equal(said * units, missing - missing_first + (ended - began) * MESSAGES)
      assert.equal(said + 1, server:call("XLEN", "{room:chatty}:log"))
    end)
  end)
end)
