-- Goes back through a room's history, without handing it over.
-- KEYS: log. ARGV: before which entry ("+": from the newest on), how many.
-- Returns how many there were, and the id of the oldest of them or nil.
local from = ARGV[1] == "+" and "+" or "(" .. ARGV[1]
local entries = redis.call("XREVRANGE", KEYS[1], from, "-", "COUNT", ARGV[2])
local oldest = entries[#entries]
return {#entries, oldest and oldest[1] or false}
