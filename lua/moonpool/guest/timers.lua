--- Timers of a bot's: the host keeps the time, and calls by number. Those that are set while the
--- script is loaded run from when it takes part.
local MAX_TIMERS = 1000
local LONGEST = 3600 -- seconds after which the time of day is looked at again, which may be set

---@param guest moonpool.guest
return function(guest)
  local ask, time = guest.ask, guest.tools.time
  local timers = {}
  local by_id, last, count = {}, 0, 0

  local function forget(id)
    by_id[id] = nil
    count = count - 1
  end

  local function wait_for(id, at)
    ask("timer", id, math.min(math.max(at - time(), 0), LONGEST), false)
  end

  local function close(id)
    if not by_id[id] then return end
    forget(id)
    ask("cancel", id)
  end

  local function new(entry, method)
    if count >= MAX_TIMERS then
      error(string.format("%s: there are %d timers already", method, MAX_TIMERS), 3)
    end
    last, count = last + 1, count + 1
    by_id[last] = entry
    return last
  end

  -- Errors are about the caller of who calls these: methods of the bot's that only pass it on.

  --- Calls fn after that time, once or again and again; skipped while the last call still runs.
  ---@param method string for errors
  ---@param seconds number
  ---@param fn fun()
  ---@param is_repeated boolean
  ---@return moonpool.script.timer
  function timers.after(method, seconds, fn, is_repeated)
    local id = new({ fn = fn, is_repeated = is_repeated }, method)
    ask("timer", id, seconds, is_repeated)
    return { close = function() close(id) end }
  end

  --- Calls fn at a time of day.
  ---@param at number seconds since 1970
  ---@param fn fun()
  ---@return moonpool.script.timer
  function timers.at(at, fn)
    local id = new({ fn = fn, at = at }, "bot:at")
    wait_for(id, at)
    return { close = function() close(id) end }
  end

  local function run(id, entry)
    if not entry.is_repeated then forget(id) end
    entry.is_running = true
    local ok, problem = pcall(guest.call, "timer", entry.fn)
    entry.is_running = false
    if not ok then error(problem, 0) end -- there is no memory to tell of a failure
  end

  function guest.handlers.timer(id)
    local entry = by_id[id]
    if entry and not entry.is_running then
      if entry.at and entry.at - time() > 0.001 then wait_for(id, entry.at) else run(id, entry) end
    end
    return guest.stores.is_touched()
  end

  return timers
end
