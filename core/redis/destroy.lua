-- Removes a room, and tells those who follow it.
--
-- KEYS  log, head, config, backlog, who, places, leases, and another backlog if the room has one
-- ARGV  channel
local leases = KEYS[7]
local ids = redis.pcall("ZRANGE", leases, 0, -1)
for i = 1, #ids do redis.call("UNLINK", string.sub(leases, 1, -2) .. ":" .. ids[i]) end
local removed = redis.call("UNLINK", unpack(KEYS))
redis.pcall("PUBLISH", ARGV[1], '{"type":"destroy"}')
return removed
