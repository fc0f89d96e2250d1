local list = {
  { "SET", "s", "text" },
  { "RPUSH", "l", "x" },
  { "HSET", "h", "f", "v" },
}

-- Each type's command on another's key.
for _, command in ipairs {
  { "INCR", "l" }, { "GET", "h" }, { "APPEND", "l", "x" }, { "GETBIT", "l", 0 }, { "MGET", "l" },
  { "LPUSH", "s", "x" }, { "LRANGE", "h", 0, -1 }, { "HGET", "s", "f" }, { "HGETALL", "l" },
  { "SADD", "s", "x" }, { "SMEMBERS", "l" }, { "SINTER", "l", "h" }, { "ZADD", "s", 1, "x" },
  { "ZRANGE", "h", 0, -1 }, { "XADD", "s", "*", "f", "v" }, { "XLEN", "l" }, { "PFADD", "l", "x" },
  { "GEOADD", "s", 1, 1, "x" }, { "BLPOP", "s", 1 }, { "XREAD", "STREAMS", "s", "0" },
  { "GETDEL", "l" }, { "SORT", "h" }, { "LMPOP", 1, "s", "LEFT" }, { "ZUNION", 1, "l" },
} do list[#list + 1] = command end

-- Arity, syntax, ranges, unknown names.
for _, command in ipairs {
  { "GET" }, { "SET", "k" }, { "HSET", "h", "f" }, { "MSET", "a", "1", "b" }, { "ZADD", "z", 1 },
  { "PING", "a", "b" }, { "XADD", "x", "1-1" }, { "SET", "k", "v", "NX", "XX" },
  { "SET", "k", "v", "NOSUCH" }, { "SET", "k", "v", "EX", 0 }, { "SET", "k", "v", "EX", "soon" },
  { "INCR", "s" }, { "INCRBY", "n", "x" }, { "INCRBY", "n", 1.5 }, { "INCRBYFLOAT", "s", 1 },
  { "INCRBYFLOAT", "n", "inf" }, { "SETBIT", "b", -1, 1 }, { "SETBIT", "b", 0, 2 },
  { "SETRANGE", "s", -1, "x" }, { "GETRANGE", "s", "x", 1 }, { "LINDEX", "l", "x" },
  { "LINSERT", "l", "BESIDE", "x", "y" }, { "ZADD", "z", "nan", "x" }, { "ZADD", "z", "x", "x" },
  { "ZADD", "z", "NX", "XX", 1, "x" }, { "ZRANGEBYSCORE", "z", "a", "b" },
  { "ZRANGEBYLEX", "z", "a", "b" }, { "EXPIRE", "s", "x" },
  { "EXPIRE", "s", "9223372036854775807" },
  { "LPOP", "l", -1 }, { "SPOP", "missing", -1 }, { "LPOS", "l", "x", "RANK", 0 },
  { "SCAN", "x" }, { "SCAN", 0, "COUNT", 0 }, { "SINTERCARD", 0, "a" }, { "ZINTER", 0, "a" },
  { "BITOP", "NOT", "d", "a", "b" }, { "BITOP", "MAYBE", "d", "a" }, { "BITPOS", "s", 2 },
  { "BITFIELD", "f", "GET", "u65", 0 }, { "XRANGE", "x", "x", "+" }, { "XREAD", "STREAMS", "x" },
  { "XADD", "x", "no-id", "f", "v" }, { "XGROUP", "CREATE", "missing", "g", "0" },
  { "XACK", "l", "g", "1-1" }, { "MOVE", "s", 99 }, { "COPY", "s", "s" },
  { "SWAPDB", 0, 99 }, { "OBJECT", "NOSUCH", "s" }, { "OBJECT" }, { "CONFIG", "GET" },
  { "CONFIG", "SET", "nosuch", 1 }, { "CONFIG", "SET", "maxmemory", "lots" },
  { "CONFIG", "SET", "port" }, { "CLIENT", "NOSUCH" }, { "CLIENT", "KILL", "1.2.3.4:5" },
  { "CLIENT", "SETNAME", "with space" }, { "CLIENT", "CACHING", "YES" },
  { "CLIENT", "TRACKING", "MAYBE" }, { "ACL", "SETUSER", "bad", "+nosuch" },
  { "ACL", "GETUSER", "nobody" }, { "ACL", "DRYRUN", "nobody", "GET", "x" },
  { "CLUSTER", "INFO" }, { "READONLY" }, { "ASKING" }, { "FAILOVER" }, { "NOSUCH" },
  { "NOSUCH", "with", "arguments" }, { "no.such.command" }, { "EVAL", "return 1", -1 },
  { "EVAL", "return 1", 5 }, { "EVAL", "return 1", "x" }, { "EVALSHA", "short", 0 },
  { "SCRIPT", "NOSUCH" }, { "FUNCTION", "LOAD", "no shebang" }, { "FCALL", "f" },
  { "GEOSEARCH", "g", "FROMLONLAT", 0, 0 }, { "GEODIST", "g", "a", "b", "parsec" },
  { "RESTORE", "r", -1, "x" }, { "DEBUG", "NOSUCH" }, { "MEMORY", "NOSUCH" },
  { "LATENCY", "GRAPH", "nothing" }, { "SLOWLOG", "GET", "x" }, { "COMMAND", "GETKEYS", "PING" },
  { "COMMAND", "NOSUCH" }, { "LCS", "l", "h" }, { "WAIT", -1, 0 }, { "BLPOP", "x", -1 },
  { "BLPOP", "x", "soon" }, { "REPLICAOF", "host", "port" }, { "MODULE", "LOAD", "/no/such.so" },
  { "MODULE", "UNLOAD", "nosuch" }, { "MIGRATE", "127.0.0.1", 1, "missing", 0, 10 },
} do list[#list + 1] = command end

-- Out of memory.
for _, command in ipairs {
  { "CONFIG", "SET", "maxmemory", 1 }, { "SET", "k", "v" }, { "GET", "s" },
  { "CONFIG", "SET", "maxmemory", 0 },
} do list[#list + 1] = command end

return list
