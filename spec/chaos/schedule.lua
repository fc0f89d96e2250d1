-- What happens when in a chaos run: made of a seed alone, so that it can be had again.
--
--   local list = require("spec.chaos.schedule").make { random =, seconds =, every = 0.4,
--                  only = { "kill", … } }
--   list[1]           { at = seconds from the beginning, action = "kill", … }, by time
--   schedule.describe(step)     in one line
--
-- Actions (faults.lua does them):
--   kill       kind = "pubsub" | "normal": CLIENT KILL of all links of that type
--   kill_one   kind, choice (0…1): of one of them
--   forget     SCRIPT FLUSH
--   overflow   bytes: a foreign PUBLISH that is larger than what a subscriber may have waiting
--   stall      seconds: SIGSTOP, SIGCONT
--   restart    seconds: SIGKILL, and started again after them
--   end_worker choice (0…1): a writer's or follower's process is SIGKILLed, and goes on anew where
--              it was
local schedule = {}

local ACTIONS = {
  { "kill", 5, function(random, step) step.kind = random:pick { "pubsub", "normal" } end },
  { "kill_one", 4, function(random, step)
    step.kind = random:pick { "pubsub", "normal" }
    step.choice = random:float(0, 1)
  end },
  { "forget", 3 },
  { "overflow", 3, function(random, step) step.bytes = random:integer(300000, 1500000) end },
  { "stall", 2, function(random, step)
    step.seconds = random:chance(0.3) and random:float(1.1, 1.8) or random:float(0.02, 0.3)
  end },
  { "restart", 2, function(random, step)
    step.seconds = random:chance(0.5) and 0 or random:float(0.01, 0.4)
  end },
  { "end_worker", 2, function(random, step) step.choice = random:float(0, 1) end },
}

local function chosen(only)
  if not only then return ACTIONS end
  local wanted, actions = {}, {}
  for _, name in ipairs(only) do wanted[name] = true end
  for _, action in ipairs(ACTIONS) do
    if wanted[action[1]] then actions[#actions + 1] = action end
  end
  return actions
end

local function pick(random, actions)
  local sum = 0
  for _, action in ipairs(actions) do sum = sum + action[2] end
  local left = random:float(0, sum)
  for _, action in ipairs(actions) do
    left = left - action[2]
    if left < 0 then return action end
  end
  return actions[#actions]
end

---@param options { random: table, seconds: number, every: number?, only: string[]? }
function schedule.make(options)
  local random, actions = options.random, chosen(options.only)
  local every, list = options.every or 0.4, {}
  local at = random:float(0, every)
  while at < options.seconds do
    local action = pick(random, actions)
    local step = { at = at, action = action[1] }
    if action[3] then action[3](random, step) end
    list[#list + 1] = step
    -- Now and then two at once.
    at = at + (random:chance(0.15) and 0 or random:float(0.2, 1.8) * every) + (step.seconds or 0)
  end
  return list
end

function schedule.describe(step)
  local parts = { ("%7.3f %s"):format(step.at, step.action) }
  for _, name in ipairs { "kind", "choice", "bytes", "seconds", "clock", "tail" } do
    local value = step[name]
    if value then
      local format = math.type(value) == "float" and "%s=%.3f" or "%s=%s"
      parts[#parts + 1] = format:format(name, value)
    end
  end
  return table.concat(parts, " ")
end

return schedule
