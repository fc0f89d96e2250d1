-- Who is in a room. One script for all of it, so that its calls are executed in their order.
--
-- Each process has a lease of the room: a sorted set of its users, scored with the number of places
-- from which each of them is there, and of one member "", whose score is the number of the last
-- change. What all leases have together are the hashes of places and of who is there since when.
-- Every call evicts leases that have expired, EVICTED users at most.
--
-- KEYS  who, places, leases, the caller's lease: its id follows the last colon (may be empty)
-- ARGV  channel, the caller's lease ("": none) and its ms, by which every call renews it, then
--       "set", the last change that was acknowledged (0: the lease is new), the number of this one,
--           a lease that this one replaces ("": none), then user, places ...
--       "drop": the lease ends
--       "count"
--       "who", cursor, limit
-- reply 1 when more is to be evicted, else 0, then
--       set: "ok"; "empty": nobody is left, and the lease is gone; "lost": nothing was done, for
--           the lease is not as it was
--       drop, count: the number of users
--       who: cursor, then user, ms since, places ...
local call, pcall = redis.call, redis.pcall
local who, places, leases, own = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local channel, id, lease, verb = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local prefix = string.sub(own, 1, #own - #id)
local EVICTED, BATCH = 200, 1000
local DAY = 86400000

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Redis's ACL may refuse it: who is there is still true.
local function announce(kind, user)
  local name = string.gsub(cjson.encode(user), '\\/', '/')
  pcall('PUBLISH', channel, '{"type":"' .. kind .. '","user":' .. name .. '}')
end

local function change(user, by)
  if call('HINCRBY', places, user, by) > 0 then
    if call('HSETNX', who, user, string.format('%.0f', now)) == 1 then announce('join', user) end
  else
    call('HDEL', places, user)
    if call('HDEL', who, user) == 1 then announce('leave', user) end
  end
end

local function oldest_expired()
  return call('ZRANGEBYSCORE', leases, '-inf', string.format('%.0f', now), 'LIMIT', 0, 1)[1]
end

-- Its owner finds it without the member "", and knows.
local function evict(expired, count)
  local key = prefix .. expired
  call('ZREM', key, '')
  local users = call('ZRANGE', key, 0, count - 1, 'WITHSCORES')
  for i = 1, #users, 2 do change(users[i], -tonumber(users[i + 1])) end
  if #users > 0 then call('ZREMRANGEBYRANK', key, 0, #users / 2 - 1) end
  if call('EXISTS', key) == 0 then call('ZREM', leases, expired) end
  return #users / 2 + 1
end

local function evict_expired()
  local left = EVICTED
  local expired = oldest_expired()
  while expired and left > 0 do
    left = left - evict(expired, left)
    expired = oldest_expired()
  end
  return expired and 1 or 0
end

-- ---- set ----------------------------------------------------------------------------------------

-- Rooms that all have left without a word are forgotten: not before their last lease is evicted by
-- whoever comes within a day, and a lease not before what it has added to.
local function keep()
  for i = 1, 3 do call('PEXPIRE', KEYS[i], DAY + lease) end
  call('PEXPIRE', own, 2 * (DAY + lease))
end

local function renew() call('ZADD', leases, string.format('%.0f', now + lease), id) end

local function set()
  local acknowledged, number = tonumber(ARGV[5]), ARGV[6]
  local stored = tonumber(call('ZSCORE', own, '') or nil)
  if acknowledged > 0 and (not stored or stored < acknowledged or stored > tonumber(number)) then
    if stored then renew() end -- who is on it stays until a new one replaces it
    return 'lost'
  end
  renew()
  for i = 8, #ARGV, 2 do
    local user, count = ARGV[i], tonumber(ARGV[i + 1])
    local by = count - (call('ZSCORE', own, user) or 0)
    if count > 0 then call('ZADD', own, count, user) else call('ZREM', own, user) end
    if by ~= 0 then change(user, by) end
  end
  if ARGV[7] ~= '' then call('ZADD', leases, 'XX', 0, ARGV[7]) end
  call('ZADD', own, number, '')
  if call('ZCARD', own) > 1 then
    keep()
    return 'ok'
  end
  call('DEL', own)
  call('ZREM', leases, id)
  return 'empty'
end

-- ---- who ----------------------------------------------------------------------------------------

-- Behind the first two of the list; `found` is user, since ...
local function list_members(list, found)
  local n = 2
  for from = 1, #found, 2 * BATCH do
    local users, count = {}, 0
    for i = from, math.min(from + 2 * BATCH - 1, #found), 2 do
      count = count + 1
      users[count] = found[i]
    end
    local counts = call('HMGET', places, unpack(users, 1, count))
    for i = 1, count do
      list[n + 1], list[n + 2], list[n + 3] = users[i], found[from + 2 * i - 1], counts[i] or '0'
      n = n + 3
    end
  end
  return list
end

local function page(more, cursor, limit)
  if cursor == '0' and call('HLEN', who) <= tonumber(limit) then
    return list_members({ more, '0' }, call('HGETALL', who))
  end
  local scanned = call('HSCAN', who, cursor, 'COUNT', limit)
  return list_members({ more, scanned[1] }, scanned[2])
end

-- ---- what is asked ------------------------------------------------------------------------------

if verb == 'set' then
  local status = set()
  return { evict_expired(), status }
end
if verb == 'drop' then
  call('ZADD', leases, 'XX', 0, id)
elseif id ~= '' and call('ZSCORE', own, '') then
  renew()
end
local more = evict_expired()
if verb ~= 'who' then return { more, call('HLEN', who) } end
return page(more, ARGV[5], ARGV[6])
