--- Stores: small tables that outlive the script. Their values are JSON in Redis, a key each; what a
--- script reads or writes is a copy in its own memory, which the host commits together with the
--- position of the messages that it was changed by.
--
-- A change of a field is seen when it is written. A change inside a table that is a field's value
-- is not: so a table that the script has, because it read or wrote it, is encoded again at a
-- commit, and compared. The script's own store does so with all tables that it has ever handed out,
-- since a script may well keep one in a local; a room's with those of the functions that have run
-- since the last commit or still do, though not for longer than a minute after its last use, as
-- there may be many rooms.
--
-- A bot is one script in one process. A policy may judge in many, which share its stores: so it
-- reads them again, every now and then, before it judges.

local MAX_BYTES = 65536 -- of a store, its keys and values in JSON
local MAX_ROOMS = 100   -- stores of rooms that are kept in memory, when more are not in use
local KEPT_SECONDS = 60 -- after its last use a room's store stays: a change may not be in Redis yet
local STALE_SECONDS = 2 -- after which a policy reads a store again; likewise after a change

---@class moonpool.guest.store
---@field room string|false false: the script's own
---@field name string for errors
---@field texts table<string, string> JSON by key; nil: not loaded
---@field values table<string, any> of those that were read or written
---@field bytes integer of keys and texts
---@field dirty table<string, boolean> keys to be committed
---@field held table<string, boolean> keys whose tables the script may have
---@field problems table<string, string> why keys cannot be committed, as told
---@field used number when it was asked for last
---@field changed number when it was changed last
---@field read_at number when it was read from Redis last
---@field is_used boolean the script has read it

