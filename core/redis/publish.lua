-- Stores messages in a room and announces each, in order: each message's own result, or an error as
-- the reply: then nothing was done.
--
-- KEYS  log, head, config, backlog, then one for each message that has an idempotency key
-- ARGV  channel, asked kind, keep and keep_ms ("": whatever the room has), ms that keys are
--       remembered, then four for each message:
--         "k" (it has a key) or "-", then "s" (say); or, with a key only, "c" (clear), or "d" and
--         the id to be deleted
--         tag, 16 hexadecimal digits
--         hash of action and body, by which a key's use for another message is known
--         body, a JSON object
-- reply two for each message: its id and
--         how many received it; -1: the key had been used for the message with that id;
--         -2: stored, but Redis refused to PUBLISH it
--       or what is wrong, and -3: not stored
local call, pcall, format, match, byte = redis.call, redis.pcall, string.format, string.match,
  string.byte
local channel, ttl, log, head_key, backlog = ARGV[1], ARGV[5], KEYS[1], KEYS[2], KEYS[4]
local kind, keep, keep_ms

-- All that is rare is made when it is needed: defining it would cost every call some microseconds.
local rare
local function make_rare()
  local ORIGIN = "0-0-0000000000000000"
  rare = {}

  -- Redis's own words for this do not name the key.
  local function name_key(err, key)
    if not match(err, "^WRONGTYPE") then return err end
    local wanted = "string"
    if key == log then wanted = "stream" end
    if key == backlog then wanted = kind == "list" and "list" or "zset" end
    return "WRONGTYPE " .. key .. " holds a " .. call("TYPE", key).ok .. ", not a " .. wanted
  end

  -- The reply of a command on that key; or nil and what is wrong.
  local function try(command, key, ...)
    local reply = pcall(command, key, ...)
    if type(reply) == "table" and reply.err then return nil, name_key(reply.err, key) end
    return reply
  end

  -- Redis refuses for a reason that passes by itself: the whole call is made again.
  local function passes(err)
    return match(err, "^READONLY") or match(err, "^NOREPLICAS") or match(err, "^MASTERDOWN")
  end

  -- An error that Redis gave to a command: the reply's two, or a reply to the call.
  function rare.refused(err, key)
    if passes(err) then return redis.error_reply(err) end
    return name_key(err, key), -3
  end

  -- ---- where the history ends -------------------------------------------------------------------

  local function id_of_member(member)
    return member and match(member, '^{"id":"(%d+%-%d+%-%x+)"') or ORIGIN
  end

  local last = {}

  function last.list()
    local member, err = try("LINDEX", backlog, 0)
    if err then return nil, err end
    return id_of_member(member)
  end

  function last.sorted()
    local members, err = try("ZRANGE", backlog, -1, -1)
    if err then return nil, err end
    return id_of_member(members[1])
  end

  function last.stream()
    local info = pcall("XINFO", "STREAM", log)
    if info.err then
      if match(info.err, "no such key") then return ORIGIN end
      return nil, name_key(info.err, log)
    end
    local newest
    for i = 1, #info, 2 do
      if info[i] == "last-generated-id" then newest = info[i + 1] end
    end
    local entry = call("XREVRANGE", log, "+", "-", "COUNT", 1)[1]
    local tag = entry and entry[1] == newest and entry[2][1] == "t" and entry[2][2]
    return newest .. "-" .. (tag or "0000000000000000")
  end

  -- The newest id; or nil and what is wrong.
  function rare.last() return last[kind]() end

  -- Milliseconds and number of an id; or nil and what is wrong with it.
  function rare.split(id)
    local ms, seq = match(id, "^(%d+)%-(%d+)%-")
    if #ms > 15 or #seq > 15 then -- numbers are doubles
      return nil, "ROOM the id before is too large: " .. id
    end
    return ms, seq
  end

  -- ---- what the room is -------------------------------------------------------------------------

  local WORDS = { "its history is a %s, not a %s", "it keeps %s messages, not %s",
    "it keeps messages for %s ms, not %s" }

  -- Kind, keep, keep_ms in a table, and what is to be written to :config, if it is not there; or
  -- nil and what is wrong.
  local function settings_of(config)
    local settings = { "stream", "1000", "0" } -- a new room's
    if config then
      settings = { match(config, "^(%a+) (%d+) (%d+) %x+$") }
      if #settings == 0 then return nil, "ROOM its configuration is none: " .. config end
      if not last[settings[1]] then
        return nil, "ROOM its history is of an unknown kind, " .. settings[1]
      end
    end
    for i = 1, 3 do
      local asked = ARGV[i + 1]
      if asked ~= "" and asked ~= settings[i] then
        if config then return nil, "ROOM " .. format(WORDS[i], settings[i], asked) end
        settings[i] = asked
      end
    end
    return settings, not config and table.concat(settings, " ") .. " " .. ARGV[7]
  end

  -- The id before, and what is to be written to :config, or false; or nil and what is wrong.
  function rare.settle()
    local config, err = try("GET", KEYS[3])
    if err then return nil, err end
    local settings, new_config = settings_of(config)
    if not settings then return nil, new_config end
    kind, keep, keep_ms = unpack(settings)
    local head
    head, err = try("GET", head_key)
    if err then return nil, err end
    head = head and match(head, "^%d+%-%d+%-%x+$")
    if not head then head, err = rare.last() end
    if err then return nil, err end
    return head, new_config
  end

  -- ---- keys -------------------------------------------------------------------------------------

  -- The reply's two for a key that could not be set, by Redis's error or since it is there; or a
  -- reply to the call.
  function rare.use_again(key, hash, refusal)
    if refusal and passes(refusal) then return redis.error_reply(refusal) end
    local record, err = try("GET", key)
    if not record then return err or refusal, -3 end
    local id, old_hash = match(record, "^(%S+) (%x+)$")
    if not id then return "ROOM the key's record is none: " .. record, -3 end
    if old_hash ~= hash then return "ROOM the key was used for another message, " .. id, -3 end
    return id, -1
  end

  -- ---- erasing ----------------------------------------------------------------------------------

  -- What follows gives Redis's reply, 0 or nil when there is no such message; or nil and an error.
  local delete, clear = {}, {}

  function delete.stream(ms, seq, tag)
    local entry = ms .. "-" .. format("%.0f", seq)
    local found, err = try("XRANGE", log, entry, entry)
    if err then return nil, err end
    if not found[1] or found[1][2][1] ~= "t" or found[1][2][2] ~= tag then return 0 end
    return try("XDEL", log, entry)
  end

  -- The id may come without its zeros, as programs have it.
  local function find_member(members, ms, seq, tag)
    local begin = '{"id":"' .. ms .. "-" .. format("%012.0f", seq) .. "-" .. tag .. '"'
    for i = 1, #members do
      if string.sub(members[i], 1, #begin) == begin then return members[i] end
    end
  end

  function delete.list(ms, seq, tag)
    for first = 0, math.huge, 1000 do
      local members, err = try("LRANGE", backlog, first, first + 999)
      if err then return nil, err end
      if #members == 0 then return 0 end
      local member = find_member(members, ms, seq, tag)
      if member then return try("LREM", backlog, 1, member) end
    end
  end

  function delete.sorted(ms, seq, tag)
    local members, err = try("ZRANGEBYSCORE", backlog, ms, ms)
    if err then return nil, err end
    local member = find_member(members, ms, seq, tag)
    if member then return try("ZREM", backlog, member) end
  end

  function clear.stream() return try("XTRIM", log, "MAXLEN", 0) end

  function clear.list() return try("DEL", backlog) end

  clear.sorted = clear.list

  -- Does what the action asks for besides the message: nil; or what is wrong.
  function rare.erase(action)
    if byte(action, 2) == 99 then -- "c"
      local _, err = clear[kind]()
      return err
    end
    local id = string.sub(action, 3)
    local reply, err = delete[kind](match(id, "^(%d+)%-(%d+)%-(%x+)$"))
    if err then return err end
    if not reply or reply == 0 then return "ROOM it has no message " .. id end
  end

  -- ---- ageing -----------------------------------------------------------------------------------

  local age = {}

  function age.stream(oldest) call("XTRIM", log, "MINID", "~", oldest) end

  function age.sorted(oldest) call("ZREMRANGEBYSCORE", backlog, "-inf", "(" .. oldest) end

  -- More than were stored; the rest by later messages.
  function age.list(oldest, stored)
    for _ = 1, 100 + stored do
      local ms = match(id_of_member(call("LINDEX", backlog, -1)), "^%d+")
      if ms == "0" or tonumber(ms) >= tonumber(oldest) then break end
      call("RPOP", backlog)
    end
  end

  -- Removes what the room keeps no longer.
  function rare.age(ms, stored)
    local oldest = ms - tonumber(keep_ms)
    if oldest > 0 then age[kind](format("%.0f", oldest), stored) end
  end
end

-- ---- what the room is ---------------------------------------------------------------------------

local known = call("MGET", head_key, KEYS[3])
local before, config, new_config = known[1], known[2], false
local before_ms, before_seq = match(before or "", "^(%d+)%-(%d+)%-%x+$")
kind, keep, keep_ms = match(config or "", "^(%a+) (%d+) (%d+) %x+$")
if not before_ms or not kind or #before_ms > 15 or #before_seq > 15
    or kind ~= "stream" and kind ~= "list" and kind ~= "sorted"
    or ARGV[2] ~= "" and ARGV[2] ~= kind or ARGV[3] ~= "" and ARGV[3] ~= keep
    or ARGV[4] ~= "" and ARGV[4] ~= keep_ms then
  make_rare()
  before, new_config = rare.settle()
  if not before then return redis.error_reply(new_config) end
  before_ms, before_seq = rare.split(before)
  if not before_ms then return redis.error_reply(before_seq) end
end

-- ---- the messages -------------------------------------------------------------------------------

local is_stream, is_list, is_limited = kind == "stream", kind == "list", keep ~= "0"
local time = call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ms, seq, place_format

local function go_on_from(last_ms, last_seq)
  ms, seq = tonumber(last_ms), tonumber(last_seq)
  if ms < now then ms = now end
  -- In lists and sorted sets the count has its zeros, so that what was said within a millisecond
  -- sorts as it was said.
  place_format = format("%.0f-", ms) .. (is_stream and "%.0f" or "%012.0f")
end
go_on_from(before_ms, before_seq)

local results, count, stored, next_key, length = {}, 0, 0, 5, 0

for i = 6, #ARGV, 4 do
  local action, tag, hash, body = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local place = format(place_format, seq + 1)
  local id, key, result = place .. "-" .. tag, nil, nil
  if byte(action) == 107 then -- "k"
    key = KEYS[next_key]
    next_key = next_key + 1
    local reply = pcall("SET", key, id .. " " .. hash, "NX", "PX", ttl)
    if not reply or reply.err then
      if not rare then make_rare() end
      id, result = rare.use_again(key, hash, reply and reply.err)
      if not result then return id end
    end
  end
  if not result and byte(action, 2) ~= 115 then -- "s"
    if not rare then make_rare() end
    local wrong = rare.erase(action)
    if wrong then
      id, result = wrong, -3
      call("DEL", key)
    end
  end
  while not result do
    local reply, frame
    if is_stream then
      frame = '{"id":"' .. id .. '","prev":"' .. before .. '","m":' .. body .. "}"
      if is_limited then
        reply = pcall("XADD", log, "MAXLEN", "~", keep, place, "t", tag, "m", body)
      else
        reply = pcall("XADD", log, place, "t", tag, "m", body)
      end
    else
      frame = '{"id":"' .. id .. '","m":' .. body .. "}"
      if is_list then
        reply = pcall("LPUSH", backlog, frame)
        length = reply
      else
        reply = pcall("ZADD", backlog, format("%.0f", ms), frame)
      end
    end
    if type(reply) ~= "table" or reply.ok then
      seq, stored, before = seq + 1, stored + 1, id
      local receivers = pcall("PUBLISH", channel, frame)
      result = type(receivers) == "table" and -2 or receivers
    elseif stored == 0 and string.find(reply.err, "equal or smaller", 1, true) then
      -- Somebody else has added to the log.
      if not rare then make_rare() end
      before = rare.last()
      before_ms, before_seq = rare.split(before)
      if before_ms then
        go_on_from(before_ms, before_seq)
        place = format(place_format, seq + 1)
        id = place .. "-" .. tag
        if key then call("SET", key, id .. " " .. hash, "PX", ttl) end
      else
        if key then call("DEL", key) end
        return redis.error_reply(before_seq)
      end
    else
      if not rare then make_rare() end
      if key then call("DEL", key) end
      id, result = rare.refused(reply.err, is_stream and log or backlog)
      if not result then return id end
    end
  end
  results[count + 1], results[count + 2] = id, result
  count = count + 2
end

if stored > 0 then
  call("SET", head_key, before)
  if new_config then call("SET", KEYS[3], new_config) end
  if is_limited and not is_stream then
    if not is_list then
      call("ZREMRANGEBYRANK", backlog, 0, "-" .. format("%.0f", keep + 1))
    elseif length > tonumber(keep) then
      call("LTRIM", backlog, 0, keep - 1)
    end
  end
  if keep_ms ~= "0" then
    if not rare then make_rare() end
    rare.age(ms, stored)
  end
end
return results
