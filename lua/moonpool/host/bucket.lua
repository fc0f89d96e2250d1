--- Token buckets that all processes share through Redis: a bucket holds `capacity` tokens, and as
--- many come back in `per_seconds`.
--
-- The script counts in integers: one token is as many units as the bucket has microseconds
-- (per_seconds), of which each gives back `capacity` units. So nothing is rounded, however often
-- a bucket is asked, and a grant is exact whoever else takes from it: the clock is Redis's, and a
-- call is one step there. What is stored is the time of the last grant, what was missing after it,
-- and the units of a token. The key expires soon after its bucket is full, which is what a missing
-- key means.
--
-- Only a grant changes a bucket: who asks too often does not wait for longer. When the clock was
-- set back, what was taken stays taken, and tokens come back from the new time on.
--
-- A call takes effect at most once. When its reply is lost (ECONN "possibly executed", ETIMEOUT),
-- tokens may have been taken that nobody was granted: a bucket may let through less than it could
-- by that, never more.
local bucket = {}

-- KEYS  the bucket
-- ARGV  capacity, microseconds until as many tokens are back, cost in tokens, "take" or "look"
-- reply 1 or 0: granted, microseconds until it would be, tokens that are there now (rounded down)
local SOURCE = [[
local capacity, per, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function write(missing)
  local ms = math.ceil(missing / capacity / 1000) + 100
  redis.call('SET', KEYS[1], string.format('%.0f:%.0f:%.0f', now, missing, per), 'PX', ms)
end

-- Of another size it keeps the tokens that are missing, rounded up.
local function read()
  local stored = redis.call('GET', KEYS[1])
  local at, missing, units = string.match(stored or '', '^(%d+):(%d+):(%d+)$')
  if not at then return 0 end
  at, missing, units = tonumber(at), tonumber(missing), tonumber(units)
  if units ~= per then missing = math.ceil(missing / units * per) end
  missing = math.min(missing, capacity * per)
  if now < at then
    if ARGV[4] == 'take' then write(missing) end
    return missing
  end
  if now - at >= per then return 0 end
  return math.max(missing - (now - at) * capacity, 0)
end

local missing = read()
local wanted = missing + cost * per
local over = wanted - capacity * per
local left = math.floor((capacity * per - missing) / per)
if over > 0 then return { 0, math.ceil(over / capacity), left } end
if ARGV[4] == 'take' and cost > 0 then
  write(wanted)
  left = left - cost
end
return { 1, 0, left }
]]

local MICROSECONDS = 1000000
local MOST_UNITS = 2 ^ 52 -- with a cost as large, what the numbers of Redis's Lua count exactly
local MOST_SECONDS = 366 * 86400

local scripts = setmetatable({}, { __mode = "k" }) -- by client

local function prepared(client)
  if scripts[client] then return scripts[client] end
  local script, message, code = client:prepare(SOURCE)
  scripts[client] = script
  return script, message, code
end

local function whole(value, least)
  local number = math.tointeger(value)
  return number and number >= least and number or nil
end

local function bad(text, ...) return nil, ("bucket: " .. text):format(...), "EARG" end

-- capacity, microseconds and cost as integers; or nil, message, "EARG".
local function check(key, capacity, per_seconds, cost)
  if type(key) ~= "string" or key == "" then return bad "a key is needed" end
  local tokens = whole(capacity, 1)
  if not tokens then
    return bad("capacity must be a whole number of tokens from 1, not %s", capacity)
  end
  local seconds = type(per_seconds) == "number" and per_seconds or 0
  if not (seconds >= 0.001 and seconds <= MOST_SECONDS) then
    return bad("per_seconds must be a number from 0.001 to %d, not %s", MOST_SECONDS, per_seconds)
  end
  local per = math.floor(seconds * MICROSECONDS + 0.5)
  if tokens * 1.0 * per > MOST_UNITS then
    return bad("%d tokens per %g seconds: too many to count exactly", tokens, seconds)
  end
  local price = whole(cost == nil and 1 or cost, 0)
  if not price then return bad("cost must be a whole number of tokens, not %s", cost) end
  if price > tokens then
    return bad("a cost of %d tokens is more than the bucket ever holds (%d)", price, tokens)
  end
  return tokens, per, price
end

local function ask(verb, client, key, ...)
  local tokens, per, price = check(key, ...)
  if not tokens then return nil, per, price end
  local script, message, code = prepared(client)
  if not script then return nil, message, code end
  local reply
  reply, message, code = script({ key }, { tokens, per, price, verb })
  if not reply then return nil, message, code end
  return reply[1] == 1, reply[2] / MICROSECONDS, reply[3]
end

--- Takes tokens, all of them or none. Awaits Redis.
---@param client table
---@param key string of Redis; see bucket.key
---@param capacity integer tokens that the bucket holds, and that come back in per_seconds
---@param per_seconds number to the microsecond
---@param cost? integer tokens (1)
---@return boolean? is_granted nil when it failed
---@return number|string wait seconds until this cost would be granted (0 when it was), if nobody
--- else takes; or the message
---@return integer|string left tokens that are there now; or the code
function bucket.take(client, key, capacity, per_seconds, cost)
  return ask("take", client, key, capacity, per_seconds, cost)
end

--- The same answers, taking nothing.
function bucket.look(client, key, capacity, per_seconds, cost)
  return ask("look", client, key, capacity, per_seconds, cost)
end

--- What a policy gets that takes tokens while it judges a request: one that is judged again has
--- taken them already; of one that is explained none are taken.
---@param request moonpool.policy_request|nil
---@return boolean? is_granted
---@return number|string|nil wait # seconds, or the message
---@return integer|string|nil left # or the code
function bucket.ask(client, request, key, capacity, per_seconds, cost)
  if request and request.is_again then return true, 0.0 end
  local verb = request and request.is_explained and "look" or "take"
  return ask(verb, client, key, capacity, per_seconds, cost)
end

--- Fills a bucket again. Awaits Redis.
---@return boolean? ok whether something was missing; nil when it failed
---@return string? message
---@return string? code
function bucket.reset(client, key)
  local deleted, message, code = client:call("DEL", key)
  if not deleted then return nil, message, code end
  return deleted == 1
end

--- The Redis key of a script's bucket: in the room's slot, or of all rooms.
---@param room string|nil
---@param owner string who names it: a policy or bot
---@param name string
---@return string
function bucket.key(room, owner, name)
  if room then return ("{room:%s}:bucket:%s:%s"):format(room, owner, name) end
  return ("moonpool:bucket:%s:%s"):format(owner, name)
end

return bucket
