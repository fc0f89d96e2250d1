local is = require "normal"

return {
  { pipeline = { { "SET", "a", "1" }, { "INCR", "a" }, { "GET", "a" }, { "GET", "nothing" } } },
  { pipeline = { { "LPUSH", "a", "x" }, { "GET", "a" }, { "NOSUCH" }, { "MGET", "a", "b" } } },
  { pipeline = { { "GET" } } },
  { transaction = { { "SET", "t", "10" }, { "INCRBY", "t", 5 }, { "GET", "t" },
    { "GET", "nothing" }, { "MGET", "t", "nothing" } } },
  { transaction = { { "SET", "t", "text" }, { "INCR", "t" }, { "GET", "t" } } },
  { transaction = { { "SET", "t", "unset" }, { "INCR" }, { "GET", "t" } } },
  { transaction = { { "SET", "t", "unset" }, { "NOSUCH", "x" }, { "INCR" } } },
  { "GET", "t" },
  { transaction = { { "HSET", "h", "f", "v" }, { "HGETALL", "h" }, { "EXISTS", "h" } },
    reply = is.tuple(is.any, is.map()) },
  { transaction = { { "ZADD", "z", 1.5, "m" }, { "ZSCORE", "z", "m" } },
    reply = is.tuple(is.any, is.double) },
  { transaction = { { "LRANGE", "nothing", 0, -1 }, { "LPOP", "nothing" } } },
  { watch = { "w" }, transaction = { { "SET", "w", "1" }, { "INCR", "w" } } },
  { watch = { "w", "v" }, conflict = { "SET", "v", "changed" },
    transaction = { { "SET", "w", "never" } } },
  { "GET", "w" },
}
