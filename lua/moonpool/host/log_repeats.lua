--- Keeps lines of the log that come again and again from flooding it: of each, so many are let
--- through in some time; how many were left out is told when that time is over.
local log_repeats = {}

local MOST_KINDS = 1000 -- remembered at a time

---@class moonpool.host.log_repeats
---@field package most integer lines of a kind within `within` seconds
---@field package within number
---@field package kinds table<string, table>
---@field package count integer of kinds
---@field package tell fun(kind: table) tells of what was left out
local methods = {}
local mt = { __name = "moonpool.host.log_repeats", __index = methods }

local HAS_FAILED = { warning = true, error = true }

-- What makes lines alike: script, event, and the text; of what failed where that was, or the text
-- without its numbers.
local function kind_of(level, message, fields)
  local text = message:sub(1, 200)
  if HAS_FAILED[level] then
    text = fields.script and text:match "^[^%s:]+:%d+:" or text:gsub("%d+", "0")
  end
  return ("%s\0%s\0%s\0%s"):format(level, tostring(fields.script), tostring(fields.event), text)
end

local function end_kind(self, key, kind)
  self.kinds[key], self.count = nil, self.count - 1
  if kind.left_out > 0 then self.tell(kind) end
end

--- Forgets what began before that, and tells what was left out of it.
---@param before number nil: everything
function methods:flush(before)
  local over = {}
  for key, kind in pairs(self.kinds) do
    if not before or kind.since <= before then over[#over + 1] = key end
  end
  table.sort(over, function(one, other)
    local left, right = self.kinds[one].since, self.kinds[other].since
    if left ~= right then return left < right end
    return one < other
  end)
  for _, key in ipairs(over) do end_kind(self, key, self.kinds[key]) end
end

--- Is there anything left out that has not been told?
---@return boolean
function methods:has_left_out()
  for _, kind in pairs(self.kinds) do
    if kind.left_out > 0 then return true end
  end
  return false
end

local function begin_kind(self, key, now, level, message, fields)
  if self.count >= MOST_KINDS then self:flush(nil) end
  local kind = {
    since = now, seen = 0, left_out = 0, level = level, message = message, script = fields.script,
    event = fields.event,
  }
  self.kinds[key], self.count = kind, self.count + 1
  return kind
end

--- May this line be written?
---@param now number seconds
---@param level string
---@param message string
---@param fields table
---@return boolean is_let_through
---@return boolean is_first whether it is the first of its kind that is not
function methods:take(now, level, message, fields)
  if self.most == 0 then return true, false end
  local key = kind_of(level, message, fields)
  local kind = self.kinds[key]
  if kind and now - kind.since >= self.within then
    end_kind(self, key, kind)
    kind = nil
  end
  kind = kind or begin_kind(self, key, now, level, message, fields)
  kind.seen = kind.seen + 1
  if kind.seen <= self.most then return true, false end
  kind.left_out = kind.left_out + 1
  return false, kind.left_out == 1
end

---@param most integer lines of a kind; 0: no limit
---@param within number seconds
---@param tell fun(kind: { level: string, message: string, script: any, event: any,
--- left_out: integer })
---@return moonpool.host.log_repeats
function log_repeats.new(most, within, tell)
  return setmetatable({ most = most, within = within, tell = tell, kinds = {}, count = 0 }, mt)
end

return log_repeats
