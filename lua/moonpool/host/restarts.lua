--- How often a worker may fail: the limit, and the pauses before it is started again.
local restarts = {}

---@class moonpool.host.restarts
---@field package max integer
---@field package within number
---@field package backoff_min number
---@field package backoff_max number
---@field package now fun(): number
---@field package times number[] of the failures that count, oldest first
local restarts_methods = {}
local restarts_mt = { __name = "moonpool.host.restarts", __index = restarts_methods }

---@class moonpool.host.restarts.options
---@field max integer this many failures within `within` seconds are endured
---@field within number seconds
---@field backoff_min number seconds before the second start; doubled for each further one
---@field backoff_max number seconds at most
---@field now fun(): number a clock, seconds

---@param options moonpool.host.restarts.options
---@return moonpool.host.restarts
function restarts.new(options)
  return setmetatable({
    max = options.max, within = options.within, backoff_min = options.backoff_min,
    backoff_max = options.backoff_max, now = options.now, times = {},
  }, restarts_mt)
end

--- Counts a failure that has just come.
---@return number? pause seconds until the next start: none after the first failure; nil when there
--- were too many
function restarts_methods:failed()
  local now, times = self.now(), self.times
  while times[1] and times[1] <= now - self.within do table.remove(times, 1) end
  times[#times + 1] = now
  if #times > self.max then return nil end
  if #times == 1 then return 0 end
  return math.min(self.backoff_min * 2.0 ^ (#times - 2), self.backoff_max)
end

return restarts
