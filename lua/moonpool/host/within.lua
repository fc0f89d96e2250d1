--- Calls that may await, but not for ever.
local core = require "moonpool.core"

local within = {}

local spawn, now = core.spawn, core.now

-- Awaits the call until then, and no longer than that; whether it ended.
local function await_until(call, time)
  local latch = core.system.latch()
  call.latch = latch
  local timer = core.timer(math.max(time - now(), 0.001), function() latch:open() end)
  latch:wait()
  timer:close()
  return call.is_over
end

local function run(call, fn, ...)
  call.results = table.pack(pcall(fn, ...))
  call.is_over = true
  if call.latch then call.latch:open() end
end

--- Calls a function in a task of its own, and awaits it as long as each of its steps takes no
--- longer than that. What takes longer goes on, and its results are dropped.
---@param seconds number
---@param steps { began: number } the function notes here when it begins a step
---@param fn function
---@return boolean? ok false: it raised, with what; nil: a step took longer
---@return any ... its results
function within.steps(seconds, steps, fn, ...)
  local call = { is_over = false }
  steps.began = now()
  spawn(run, call, fn, ...)
  while not call.is_over do
    local deadline = steps.began + seconds
    if not await_until(call, deadline) and steps.began + seconds <= now() then return nil end
  end
  return table.unpack(call.results, 1, call.results.n)
end

--- The same of a function that is one step.
---@param seconds number
---@param fn function
---@return boolean? ok
---@return any ...
function within.call(seconds, fn, ...) return within.steps(seconds, {}, fn, ...) end

return within
