--- Stores: small tables that outlive the script. Their values are JSON in Redis, a key each; what a
--- script reads or writes is a copy in its own memory, which the host commits together with the
--- position of the messages that it was changed by.

local MAX_BYTES = 65536 -- of a store, its keys and values in JSON

---@param guest moonpool.guest
return function(guest)
  local json = guest.tools.json
  local stores = {}
  local by_room = {}    -- false: the script's own
  local touched = false -- something was written, or a table was read, since the last commit

  local function encode(store, key, value)
    if value == nil then return nil end
    local text, message = json.encode(value)
    if not text then error(("%s.%s: %s"):format(store.name, key, message), 3) end
    return text
  end

  -- Notes a key's text; refuses what makes the store too large.
  local function note(store, key, text, level)
    local before = store.texts[key]
    local bytes = store.bytes - (before and #key + #before or 0) + (text and #key + #text or 0)
    if bytes > MAX_BYTES and (not before or not text or #text > #before) then
      error(("%s.%s: the store would have %d bytes; %d are the limit (ETOOBIG)"):format(
        store.name, key, bytes, MAX_BYTES), level + 1)
    end
    store.bytes = bytes
    store.texts[key] = text
    store.dirty[key] = true
  end

  local function load(store)
    local texts = guest.ask("load_store", store.room)
    if store.values then return end -- another call was quicker
    local values, bytes = {}, 0
    for key, text in pairs(texts) do
      values[key] = json.decode(text)
      bytes = bytes + #key + #text
    end
    store.texts, store.bytes, store.values = texts, bytes, values
  end

  local function read(store, key)
    if not store.values then load(store) end
    local value = store.values[key]
    if type(value) == "table" then
      store.handed_out[key] = true
      touched = true
    end
    return value
  end

  local function write(store, key, value)
    if type(key) ~= "string" then
      error(("%s: a key must be a string, not %s"):format(store.name, type(key)), 3)
    end
    if not store.values then load(store) end
    note(store, key, encode(store, key, value), 3)
    store.values[key] = value
    touched = true
    if type(value) == "table" then store.handed_out[key] = true end
  end

  local function each(store)
    if not store.values then load(store) end
    return function(_, key)
      key = next(store.values, key)
      if key ~= nil then return key, read(store, key) end
    end
  end

  local function new_store(room)
    local store = {
      room = room, name = room and ("store of %s"):format(room) or "store",
      dirty = {}, handed_out = {}, bytes = 0,
    }
    store.proxy = setmetatable({}, {
      __index = function(_, key) return read(store, key) end,
      __newindex = function(_, key, value) write(store, key, value) end,
      __pairs = function(proxy) return each(store), proxy, nil end,
      __metatable = false,
    })
    return store
  end

  --- The store of a room, or the script's own.
  ---@param room string|false
  ---@return table
  function stores.of(room)
    local store = by_room[room]
    if not store then
      store = new_store(room)
      by_room[room] = store
    end
    return store.proxy
  end

  -- Tables that were changed in place.
  local function note_changes(store)
    for key in pairs(store.handed_out) do
      local ok, problem = pcall(function()
        local text = encode(store, key, store.values[key])
        if text ~= store.texts[key] then note(store, key, text, 1) end
      end)
      if not ok then guest.ask("fail", tostring(problem), "commit") end
    end
    store.handed_out = {}
  end

  --- What has changed since the last call.
  ---@return { room: string|false, key: string, value: string? }[]
  function stores.changes()
    local list = {}
    touched = false
    for room, store in pairs(by_room) do
      if store.values then note_changes(store) end
      for key in pairs(store.dirty) do
        list[#list + 1] = { room = room, key = key, value = store.texts[key] }
      end
      store.dirty = {}
    end
    return list
  end

  --- Is there, perhaps, something to be committed?
  ---@return boolean
  function stores.is_touched() return touched end

  guest.stores = stores
  return stores
end
