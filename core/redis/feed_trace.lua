-- Finds where a room's history and what a feed has delivered part.
-- KEYS: log, head, config. ARGV: how many entries to read, then <ms>-<seq> and tag of the messages
-- that were delivered, newest first.
-- Returns as feed_read, and: which of them (from 1) is the newest that is still there, and the
-- entries begin with it; or 0, when none is, and whether the entries begin with the oldest one:
-- else they begin with the first whose seq is not below that of the oldest message named. Times do
-- not tell which is younger, for another server's clock may be behind.
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

local function parts(id)
  local ms, seq = id:match("(%d+)-(%d+)")
  return tonumber(ms), tonumber(seq)
end

-- The seq of the first message from the beginning of that ms on.
local function seq_from(ms)
  local entries = redis.call("XRANGE", KEYS[1], ("%.0f"):format(ms), "+", "COUNT", "10")
  for _, entry in ipairs(entries) do
    if tag_of(entry) then return select(2, parts(entry[1])) end
  end
  return math.huge
end

-- Where the messages of that seq and above begin; seqs rise with the times. The oldest message's is
-- below it.
local function place_of(seq, oldest)
  local low = parts(oldest[1])
  local high = parts(redis.call("XREVRANGE", KEYS[1], "+", "-", "COUNT", "1")[1][1])
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if seq_from(middle) < seq then low = middle else high = middle - 1 end
  end
  return ("%.0f-%.0f"):format(low, seq)
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
  local _, seq = parts(ARGV[#ARGV - 1])
  is_oldest = (not oldest or select(2, parts(oldest[1])) >= seq) and 1 or 0
  from = is_oldest == 1 and "-" or place_of(seq, oldest)
end
local entries = redis.call("XRANGE", KEYS[1], from, "+", "COUNT", ARGV[1])
return {head, config, server, entries, found, is_oldest}
