-- The short chaos run; the long one is ./run. $CHAOS_SEED sets another seed.
local chaos = require "spec.chaos.chaos"
local checker = require "spec.chaos.checker"
local judge = require "spec.chaos.judge"
local loop = require "spec.core.loop"
local random = require "spec.chaos.random"
local schedule = require "spec.chaos.schedule"

local SEED = math.tointeger(tonumber(os.getenv "CHAOS_SEED")) or 124
local SECONDS = 4

local function steps_of(seed)
  local lines = {}
  for _, step in ipairs(schedule.make { random = random.new(seed), seconds = 60 }) do
    lines[#lines + 1] = schedule.describe(step)
  end
  return table.concat(lines, "\n")
end

describe("a chaos run", function()
  it("has the same schedule from the same seed, with every action", function()
    assert.equal(steps_of(7), steps_of(7))
    assert.not_equal(steps_of(7), steps_of(8))
    for _, action in ipairs { "kill", "kill_one", "forget", "overflow", "stall", "restart",
      "end_worker" } do
      assert.matches(" " .. action, steps_of(7), 1, true)
    end
  end)

  it("keeps every promise, and the checker would tell if not", function()
    loop.run(function()
      local steps = {}
      local run = chaos.run { seed = SEED, seconds = SECONDS, writers = 4, followers = 4,
        print = function(line) steps[#steps + 1] = line end }
      local context = ("seed %d: %s\n%s\n%s"):format(SEED, judge.describe(run),
        checker.describe(run.result.faults), table.concat(steps, "\n"))
      assert(#run.result.faults == 0, context)
      local figures = run.result.figures
      assert(figures.acknowledged > 100 and figures.delivered > 500, context)
      assert(figures.reconnects > 0 and figures.gaps == 0, context)
      local unnoticed, count = judge.unnoticed(run, SEED, 1)
      assert(count > 30 and #unnoticed == 0, context .. table.concat(unnoticed, "\n"))
    end, 400)
  end)
end)