---@param guest moonpool.guest
---@param owner "bot"|"policy"
return function(guest, owner)
  local ask, now = guest.ask, guest.tools.now
  local encode_json, decode_json = guest.tools.json.encode, guest.tools.json.decode
  local stores = {}
  local by_room, rooms = {}, 0                      -- those in memory
  local asleep = setmetatable({}, { __mode = "v" }) -- those that are not, but the script has them
  local active = {}       -- stores that have something to be committed or compared
  local is_touched = false

  local function touch(store)
    active[store] = true
    is_touched = true
  end

  -- ---- a value ---------------------------------------------------------------------------------

  -- Takes a key's new text; or returns what is wrong with it.
  local function note(store, key, text)
    local before = store.texts[key]
    local old = before and #key + #before or 0
    local new = text and #key + #text or 0
    local bytes = store.bytes - old + new
    if bytes > MAX_BYTES and new > old then
      return string.format("the store would have %d bytes; %d are the limit (ETOOBIG)", bytes,
        MAX_BYTES)
    end
    store.bytes, store.texts[key], store.dirty[key] = bytes, text, true
    store.changed = now()
    touch(store)
  end

  -- Encodes a key's value and takes that; or returns what is wrong with it.
  local function put(store, key, value)
    local text, problem
    if value ~= nil then text, problem = encode_json(value) end
    if problem then return problem end
    if text ~= store.texts[key] then return note(store, key, text) end
  end

  local function hold(store, key)
    store.held[key], store.used = true, now()
    touch(store)
  end

  local function load(store, level)
    local texts, message, code = ask("load_store", store.room)
    if store.texts then return end -- another call was quicker
    if not texts then
      error(string.format("%s: cannot be read: %s (%s)", store.name, message, code), level + 1)
    end
    local bytes = 0
    for key, text in pairs(texts) do bytes = bytes + #key + #text end
    store.texts, store.values, store.bytes = texts, {}, bytes
    store.read_at = now()
    asleep[store.room], by_room[store.room] = nil, store
    if store.room then rooms = rooms + 1 end
  end

  -- ---- reading again ---------------------------------------------------------------------------

  local function has_changes(store)
    for key in pairs(store.held) do
      if encode_json(store.values[key]) ~= store.texts[key] then return true end
    end
    return next(store.dirty) ~= nil
  end

  local function replace(store, texts)
    local bytes = 0
    for key in pairs(store.texts) do
      if texts[key] ~= store.texts[key] then store.values[key], store.held[key] = nil, nil end
    end
    for key, text in pairs(texts) do bytes = bytes + #key + #text end
    store.texts, store.bytes = texts, bytes
  end

  -- Unless something of it may not be in Redis yet. Where that cannot be had, what is known counts.
  local function refresh(store)
    local at = now()
    if at - store.read_at < STALE_SECONDS or at - store.changed < STALE_SECONDS then return end
    if has_changes(store) then return end
    store.read_at = at
    local texts = ask("load_store", store.room)
    if texts and store.texts and at > store.changed and not has_changes(store) then
      replace(store, texts)
    end
  end

  -- It may be long since the script was loaded. Where nothing can be awaited, what is known counts.
  local function begin_use(store)
    store.is_used = true
    if owner == "policy" then pcall(refresh, store) end
  end

  -- ---- fields ----------------------------------------------------------------------------------

  local function read(store, key)
    if not store.texts then load(store, 3) end
    if not store.is_used then begin_use(store) end
    local value = store.values[key]
    if value == nil then
      local text = store.texts[key]
      if text == nil then return nil end
      local problem
      value, problem = decode_json(text)
      if value == nil then
        error(string.format("%s.%s: what is stored is broken: %s", store.name, key, problem), 3)
      end
      store.values[key] = value
    end
    if type(value) == "table" then hold(store, key) end
    return value
  end

  local function write(store, key, value)
    if not store.texts then load(store, 3) end
    if type(key) ~= "string" then
      error(string.format("%s: a key must be a string, not a %s", store.name, type(key)), 3)
    end
    local problem = put(store, key, value)
    if problem then error(string.format("%s.%s: %s", store.name, key, problem), 3) end
    store.values[key] = value
    if type(value) == "table" then hold(store, key) end
  end

  -- ---- a store ---------------------------------------------------------------------------------

  -- Goes through the keys that are there now, in order.
  local function each(store)
    if not store.texts then load(store, 3) end
    local keys, index = {}, 0
    for key in pairs(store.texts) do keys[#keys + 1] = key end
    table.sort(keys)
    return function()
      repeat
        index = index + 1
        local key = keys[index]
        if key == nil then return nil end
      until store.texts[key] ~= nil
      return keys[index], read(store, keys[index])
    end
  end

  local function new_proxy(store)
    return setmetatable({}, {
      __index = function(_, key) return (read(store, key)) end,
      __newindex = function(_, key, value) write(store, key, value) end,
      __pairs = function(proxy) return each(store), proxy, nil end,
      __metatable = false,
    })
  end

  local function new_store(room)
    local name = room and string.format("%s: store of %s", owner, room) or owner .. ".store"
    local store = { room = room, name = name, bytes = 0, used = 0, changed = -math.huge }
    store.dirty, store.held, store.problems = {}, {}, {}
    store.proxy = new_proxy(store)
    return store
  end

  -- ---- for the guest ---------------------------------------------------------------------------

  --- The script's own. Awaits it.
  ---@return table
  function stores.open()
    local store = new_store(false)
    load(store, 0)
    return store.proxy
  end

  --- The store of a room. Awaits it when it is not in memory; errors are about the caller of who
  --- calls this.
  ---@param room string with or without "room:"
  ---@return table
  function stores.of(room)
    room = string.gsub(room, "^room:", "", 1)
    local store = by_room[room] or asleep[room]
    if not store then
      store = new_store(room)
      asleep[room] = store
    end
    if not store.texts then load(store, 2) elseif owner == "policy" then refresh(store) end
    store.used = now()
    return store.proxy
  end

  --- Reads the script's own again, when it is used and that is due. Awaits it.
  function stores.refresh()
    local store = by_room[false]
    if store.is_used then refresh(store) end
  end

  -- ---- commits ---------------------------------------------------------------------------------

  -- What cannot be kept is told once.
  local function compare(store, news)
    for key in pairs(store.held) do
      local problem = put(store, key, store.values[key])
      if problem and problem ~= store.problems[key] then
        news[#news + 1] = string.format("%s.%s: %s", store.name, key, problem)
      end
      store.problems[key] = problem
    end
  end

  local function collect(store, list)
    for key in pairs(store.dirty) do
      list[#list + 1] = { room = store.room, key = key, value = store.texts[key] }
    end
    store.dirty = {}
  end

  local function is_recent(store)
    return now() - math.max(store.changed, store.used) <= KEPT_SECONDS
  end

  local function is_unused(store)
    return store.room and not active[store] and not is_recent(store)
  end

  -- Rooms' stores that have not been used for longest, as long as there are too many.
  local function unload()
    if rooms <= MAX_ROOMS then return end
    local unused = {}
    for _, store in pairs(by_room) do
      if is_unused(store) then unused[#unused + 1] = store end
    end
    table.sort(unused, function(a, b) return a.used < b.used end)
    for index = 1, math.min(#unused, rooms - MAX_ROOMS) do
      local store = unused[index]
      store.texts, store.values = nil, nil
      by_room[store.room], asleep[store.room] = nil, store
      rooms = rooms - 1
    end
  end

  --- What has changed since the last call.
  ---@return { room: string|false, key: string, value: string? }[]
  function stores.changes()
    local list, news, checked = {}, {}, active
    active, is_touched = {}, false
    for store in pairs(checked) do
      compare(store, news)
      collect(store, list)
      if store.room and (guest.running == 0 or not is_recent(store)) then store.held = {} end
      if next(store.held) then touch(store) end
    end
    unload()
    for _, problem in ipairs(news) do ask("fail", problem, "commit") end
    return list
  end

  --- Is there, perhaps, something to be committed?
  ---@return boolean
  function stores.is_touched() return is_touched end

  guest.stores = stores
  return stores
end
