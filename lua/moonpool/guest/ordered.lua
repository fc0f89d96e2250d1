--- Makes a script's course the same whenever it runs with the same seed: Lua goes through a table
--- in an order that is another one in each process, as strings are hashed with chance. Here pairs
--- and next go by key: numbers, then strings, then booleans; JSON objects have their keys in order,
--- too. For tests, and logs that are played through scripts; it costs time in large tables.
local RANK = { number = 1, string = 2, boolean = 3 }
local OTHERS = 4 -- these stay in Lua's order

local function is_before(one, other)
  local left, right = RANK[type(one)], RANK[type(other)]
  if left ~= right then return left < right end
  if left == 3 then return not one and other end
  return one < other
end

---@param guest moonpool.guest
return function(guest)
  local native_pairs, native_next, sort = pairs, next, table.sort
  local plain_step = native_pairs {}

  local function keys_of(list)
    local keys, others = {}, {}
    for key in native_next, list do
      if (RANK[type(key)] or OTHERS) == OTHERS then
        others[#others + 1] = key
      else
        keys[#keys + 1] = key
      end
    end
    sort(keys, is_before)
    for index = 1, #others do keys[#keys + 1] = others[index] end
    return keys
  end

  local function ordered_next(list, key)
    native_next(list, key) -- checks the arguments
    local keys, index = keys_of(list), 1
    if key ~= nil then
      while keys[index] ~= key do index = index + 1 end
      index = index + 1
    end
    local after = keys[index]
    if after ~= nil then return after, rawget(list, after) end
    return nil
  end

  local function ordered_pairs(list)
    local step, state, first = native_pairs(list)
    if step ~= plain_step then return step, state, first end -- it has __pairs
    local keys, index = keys_of(list), 0
    return function()
      repeat
        index = index + 1
        local key = keys[index]
        if key == nil then return nil end
        local value = rawget(list, key)
        if value ~= nil then return key, value end
      until false
    end, list, nil
  end

  _G.pairs, _G.next = ordered_pairs, ordered_next
  local json = guest.tools.json
  local encode = json.encode
  local function sorted_encode(value, options)
    local all = { sort = true }
    for name, option in native_next, options or {} do all[name] = option end
    return encode(value, all)
  end
  guest.tools.json = { encode = sorted_encode, decode = json.decode, array = json.array }
end
