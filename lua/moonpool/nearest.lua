--- Which known name somebody may have meant.

-- How many letters must be inserted, removed, changed or swapped with their neighbour to make one
-- word of the other (Damerau and Levenshtein's distance, without changing a letter twice).
local function distance(one, other)
  local before, last, row = {}, {}, {}
  for column = 0, #other do last[column] = column end
  for line = 1, #one do
    row[0] = line
    for column = 1, #other do
      local is_same = one:byte(line) == other:byte(column)
      local least = math.min(last[column] + 1, row[column - 1] + 1,
        last[column - 1] + (is_same and 0 or 1))
      if line > 1 and column > 1 and one:byte(line) == other:byte(column - 1)
        and one:byte(line - 1) == other:byte(column) then
        least = math.min(least, before[column - 2] + 1)
      end
      row[column] = least
    end
    before, last, row = last, row, before
  end
  return last[#other]
end

--- The known name nearest to `name`, if any is near: at most every third letter is another.
---@param name string
---@param known string[] the first of several as near counts
---@return string?
local function nearest(name, known)
  if #name > 100 then return nil end
  local found, least = nil, math.max(1, math.floor(#name / 3)) + 1
  for _, other in ipairs(known) do
    local steps = distance(name:lower(), other:lower())
    if steps < least and steps < #other then found, least = other, steps end
  end
  return found
end

return nearest
