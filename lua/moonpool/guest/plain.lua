--- What can be handed to the next version of a script: values without functions and the like.
local MAX_DEPTH = 30

local PLAIN = { string = true, number = true, boolean = true, ["nil"] = true }

local problem_of

local function problem_in(value, null, depth)
  if depth > MAX_DEPTH then return "its tables are nested too deep" end
  for key, item in next, value do
    if not PLAIN[type(key)] then return "it has a key that is a " .. type(key) end
    local problem = problem_of(item, null, depth + 1)
    if problem then return problem end
  end
end

function problem_of(value, null, depth)
  if type(value) == "table" then return problem_in(value, null, depth) end
  if PLAIN[type(value)] or value == null then return nil end
  return "it has a " .. type(value)
end

--- A copy of a table without the fields that cannot be handed over, and what is wrong with those.
---@param fields table
---@param null any
---@return table copy
---@return string[] problems
return function(fields, null)
  local copy, problems = {}, {}
  for name, value in next, fields do
    local problem = "a name must be a string or number"
    if PLAIN[type(name)] then problem = problem_of(value, null, 1) end
    if problem then
      problems[#problems + 1] = string.format("%s is not handed over: %s", tostring(name), problem)
    else
      copy[name] = value
    end
  end
  return copy, problems
end
