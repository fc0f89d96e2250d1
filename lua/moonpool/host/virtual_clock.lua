--- A clock that stands still until it is moved, and what is to happen when it shows some time.
local virtual_clock = {}

---@class moonpool.host.virtual_clock
---@field now number seconds since it began
---@field began number its beginning in seconds since 1970
---@field package entries table[] by time, then in the order in which they were made
local methods = {}
local mt = { __name = "moonpool.host.virtual_clock", __index = methods }

--- Seconds since 1970.
---@return number
function methods:time() return self.began + self.now end

local function close(entry) entry.fn = nil end

--- Has a function called when the clock has come so far; now, when that is past, but not at once.
---@param seconds number from now on; whole milliseconds count, as with real timers
---@param fn fun()
---@return { close: fun(self) } entry
function methods:after(seconds, fn)
  local due = self.now + math.ceil(math.max(seconds, 0) * 1000) / 1000
  local entry = { due = due, fn = fn, close = close }
  local entries, first, last = self.entries, 1, #self.entries + 1
  while first < last do
    local middle = (first + last) // 2
    if entries[middle].due <= due then first = middle + 1 else last = middle end
  end
  table.insert(entries, first, entry)
  return entry
end

--- Moves to the next moment at which something is to happen, and has it happen: one thing. false:
--- there is nothing until then.
---@param latest number of `now`
---@return boolean
function methods:step(latest)
  local entry = self.entries[1]
  if not entry or entry.due > latest then return false end
  table.remove(self.entries, 1)
  if not entry.fn then return true end
  if entry.due > self.now then self:set(entry.due) end
  entry.fn()
  return true
end

--- Shows this time from now on; nothing happens by it.
---@param now number
function methods:set(now)
  self.now = now
  self.on_move()
end

---@param began number seconds since 1970
---@param on_move fun() it shows another time
---@return moonpool.host.virtual_clock
function virtual_clock.new(began, on_move)
  return setmetatable({ now = 0, began = began, entries = {}, on_move = on_move }, mt)
end

return virtual_clock
