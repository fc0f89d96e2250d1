local is = require "normal"

local entries = is.any -- [id, [field, value, …]] each: lists in RESP3, too
local by_stream = is.map(entries) -- RESP3: a map; RESP2: [key, entries] each

local function flatten(value)
  if value[1] ~= "a" then return value end
  local flat = {}
  for _, item in ipairs(value[2]) do
    if item[1] ~= "a" then return value end
    table.move(item[2], 1, #item[2], #flat + 1, flat)
  end
  return { "a", flat }
end

local read = is.both(flatten, by_stream)
local consumers_full = is.list(is.record { ["seen-time"] = is.volatile,
  pending = is.list(is.tuple(is.any, is.volatile)) })
local groups_full = is.list(is.record { consumers = consumers_full,
  pending = is.list(is.tuple(is.any, is.any, is.volatile)) })
local full = is.record { groups = groups_full }
local consumers = is.list(is.record { idle = is.volatile, inactive = is.volatile })

return {
  { "XADD", "x", "1-1", "a", "1" },
  { "XADD", "x", "1-2", "a", "2", "b", "" },
  { "XADD", "x", "2-0", "c", "3" },
  { "XADD", "x", "1-0", "too", "old" },
  { "XADD", "x", "0-0", "zero", "zero" },
  { "XADD", "x", "3-*", "d", "4" },
  { "XADD", "auto", "*", "f", "v", reply = is.volatile },
  { "XADD", "absent", "NOMKSTREAM", "1-1", "f", "v" },
  { "XLEN", "x" },
  { "XLEN", "nothing" },
  { "XRANGE", "x", "-", "+" },
  { "XRANGE", "x", "(1-1", "+", "COUNT", 1 },
  { "XRANGE", "nothing", "-", "+" },
  { "XREVRANGE", "x", "+", "-", "COUNT", 2 },
  { "XREAD", "COUNT", 2, "STREAMS", "x", 0, reply = read },
  { "XREAD", "STREAMS", "x", "nothing", "1-2", "0", reply = read },
  { "XREAD", "STREAMS", "x", "9-9", reply = read },
  { "XREAD", "BLOCK", 1000, "STREAMS", "x", "2-0", reply = read },
  { "XREAD", "BLOCK", 10, "STREAMS", "x", "$", reply = read },
  { "XGROUP", "CREATE", "x", "g", "0" },
  { "XGROUP", "CREATE", "x", "g", "0" },
  { "XGROUP", "CREATE", "made", "g", "$", "MKSTREAM" },
  { "XGROUP", "CREATECONSUMER", "x", "g", "alice" },
  { "XGROUP", "CREATECONSUMER", "x", "g", "alice" },
  { "XREADGROUP", "GROUP", "g", "alice", "COUNT", 2, "STREAMS", "x", ">", reply = read },
  { "XREADGROUP", "GROUP", "g", "bob", "COUNT", 1, "STREAMS", "x", ">", reply = read },
  { "XREADGROUP", "GROUP", "g", "alice", "STREAMS", "x", "0", reply = read },
  { "XREADGROUP", "GROUP", "g", "carol", "STREAMS", "x", "0", reply = read },
  { "XREADGROUP", "GROUP", "g", "bob", "NOACK", "STREAMS", "x", ">", reply = read },
  { "XREADGROUP", "GROUP", "g", "bob", "BLOCK", 10, "STREAMS", "x", ">", reply = read },
  { "XREADGROUP", "GROUP", "missing", "bob", "STREAMS", "x", ">" },
  { "XPENDING", "x", "g" },
  { "XPENDING", "made", "g" },
  { "XPENDING", "x", "g", "-", "+", 10,
    reply = is.list(is.tuple(is.any, is.any, is.volatile, is.any)) },
  { "XPENDING", "x", "g", "-", "+", 10, "nobody" },
  { "XDEL", "x", "1-2", "7-7" },
  { "XREADGROUP", "GROUP", "g", "alice", "STREAMS", "x", "0", reply = read },
  { "XCLAIM", "x", "g", "bob", 0, "1-1" },
  { "XCLAIM", "x", "g", "bob", 0, "1-1", "JUSTID" },
  { "XAUTOCLAIM", "x", "g", "carol", 0, "0-0", "COUNT", 10 },
  { "XAUTOCLAIM", "x", "g", "carol", 0, "0-0", "JUSTID" },
  { "XACK", "x", "g", "1-1", "9-9" },
  { "XINFO", "STREAM", "x", reply = is.map() },
  { "XINFO", "STREAM", "x", "FULL", reply = full },
  { "XINFO", "GROUPS", "x", reply = is.list(is.map()) },
  { "XINFO", "CONSUMERS", "x", "g", reply = consumers },
  { "XINFO", "STREAM", "nothing" },
  { "XGROUP", "SETID", "x", "g", "2-0" },
  { "XGROUP", "DELCONSUMER", "x", "g", "carol" },
  { "XGROUP", "DESTROY", "x", "g" },
  { "XGROUP", "DESTROY", "x", "g" },
  { "XTRIM", "x", "MAXLEN", 1 },
  { "XSETID", "x", "10-0", "ENTRIESADDED", 20, "MAXDELETEDID", "5-0" },
  { "XINFO", "STREAM", "x", reply = is.map() },
  { "XADD", "x", "MAXLEN", "=", 1, "11-0", "f", "v" },
  { "XRANGE", "x", "-", "+" },
  { "XINFO", "HELP" },
  { "XGROUP", "HELP" },
}
