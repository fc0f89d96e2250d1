--- A bot's functions on patterns of channels: remembered while the script is loaded, subscribed by
--- the host from then on.
local MAX_PATTERNS = 1000

---@param guest moonpool.guest
return function(guest)
  local ask = guest.ask
  local patterns = {}
  local by_id, last, count = {}, 0, 0

  local function forget(id)
    by_id[id] = nil
    count = count - 1
  end

  local function remove(id)
    if not by_id[id] then return end
    forget(id)
    if guest.is_loaded then ask("unpattern", id) end
  end

  --- Adds a function; awaits the subscription unless the script is being loaded. Errors are about
  --- its caller.
  ---@param pattern string
  ---@param fn fun(payload: string, channel: string)
  ---@return fun()? remove
  ---@return string? message
  ---@return string? code
  function patterns.add(pattern, fn)
    if count >= MAX_PATTERNS then
      error(string.format("bot:on: there are %d patterns already", MAX_PATTERNS), 2)
    end
    last, count = last + 1, count + 1
    local id = last
    by_id[id] = { pattern = pattern, fn = fn }
    if guest.is_loaded then
      local ok, message, code = ask("pattern", id, pattern)
      if not ok then
        forget(id)
        return nil, message, code
      end
    end
    return function() remove(id) end
  end

  --- Calls the function of a pattern.
  function patterns.fire(id, payload, channel)
    local entry = by_id[id]
    if entry then guest.call("pattern", entry.fn, payload, channel) end
  end

  --- What the host is to subscribe to, once the script is loaded.
  ---@return { id: integer, pattern: string }[]
  function patterns.list()
    local list = {}
    for id, entry in pairs(by_id) do list[#list + 1] = { id = id, pattern = entry.pattern } end
    table.sort(list, function(a, b) return a.id < b.id end)
    return list
  end

  return patterns
end
