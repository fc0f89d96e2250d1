--- Token buckets on a clock of one's own; exact, as those in Redis (moonpool.host.bucket) are.
local virtual_bucket = {}

local MICROSECONDS = 1000000

--- Takes tokens, all of them or none.
---@param buckets table<string, table> where they are kept, by key
---@param now number seconds
---@param key string
---@param capacity integer
---@param per_seconds number
---@param cost integer
---@param is_looking boolean nothing is taken
---@return boolean is_granted
---@return number wait seconds
function virtual_bucket.take(buckets, now, key, capacity, per_seconds, cost, is_looking)
  local per = math.floor(per_seconds * MICROSECONDS + 0.5)
  local at = math.floor(now * MICROSECONDS + 0.5)
  local known = buckets[key]
  local missing = 0
  if known then
    missing = known.missing
    if known.per ~= per then missing = math.ceil(missing / known.per * per) end
    missing = math.max(math.min(missing, capacity * per) - (at - known.at) * capacity, 0)
  end
  local wanted = missing + cost * per
  local over = wanted - capacity * per
  if over > 0 then return false, math.ceil(over / capacity) / MICROSECONDS end
  if not is_looking and cost > 0 then buckets[key] = { at = at, missing = wanted, per = per } end
  return true, 0.0
end

return virtual_bucket
