local is = require "normal"

local all = {}
for byte = 0, 255 do all[#all + 1] = string.char(byte) end
local ALL = table.concat(all)
local MEGABYTE = ALL:rep(4096)

return {
  { "SET", ALL, ALL },
  { "GET", ALL },
  { "STRLEN", ALL },
  { "EXISTS", ALL },
  { "KEYS", "*" },
  { "HSET", "h", ALL, "v", "f", ALL, "", "empty field" },
  { "HGET", "h", ALL },
  { "HGETALL", "h", reply = is.map() },
  { "SADD", "s", ALL, "" },
  { "SMEMBERS", "s", reply = is.set },
  { "RPUSH", "l", ALL, "", "\r\n", "\0", "$-1\r\n", "*-1\r\n" },
  { "LRANGE", "l", 0, -1 },
  { "ZADD", "z", 1, ALL },
  { "ZRANGE", "z", 0, -1, "WITHSCORES", reply = is.pairs(is.any, is.double) },
  { "XADD", "x", "1-1", ALL, ALL },
  { "XRANGE", "x", "-", "+" },
  { "SET", "", "the empty key" },
  { "GET", "" },
  { "SET", "megabyte", MEGABYTE },
  { "STRLEN", "megabyte" },
  { "GET", "megabyte" },
  { "APPEND", "megabyte", "x" },
  { "GETRANGE", "megabyte", -257, -1 },
  { "EVAL", "return {ARGV[1], ARGV[1]}", 0, MEGABYTE },
  { "ECHO", ALL },
  { "PING", ALL },
  { "EVAL", "local t = {} for i = 1, 5000 do t[i] = i end return t", 0 },
  { "EVAL", "return redis.error_reply('BYTES \\t' .. ARGV[1])", 0, "tab and text" },
  -- Numbers as arguments.
  { "ECHO", 0 },
  { "ECHO", -1 },
  { "ECHO", 4503599627370496 },
  { "ECHO", 0.1 },
  { "ECHO", -0.5 },
  { "ECHO", 1e100 },
  { "ECHO", 3.141592653589793 },
  { "ECHO", 1.7976931348623157e308 },
}
