-- The keys and values of `commands`, and what follows from them. They must be those of
-- peers/keys.h and peers/keys.mjs. Runs on every Lua from 5.1 on.
local keys = {}

keys.COUNT = 10000

local SEED = 20261122

-- The minimal standard generator (Park and Miller): exact in doubles, and no number comes twice.
-- Redis runs it too, so its text is here.
local MAKE = ([[
local names, values, x = {}, {}, %d
for i = 1, %d do
  x = x * 16807 %% 2147483647
  local digits = ("%%010d"):format(x)
  names[i], values[i] = "key:" .. digits, digits:rep(6) .. "...."
end
]]):format(SEED, keys.COUNT)

--- A Redis script that sets every key.
keys.SET_ALL = MAKE .. [[for i = 1, #names do redis.call("SET", names[i], values[i]) end]]

--- A Redis script: how many keys hold their value.
keys.COUNT_RIGHT = MAKE .. [[
local right = 0
for i = 1, #names do
  if redis.call("GET", names[i]) == values[i] then right = right + 1 end
end
return right]]

--- The names and their values, 64 bytes each, in the order in which they are asked for.
--- @return string[] names
--- @return string[] values
function keys.make()
  local compile = rawget(_G, "loadstring") or load
  return compile(MAKE .. "return names, values")()
end

return keys
