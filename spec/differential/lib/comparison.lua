-- Compares what both sides have written, step by step, and tells what differs.
local json = require "moonpool".json
local mutants = require "mutants"
local normal = require "normal"
local steps = require "steps"

local SHOWN = 400 -- characters of a reply

local comparison = {}

local function read_replies(path, count, name)
  local list = {}
  for line in io.lines(path) do list[#list + 1] = assert(json.decode(line)) end
  if #list ~= count then
    error(("%s gave %d replies to %d steps"):format(name, #list, count), 0)
  end
  return list
end

local function readable(value)
  local tag, part = value[1], value[2]
  if tag == "s" or tag == "e" then
    local text = ("%q"):format(normal.text_of(part)):gsub("[^\x20-\x7e]", "?")
    return tag == "e" and "error " .. text or text
  elseif type(part) == "table" then
    local parts = {}
    for i, item in ipairs(part) do parts[i] = readable(item) end
    return (tag == "a" and "[" or tag .. "[") .. table.concat(parts, ", ") .. "]"
  elseif tag == "f" then
    return ("FAILED %s: %s"):format(part, normal.text_of(value[3]))
  end
  return tag == "n" and "null" or tag .. " " .. tostring(part)
end

local function shorten(text)
  return #text > SHOWN and ("%s... (%d characters)"):format(text:sub(1, SHOWN), #text) or text
end

local function print_difference(step, index, ours, theirs)
  print(("DIFFERENT: step %d, %s: %s"):format(index, step.family, steps.describe(step)))
  print("  moonpool: " .. shorten(readable(ours)))
  print("  ioredis:  " .. shorten(readable(theirs)))
end

-- Counts the altered replies, and those that would pass: volatile, where a rule has said so.
local function try_mutants(result, step, index, rule, ours, theirs)
  for _, mutant in ipairs(mutants.of(ours)) do
    result.mutants = result.mutants + 1
    if normal.encode(rule(mutant)) ~= theirs then
      result.noticed = result.noticed + 1
    elseif theirs:find("(volatile", 1, true) then
      result.volatile = result.volatile + 1
    else
      print(("UNNOTICED: step %d, %s: as good as the reply would be %s"):format(index,
        steps.describe(step), shorten(readable(mutant))))
    end
  end
end

--- Prints each difference, and each altered reply that no rule for volatile values explains but
--- that would have passed.
--- @param list table[]          the steps
--- @param ours string           path of what moonpool's side has written
--- @param theirs string         likewise ioredis's
--- @return table                { differences, mutants, noticed, volatile }
function comparison.run(list, ours, theirs)
  local our_replies = read_replies(ours, #list, "moonpool")
  local their_replies = read_replies(theirs, #list, "ioredis")
  local result = { differences = 0, mutants = 0, noticed = 0, volatile = 0 }
  for i, step in ipairs(list) do
    local rule = step.reply or normal.any
    local our_form, their_form = rule(our_replies[i]), rule(their_replies[i])
    local their_text = normal.encode(their_form)
    if normal.encode(our_form) ~= their_text then
      result.differences = result.differences + 1
      print_difference(step, i, our_form, their_form)
    else
      try_mutants(result, step, i, rule, our_replies[i], their_text)
    end
  end
  return result
end

return comparison
