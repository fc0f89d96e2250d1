-- Finds where a room's history and what a feed has delivered part.
-- KEYS: log, head, config. ARGV: how many entries to read, then <ms>-<seq> and tag of the messages
-- that were delivered, newest first.
-- Returns as feed_read, and: which of them (from 1) is the newest that is still there, and the
-- entries begin with it; or 0, when none is, and whether the entries begin with the oldest one.
local function word(section, name)
  local info = redis.pcall("INFO", section)
  return type(info) == "string" and info:match("\n" .. name .. ":(%x+)") or ""
end

local function tag_of(entry)
  local fields = entry[2]
  for i = 1, #fields, 2 do
    if fields[i] == "t" then return fields[i + 1] end
  end
end

local function is_younger(a, b)
  local a_ms, a_seq = a:match("(%d+)-(%d+)")
  local b_ms, b_seq = b:match("(%d+)-(%d+)")
  a_ms, a_seq, b_ms, b_seq = tonumber(a_ms), tonumber(a_seq), tonumber(b_ms), tonumber(b_seq)
  return a_ms > b_ms or a_ms == b_ms and a_seq > b_seq
end

local head = redis.call("GET", KEYS[2])
local config = redis.call("GET", KEYS[3])
local run, replication = word("server", "run_id"), word("replication", "master_replid")
local server = run ~= "" and replication ~= "" and run .. replication or ""
local found, from, is_oldest = 0, nil, 0
for i = 2, #ARGV, 2 do
  local entry = redis.call("XRANGE", KEYS[1], ARGV[i], ARGV[i])[1]
  if entry and tag_of(entry) == ARGV[i + 1] then
    found, from = i / 2, ARGV[i]
    break
  end
end
if not from then
  local oldest = redis.call("XRANGE", KEYS[1], "-", "+", "COUNT", "1")[1]
  local first = ARGV[#ARGV - 1]
  is_oldest = (not oldest or is_younger(oldest[1], first)) and 1 or 0
  from = is_oldest == 1 and "-" or first
end
local entries = redis.call("XRANGE", KEYS[1], from, "+", "COUNT", ARGV[1])
return {head, config, server, entries, found, is_oldest}
