-- Of a run: whether it kept every promise, and whether the checker would have told if not.
--
--   judge.describe(run)              its figures in one line
--   judge.unnoticed(run, seed, 5)    names of falsifications of its facts that the checker does not
--                                    name: of each kind at most so many are tried; and how many
--                                    were tried
local checker = require "spec.chaos.checker"
local fact_mutants = require "spec.chaos.fact_mutants"
local random = require "spec.chaos.random"

local judge = {}

local FIGURES = { "entries", "says", "acknowledged", "refused", "lost", "delivered", "gaps",
  "reconnects" }

function judge.describe(run)
  local words = {}
  for index, name in ipairs(FIGURES) do
    words[index] = ("%s %d"):format(name, run.result.figures[name])
  end
  return table.concat(words, ", ")
end

local function is_named(mutant)
  for _, fault in ipairs(checker.check(mutant.facts).faults) do
    if mutant.kinds[fault.kind] then return true end
  end
  return false
end

function judge.unnoticed(run, seed, most)
  local names, count = {}, 0
  for mutant in fact_mutants.each(run.facts, random.new(seed), most) do
    count = count + 1
    if not is_named(mutant) then names[#names + 1] = mutant.name end
  end
  return names, count
end

return judge
