-- Reads a part of a room's history for a feed.
-- KEYS: log, head, config. ARGV: the first entry to read as <ms>-<seq>, or "$": only the ids of the
-- newest ones, newest first; how many.
-- Returns the head and the config (or nil), what tells this server and its history from another,
-- and the entries.
local function word(section, name)
  local info = redis.pcall("INFO", section)
  return type(info) == "string" and info:match("\n" .. name .. ":(%x+)") or ""
end

local function id_of(entry)
  local fields, tag = entry[2], ""
  for i = 1, #fields, 2 do
    if fields[i] == "t" then tag = fields[i + 1] end
  end
  return {entry[1], {"t", tag}}
end

local head = redis.call("GET", KEYS[2])
local config = redis.call("GET", KEYS[3])
local run, replication = word("server", "run_id"), word("replication", "master_replid")
local server = run ~= "" and replication ~= "" and run .. replication or ""
local entries
if ARGV[1] == "$" then
  entries = redis.call("XREVRANGE", KEYS[1], "+", "-", "COUNT", ARGV[2])
  for i = 1, #entries do entries[i] = id_of(entries[i]) end
else
  entries = redis.call("XRANGE", KEYS[1], ARGV[1], "+", "COUNT", ARGV[2])
end
return {head, config, server, entries}
