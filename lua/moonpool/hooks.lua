--- Ordered lists of functions by event. A list is never changed, only replaced, so firing goes
--- through the functions that were there when it began, whatever they add or remove.
local hooks = {}

---@class moonpool.hooks
local hooks_methods = {}
local hooks_mt = { __name = "moonpool.hooks", __index = hooks_methods }

local NONE = {}

--- Adds a function: higher priorities first (default 0), then in order of insertion.
---@param event any
---@param fn function
---@param priority number?
---@return fun() remove takes it out again; harmless when called twice
function hooks_methods:add(event, fn, priority)
  local entry = { fn = fn, priority = priority or 0 }
  local list, placed = {}, false
  for _, other in ipairs(self[event] or NONE) do
    if not placed and entry.priority > other.priority then
      list[#list + 1], placed = entry, true
    end
    list[#list + 1] = other
  end
  if not placed then list[#list + 1] = entry end
  self[event] = list
  return function() self:remove(event, entry) end
end

---@package
function hooks_methods:remove(event, entry)
  local list = {}
  for _, other in ipairs(self[event] or NONE) do
    if other ~= entry then list[#list + 1] = other end
  end
  self[event] = #list > 0 and list or nil
end

--- The functions of an event, as `{ fn =, priority = }` in the order of firing. Not to be changed.
---@return table[]
function hooks_methods:list(event) return rawget(self, event) or NONE end

---@return moonpool.hooks
function hooks.new() return setmetatable({}, hooks_mt) end

return hooks
