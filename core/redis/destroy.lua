-- Removes a room, and tells those who follow it.
--
-- KEYS  the room's keys
-- ARGV  channel
local removed = redis.call("UNLINK", unpack(KEYS))
redis.pcall("PUBLISH", ARGV[1], '{"type":"destroy"}')
return removed
