-- A worker that is killed while people talk in many rooms, and make new ones.
local host_run = require "spec.support.host_run"
local moonpool = require "moonpool"
local system = require("moonpool.core").system

local SECONDS = 60
local OF_NEW_ROOM = 5

describe("a worker that is killed", function()
  local run
  after_each(function() run:close() end)

  -- How often a bot has answered each number in a room: its missing and doubled ones.
  local function faults_in(name, said)
    local answers, faults = {}, {}
    local history = run.redis:room(name):history { last = 100000, limit = 100000 }
    for _, message in ipairs(assert(history)) do
      if message.user == "echo" then answers[message.text] = (answers[message.text] or 0) + 1 end
    end
    for number = 1, said do
      local count = answers[tostring(number)] or 0
      if count ~= 1 then faults[#faults + 1] = ("%s %d: %d answers"):format(name, number, count) end
    end
    return faults
  end

  local function await_answers(said)
    local deadline = moonpool.now() + SECONDS
    for name, count in pairs(said) do
      local faults = faults_in(name, count)
      while #faults > 0 and moonpool.now() < deadline do
        moonpool.sleep(0.05)
        faults = faults_in(name, count)
      end
      assert.same({}, faults)
    end
  end

  it("has its bots answer all that was said, once, in rooms old and new", function()
    run = host_run.open { scripts = { ["echo.lua"] = host_run.ECHO } }
    moonpool.run(function()
      local said, tasks, is_over = {}, {}, false
      local function talk(name, limit)
        said[name] = 0
        local room = assert(run.redis:room(name, { keep = 100000 }))
        tasks[#tasks + 1] = moonpool.spawn(function()
          while not is_over and said[name] < limit do
            said[name] = said[name] + 1
            assert(room:say(tostring(said[name]), { user = "writer" }))
            moonpool.sleep(0.005)
          end
        end)
      end
      for number = 1, 5 do talk("old" .. number, math.huge) end
      local maker = moonpool.spawn(function()
        local count = 0
        while not is_over do
          count = count + 1
          talk("new" .. count, OF_NEW_ROOM)
          moonpool.sleep(0.01)
        end
      end)
      for _ = 1, 2 do
        moonpool.sleep(0.3) -- of talk, for the kill to be in the midst of it
        system.kill(run:worker(), "SIGKILL")
        run.host:expect_error "^moonpool: ready"
      end
      is_over = true
      maker:await()
      for _, task in ipairs(tasks) do task:await() end
      await_answers(said)
    end)
  end)
end)
