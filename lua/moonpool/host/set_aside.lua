--- The scripts for which a worker had to be killed: each new worker is told of them and leaves each
--- one out for a while, which doubles with every time.
local set_aside = {}

local FORGET_SECONDS = 3600 -- of good behaviour

---@class moonpool.host.set_aside.entry
---@field name string of the script
---@field reason string
---@field times integer how often
---@field retry_in number seconds until it is to be tried again; 0: now

---@class moonpool.host.set_aside
---@field package retry_min number
---@field package retry_max number
---@field package now fun(): number
---@field package entries table<string, { reason: string, times: integer, retry_at: number }>
local set_aside_methods = {}
local set_aside_mt = { __name = "moonpool.host.set_aside", __index = set_aside_methods }

---@param options { retry_min: number, retry_max: number, now: fun(): number } seconds
---@return moonpool.host.set_aside
function set_aside.new(options)
  return setmetatable({
    retry_min = options.retry_min, retry_max = options.retry_max, now = options.now, entries = {},
  }, set_aside_mt)
end

local function forget_the_good(self)
  local long_ago = self.now() - FORGET_SECONDS
  for name, entry in pairs(self.entries) do
    if entry.retry_at < long_ago then self.entries[name] = nil end
  end
end

--- Sets a script aside.
---@param name string
---@param reason string
---@return number retry_in seconds until it is to be tried again
function set_aside_methods:add(name, reason)
  forget_the_good(self)
  local entry = self.entries[name] or { times = 0 }
  entry.times, entry.reason = entry.times + 1, reason
  local pause = math.min(self.retry_min * 2.0 ^ (entry.times - 1), self.retry_max)
  entry.retry_at = self.now() + pause
  self.entries[name] = entry
  return pause
end

--- Those that a worker which starts now should know, by name.
---@return moonpool.host.set_aside.entry[]
function set_aside_methods:list()
  forget_the_good(self)
  local list, now = {}, self.now()
  for name, entry in pairs(self.entries) do
    list[#list + 1] = { name = name, reason = entry.reason, times = entry.times,
      retry_in = math.max(0, entry.retry_at - now) }
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

return set_aside
