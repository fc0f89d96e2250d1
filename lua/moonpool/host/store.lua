--- What scripts keep in Redis: their stores, a hash each, and how far followers have come in their
--- rooms. Both change in one transaction, so that a message that is handled again after a fault
--- finds the store as it was before it.
local store = {}

local POSITION_SECONDS = 30 * 86400

local function store_key(kind, name, room)
  if room then return ("{room:%s}:store:%s:%s"):format(room, kind, name) end
  return ("moonpool:store:%s:%s"):format(kind, name)
end

local function position_key(follower, room) return ("{room:%s}:at:%s"):format(room, follower) end
local function alive_key(follower) return "moonpool:alive:" .. follower end

--- What a script has in a store. Awaits Redis.
---@param client table
---@param kind "bot"|"policy"
---@param name string
---@param room string|false false: the script's own
---@return table<string, string>? texts JSON by key
---@return string? message
---@return string? code
function store.load(client, kind, name, room)
  return client:call("HGETALL", store_key(kind, name, room))
end

--- How far a follower has come in a room: an id, or nil.
---@return string? id
---@return string? message
---@return string? code
function store.position(client, follower, room)
  return client:call("GET", position_key(follower, room))
end

--- The rooms in which a follower has a position, of those whose channel matches.
---@param pattern string "room:*"
---@return string[]? rooms
---@return string? message
---@return string? code
function store.rooms_of(client, follower, pattern)
  local rooms, cursor = {}, "0"
  repeat
    local reply, message, code = client:call("SCAN", cursor, "MATCH",
      ("{%s}:at:%s"):format(pattern, (follower:gsub("[%*%?%[%]\\]", "\\%0"))), "COUNT", 1000)
    if not reply then return nil, message, code end
    cursor = reply[1]
    for _, key in ipairs(reply[2]) do
      rooms[#rooms + 1] = key:match "^{room:(.*)}:at:"
    end
  until cursor == "0"
  return rooms
end

--- When a follower has committed last, in seconds since 1970 by Redis's clock; nil: it never has.
---@return number? time
---@return string? message
---@return string? code
function store.last_alive(client, follower)
  local text, message, code = client:call("GET", alive_key(follower))
  if not text then return nil, message, code end
  return tonumber(text)
end

--- Commits, all or nothing; doing it again does no harm.
---@param client table
---@param kind "bot"|"policy"
---@param name string the script's
---@param follower string
---@param what { positions: table<string, string>?, changes: table[]?, time: number? } ids by room;
--- `{ room = string|false, key =, value = JSON or nil }`; now, by Redis's clock
---@return true? ok
---@return string? message
---@return string? code
function store.commit(client, kind, name, follower, what)
  local replies, message, code = client:transaction(function(tx)
    for room, id in pairs(what.positions or {}) do
      tx:set(position_key(follower, room), id, "EX", POSITION_SECONDS)
    end
    for _, change in ipairs(what.changes or {}) do
      local key = store_key(kind, name, change.room)
      if change.value then
        tx:hset(key, change.key, change.value)
      else
        tx:hdel(key, change.key)
      end
    end
    if what.time then
      tx:set(alive_key(follower), ("%.3f"):format(what.time), "EX", POSITION_SECONDS)
    end
  end)
  if not replies then return nil, message, code end
  for _, reply in ipairs(replies) do
    if type(reply) == "table" and reply.code then return nil, reply.message, reply.code end
  end
  return true
end

return store
