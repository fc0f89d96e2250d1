-- Changes how much of its history a room keeps; of a room that is not there, what it will keep.
--
-- KEYS  config
-- ARGV  keep, keep_ms ("": as it is), 16 hexadecimal digits for a new room
local kind, keep, keep_ms, birth = "stream", "1000", "0", ARGV[3]
local config = redis.call("GET", KEYS[1])
if config then
  kind, keep, keep_ms, birth = string.match(config, "^(%a+) (%d+) (%d+) (%x+)$")
  if not kind then return redis.error_reply("ROOM its configuration is none: " .. config) end
end
if ARGV[1] ~= "" then keep = ARGV[1] end
if ARGV[2] ~= "" then keep_ms = ARGV[2] end
redis.call("SET", KEYS[1], table.concat({ kind, keep, keep_ms, birth }, " "))
return redis.status_reply("OK")
