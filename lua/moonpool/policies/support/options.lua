--- The options of a policy: checked against what it knows, with its defaults. A wrong one raises,
--- so that the policy is not loaded.
local nearest = require "moonpool.nearest"

local options = {}

local function names_of(known)
  local names = {}
  for name in pairs(known) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function fail(text, ...) error(text:format(...), 0) end

local function check_known(owner, given, known)
  for name in pairs(given) do
    if type(name) ~= "string" then fail("%s: option names are strings, not %s", owner, name) end
    if not known[name] then
      local names = names_of(known)
      local near = nearest(name, names)
      fail("%s: unknown option %q; %s", owner, name,
        near and ("did you mean %q?"):format(near) or "there are " .. table.concat(names, ", "))
    end
  end
end

local function check_range(value, rule)
  if rule.min and value < rule.min then return ("from %s"):format(rule.min) end
  if rule.max and value > rule.max then return ("up to %s"):format(rule.max) end
  if rule.above and value <= rule.above then return ("above %s"):format(rule.above) end
end

local kinds = {}

function kinds.number(value, rule)
  if type(value) ~= "number" or value ~= value then return nil, "a number" end
  local range = check_range(value, rule)
  if range then return nil, "a number " .. range end
  return value
end

function kinds.integer(value, rule)
  local whole = type(value) == "number" and math.tointeger(value)
  if not whole then return nil, "a whole number" end
  local range = check_range(whole, rule)
  if range then return nil, "a whole number " .. range end
  return whole
end

function kinds.boolean(value)
  if type(value) ~= "boolean" then return nil, "true or false" end
  return value
end

function kinds.string(value)
  if type(value) ~= "string" then return nil, "a string" end
  return value
end

function kinds.strings(value)
  if type(value) ~= "table" then return nil, "a list of strings" end
  local count = 0
  for key, item in pairs(value) do
    if math.type(key) ~= "integer" or type(item) ~= "string" then
      return nil, "a list of strings"
    end
    count = count + 1
  end
  if count ~= #value then return nil, "a list of strings without holes" end
  return value
end

function kinds.choice(value, rule)
  for _, choice in ipairs(rule.of) do
    if value == choice then return value end
  end
  return nil, ('"%s"'):format(table.concat(rule.of, '" or "'))
end

local function show(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) == "number" or type(value) == "boolean" then return tostring(value) end
  return "a " .. type(value)
end

--- The options with defaults. A rule is `{ KIND, default =, min =, max =, above =, of = { … } }`;
--- kinds are number, integer, boolean, string, strings (a list) and choice. An option without a
--- default may be missing, unless it is_needed.
---@param owner string the policy's name, for errors
---@param given table
---@param known table<string, table> rules by name
---@return table
function options.check(owner, given, known)
  check_known(owner, given, known)
  local checked = {}
  for name, rule in pairs(known) do
    local value = given[name]
    if value == nil then
      if rule.is_needed then fail("%s: option %q is missing", owner, name) end
      checked[name] = rule.default
    else
      local fine, wanted = kinds[rule[1]](value, rule)
      if fine == nil then
        fail("%s: option %q must be %s, not %s", owner, name, wanted, show(value))
      end
      checked[name] = fine
    end
  end
  return checked
end

return options
