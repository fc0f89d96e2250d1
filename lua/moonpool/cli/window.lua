--- Work on each line of an input: a bounded number under way at a time, begun in order.
local moonpool = require "moonpool"

local window = {}

local PLACES = 1024

--- Calls fn(line, number) for each line, in a task each; returns when the last one has ended. When
--- `lines` is closed meanwhile, no further line is begun.
---@param lines table from system.lines
---@param fn fun(line: string, number: integer)
---@return string? problem why the input could not be read to its end
function window.each_line(lines, fn)
  -- Tasks are kept in a ring: before one takes a place, the one that has it must have ended.
  local ring, number, problem = {}, 0, nil
  while true do
    local line, message, code = lines:next()
    if message and code ~= "ECLOSED" then problem = "standard input: " .. message end
    if not line then break end
    number = number + 1
    local place = number % PLACES
    if ring[place] then ring[place]:await() end
    ring[place] = moonpool.spawn(fn, line, number)
  end
  for _, task in pairs(ring) do task:await() end
  return problem
end

return window
