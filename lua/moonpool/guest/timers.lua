--- Timers of a bot's: the host keeps the time, and calls by number.

---@class moonpool.bot.timer
---@field close fun() ends it; harmless when called twice

---@param guest moonpool.guest
return function(guest)
  local ask = guest.ask
  local timers = {}
  local by_id, last = {}, 0

  --- Calls fn after that time, once or again and again; skipped while the last call still runs.
  ---@param seconds number
  ---@param fn fun()
  ---@param is_repeated boolean
  ---@return moonpool.bot.timer
  function timers.add(seconds, fn, is_repeated)
    last = last + 1
    local id = last
    local entry = { fn = fn, is_repeated = is_repeated }
    by_id[id] = entry
    ask("timer", id, seconds, is_repeated)
    return {
      close = function()
        if by_id[id] == nil then return end
        by_id[id] = nil
        ask("cancel", id)
      end,
    }
  end

  function guest.handlers.timer(id)
    local entry = by_id[id]
    if not entry or entry.is_running then return end
    if not entry.is_repeated then by_id[id] = nil end
    entry.is_running = true
    guest.call("timer", entry.fn)
    entry.is_running = false
    return guest.stores and guest.stores.is_touched()
  end

  return timers
end
