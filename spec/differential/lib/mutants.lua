-- Altered copies of a tagged reply: what a comparison must notice.
local mutants = {}

local LEAVES = 16 -- of one reply, from its beginning

local function copy(value)
  if type(value) ~= "table" then return value end
  local twin = {}
  for key, part in pairs(value) do twin[key] = copy(part) end
  return twin
end

-- One bit of the first byte: the last digits of a long number may be beyond a double.
local function flip(hex)
  return ("%02x"):format(tonumber(hex:sub(1, 2), 16) ~ 1) .. hex:sub(3)
end

-- By tag: the ways in which a value can be wrong, each a function that alters it in place.
local ALTERATIONS = {
  s = {
    function(value) value[2] = #value[2] > 0 and flip(value[2]) or "00" end,
    function(value) value[2] = value[2] .. "00" end,
    function(value) value[1], value[2] = "n", nil end,
    function(value) value[1] = "e" end,
  },
  e = {
    function(value) value[2] = flip(value[2]) end,
    function(value) value[1] = "s" end,
  },
  i = {
    function(value) value[2] = ("%d"):format(math.tointeger(tonumber(value[2])) + 1) end,
    function(value) value[1], value[2] = "s", "31" end,
    function(value) value[1], value[2] = "n", nil end,
  },
  d = {
    function(value) value[2] = ("%.17g"):format((tonumber(value[2]) or 0) * 2 + 1) end,
    function(value) value[1], value[2] = "n", nil end,
  },
  b = { function(value) value[2] = not value[2] end },
  n = {
    function(value) value[1], value[2] = "s", "" end,
    function(value) value[1], value[2] = "a", {} end,
  },
  a = {
    function(value) value[2][#value[2] + 1] = { "n" } end,
    function(value)
      if #value[2] == 0 then value[1] = "n" end
      value[2][#value[2]] = nil
    end,
  },
  m = {
    function(value) table.move({ { "s", "00" }, { "n" } }, 1, 2, #value[2] + 1, value[2]) end,
    function(value)
      if #value[2] == 0 then value[1] = "n" end
      value[2][#value[2]] = nil
      value[2][#value[2]] = nil
    end,
  },
  f = {},
}

-- The paths to the value and what is inside it, as lists of indexes.
local function collect(value, path, paths)
  if #paths >= LEAVES then return end
  paths[#paths + 1] = path
  if value[1] ~= "a" and value[1] ~= "m" then return end
  for i, item in ipairs(value[2]) do
    local deeper = table.move(path, 1, #path, 1, {})
    deeper[#deeper + 1] = i
    collect(item, deeper, paths)
  end
end

local function at(value, path)
  for _, index in ipairs(path) do value = value[2][index] end
  return value
end

--- @param value table   a tagged reply
--- @return table[]      altered copies, each in one place
function mutants.of(value)
  local paths, list = {}, {}
  collect(value, {}, paths)
  for _, path in ipairs(paths) do
    for _, alter in ipairs(ALTERATIONS[at(value, path)[1]]) do
      local mutant = copy(value)
      alter(at(mutant, path))
      list[#list + 1] = mutant
    end
  end
  return list
end

return mutants
