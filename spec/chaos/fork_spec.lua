-- Forks of history; ./run --mode sentinel has more of them.
local checker = require "spec.chaos.checker"
local fork = require "spec.chaos.fork"
local judge = require "spec.chaos.judge"
local loop = require "spec.core.loop"

local SEED = math.tointeger(tonumber(os.getenv "CHAOS_SEED")) or 1

describe("a replica that is promoted without the tail", function()
  local function play(options)
    local run
    options.seed, options.writers, options.followers = SEED, 2, 3
    loop.run(function() run = fork.run(options) end, 400)
    local context = ("seed %d: %s\n%s"):format(SEED, judge.describe(run),
      checker.describe(run.result.faults))
    assert(#run.result.faults == 0, context)
    assert(run.result.figures.lost > 0 and run.result.figures.gaps > 0, context)
    local unnoticed = judge.unnoticed(run, SEED, 1)
    assert(#unnoticed == 0, context .. table.concat(unnoticed, "\n"))
    return run
  end

  it("is reported once to each follower, and nothing after it is lost", function()
    play { clock = "equal" }
  end)

  it("has a clock that is 5 s behind", function()
    play { clock = "behind" }
  end)

  it("has the same ids for other messages", function()
    local run = play { clock = "collide" }
    assert.is_true(#run.collisions > 0)
  end)

  it("has trimmed its history when a follower comes back", function()
    local run = play { clock = "collide", trim = true }
    assert.equal("", checker.describe(run.trimmed.result.faults))
    assert.equal(1, run.trimmed.result.figures.gaps)
  end)
end)
