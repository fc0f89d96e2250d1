-- The normal form in which replies are compared, and the rules that lead to it.
--
-- Both sides write each reply as a tagged value, bytes in hexadecimal:
--   { "s", HEX } string   { "i", "-12" } integer   { "n" } null   { "a", { … } } list
--   { "e", HEX } error reply, on its own or inside a list
--   { "d", "1.5" } double   { "b", true } boolean   { "m", { KEY, VALUE, … } } map   (RESP3 only)
--   { "f", CODE, HEX } the library itself failed: never equal to a reply
--
-- ioredis speaks RESP2, where some types do not exist. This module is the one table of what stands
-- for what. A rule is a function from a tagged value to its normal form, which must be the same for
-- the RESP2 and the RESP3 reply. A step without a rule gets normal.any.
--
--   RESP3      RESP2                              rule
--   boolean    integer 0 or 1                     any
--   verbatim   string                             any (moonpool gives its text)
--   big number string of digits                   any (likewise)
--   double     string                             double: as a number, printed with %.17g
--   set        list in an order of its own        set: sorted
--   map        flat list of keys and values       map, record: pairs, sorted by key
--   list of pairs   flat list                     pairs: list of pairs
--
-- What differs from run to run is replaced by its type alone: volatile, words, fields.
local normal = {}

local function text_of(hex)
  return (hex:gsub("..", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function hex_of(text)
  return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

normal.text_of, normal.hex_of = text_of, hex_of

--- One text for a tagged value: equal values have equal texts.
function normal.encode(value)
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for i, part in ipairs(value) do parts[i] = normal.encode(part) end
  return "(" .. table.concat(parts, " ") .. ")"
end

local function encoding_order(a, b)
  return normal.encode(a) < normal.encode(b)
end

local function is_container(value)
  return value[1] == "a" or value[1] == "m"
end

local function each(items, rule)
  local list = {}
  for i, item in ipairs(items) do list[i] = rule(item) end
  return list
end

--- Booleans are integers; what is inside lists likewise.
function normal.any(value)
  if value[1] == "b" then return { "i", value[2] and "1" or "0" } end
  if value[1] == "a" then return { "a", each(value[2], normal.any) } end
  return value
end

--- A list, each element by `rule`.
function normal.list(rule)
  return function(value)
    if value[1] ~= "a" then return normal.any(value) end
    return { "a", each(value[2], rule) }
  end
end

--- A list whose order means nothing.
function normal.set(value)
  value = normal.any(value)
  if value[1] ~= "a" then return value end
  local sorted = table.move(value[2], 1, #value[2], 1, {})
  table.sort(sorted, encoding_order)
  return { "a", sorted }
end

--- A list whose elements have a rule each; those past the last rule get `any`.
function normal.tuple(...)
  local rules = { ... }
  return function(value)
    if value[1] ~= "a" then return normal.any(value) end
    local list = {}
    for i, item in ipairs(value[2]) do list[i] = (rules[i] or normal.any)(item) end
    return { "a", list }
  end
end

local NOT_FINITE = { inf = math.huge, ["-inf"] = -math.huge, nan = 0 / 0, ["-nan"] = 0 / 0 }

local function number_text(number)
  return number ~= number and "nan" or ("%.17g"):format(number)
end

--- A RESP3 double, or the string that RESP2 has for it.
function normal.double(value)
  local number
  if value[1] == "d" then
    number = NOT_FINITE[value[2]] or tonumber(value[2])
  elseif value[1] == "s" then
    local text = text_of(value[2])
    number = NOT_FINITE[text] or tonumber(text)
  end
  return number and { "d", number_text(number) } or normal.any(value)
end

local function pairs_of(items, rule_of)
  local list = {}
  for i = 1, #items, 2 do
    local key = normal.any(items[i])
    local is_text = key[1] == "s"
    list[#list + 1] = { "a", { key, rule_of(is_text and text_of(key[2]) or "")(items[i + 1]) } }
  end
  table.sort(list, encoding_order)
  return { "m", list }
end

--- A map, its values by `rule` (default: any).
function normal.map(rule)
  return function(value)
    if not is_container(value) or #value[2] % 2 == 1 then return normal.any(value) end
    return pairs_of(value[2], function() return rule or normal.any end)
  end
end

--- A map, the values by the rules of their keys; other keys' values by `any`.
function normal.record(rules)
  return function(value)
    if not is_container(value) or #value[2] % 2 == 1 then return normal.any(value) end
    return pairs_of(value[2], function(key) return rules[key] or normal.any end)
  end
end

--- A list of pairs, which RESP2 has flat; RESP3 a list of lists, or a map.
function normal.pairs(first, second)
  first, second = first or normal.any, second or normal.any
  local function pair(a, b) return { "a", { first(a), second(b) } } end
  return function(value)
    if not is_container(value) then return normal.any(value) end
    local items, list = value[2], {}
    if value[1] == "a" and items[1] and items[1][1] == "a" then
      for i, item in ipairs(items) do
        if item[1] ~= "a" or #item[2] ~= 2 then return normal.any(value) end
        list[i] = pair(item[2][1], item[2][2])
      end
    elseif #items % 2 == 1 then
      return normal.any(value)
    else
      for i = 1, #items, 2 do list[#list + 1] = pair(items[i], items[i + 1]) end
    end
    if value[1] == "m" then table.sort(list, encoding_order) end
    return { "a", list }
  end
end

--- One rule after the other.
function normal.both(first, second)
  return function(value) return second(first(value)) end
end

local RESP2_TYPE = { m = "a", d = "s", b = "i" }

--- Differs from run to run: only its type, as RESP2 has it, is compared.
function normal.volatile(value)
  return { "volatile", RESP2_TYPE[value[1]] or value[1] }
end

local function names_of(value, pattern)
  if value[1] ~= "s" then return normal.any(value) end
  local names = {}
  for name in text_of(value[2]):gmatch(pattern) do names[#names + 1] = name end
  return { "volatile", table.concat(names, " ") }
end

--- "name=value name=value": the names, in their order.
function normal.words(value)
  return names_of(value, "([%w_-]+)=")
end

--- "name:value" lines: the names, in their order.
function normal.fields(value)
  return names_of(value, "([%w_.|-]+):[^\r\n]*\r?\n")
end

return normal
