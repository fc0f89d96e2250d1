--- Calls that may await, but not for ever.
local core = require "moonpool.core"

local spawn = core.spawn

-- Whether it ended in time.
local function await(call, seconds)
  local latch = core.system.latch()
  call.latch = latch
  local timer = core.timer(seconds, function() latch:open() end)
  latch:wait()
  timer:close()
  return call.is_over
end

local function run(call, fn, ...)
  call.results = table.pack(pcall(fn, ...))
  call.is_over = true
  if call.latch then call.latch:open() end
end

--- Calls a function in a task of its own, and awaits it for so long. What takes longer goes on, and
--- its results are dropped.
---@param seconds number
---@param fn function
---@return boolean? ok false: it raised, with what; nil: it took longer
---@return any ... its results
local function within(seconds, fn, ...)
  local call = { is_over = false }
  spawn(run, call, fn, ...)
  if call.is_over or await(call, seconds) then
    return table.unpack(call.results, 1, call.results.n)
  end
end

return within
