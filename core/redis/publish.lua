-- Stores messages in a room and announces each, in order: all that can be stored, or, with an error
-- as the reply, none.
--
-- KEYS  log, head, config, backlog, then one for each message that has an idempotency key
-- ARGV  channel, asked kind, keep and keep_ms ("": whatever the room has), ms that keys are
--       remembered, then four for each message:
--         "k" (it has a key) or "-", then "s" (say), "c" (clear) or "d" and the id to be deleted
--         tag, 16 hexadecimal digits
--         hash of action and body, by which a key's use for another message is known
--         body, a JSON object
-- reply two for each message: its id and
--         how many received it; -1: the key had been used for the message with that id;
--         -2: stored, but Redis refused to PUBLISH it
--       or what is wrong, and -3: not stored
local call, pcall, format, match = redis.call, redis.pcall, string.format, string.match
local channel, ttl = ARGV[1], ARGV[5]

-- All but plain messages in a stream that is there: in a function of its own, since what it defines
-- would cost every call some microseconds.
local function publish_any()
  local log, head_key, config_key, backlog = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

  local ORIGIN = "0-0-0000000000000000"
  local LARGEST = 9007199254740991 -- 2^53 - 1: numbers are doubles

  local function refused(text) return redis.error_reply("ROOM " .. text) end

  local function is_error(reply) return type(reply) == "table" and reply.err ~= nil end

  -- ---- what the room is -------------------------------------------------------------------------

  local config = pcall("GET", config_key)
  if is_error(config) then return config end
  local asked = { ARGV[2], ARGV[3], ARGV[4] }
  local settings = { "stream", "1000", "0" } -- a new room's
  if config then
    settings = { match(config, "^(%a+) (%d+) (%d+) %x+$") }
    if #settings == 0 then return refused("its configuration is none: " .. config) end
  end
  local words = { "its history is a %s, not a %s", "it keeps %s messages, not %s",
    "it keeps messages for %s ms, not %s" }
  for i = 1, 3 do
    if asked[i] ~= "" and asked[i] ~= settings[i] then
      if config then return refused(format(words[i], settings[i], asked[i])) end
      settings[i] = asked[i]
    end
  end
  local kind, keep, keep_ms = settings[1], tonumber(settings[2]), tonumber(settings[3])

  -- ---- where its history ends -------------------------------------------------------------------

  local histories = { stream = {}, list = {}, sorted = {} }
  local history = histories[kind]
  if not history then return refused("its history is of an unknown kind, " .. kind) end

  local function id_of_member(member)
    return member and match(member, '^{"id":"(%d+%-%d+%-%x+)"') or ORIGIN
  end

  function histories.list.last() return id_of_member(call("LINDEX", backlog, 0)) end

  function histories.sorted.last() return id_of_member(call("ZRANGE", backlog, -1, -1)[1]) end

  function histories.stream.last()
    local info = pcall("XINFO", "STREAM", log)
    if is_error(info) then return ORIGIN end
    local last
    for i = 1, #info, 2 do
      if info[i] == "last-generated-id" then last = info[i + 1] end
    end
    local entry = call("XREVRANGE", log, "+", "-", "COUNT", 1)[1]
    local tag = entry and entry[1] == last and entry[2][1] == "t" and entry[2][2]
    return last .. "-" .. (tag or "0000000000000000")
  end

  local prev, prev_ms, prev_seq

  local function take_prev(id)
    local ms, seq = match(id, "^(%d+)%-(%d+)%-")
    prev, prev_ms, prev_seq = id, tonumber(ms), tonumber(seq)
  end

  local head = pcall("GET", head_key)
  if is_error(head) then return head end
  take_prev(head and match(head, "^%d+%-%d+%-%x+$") or history.last())
  if prev_ms > LARGEST or prev_seq > LARGEST then
    return refused("the id before is too large: " .. prev)
  end

  -- ---- storing ----------------------------------------------------------------------------------

  local time = call("TIME")
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local has_written = false

  function histories.stream.add(tag, body, ms, seq)
    local entry = format("%.0f-%.0f", ms, seq)
    local reply
    if keep > 0 then
      reply = pcall("XADD", log, "MAXLEN", "~", keep, entry, "t", tag, "m", body)
    else
      reply = pcall("XADD", log, entry, "t", tag, "m", body)
    end
    return entry .. "-" .. tag, reply
  end

  -- In lists and sorted sets the count has its zeros, so that what was said within a millisecond
  -- sorts as it was said.
  local function member_of(tag, body, ms, seq)
    local id = format("%.0f-%012.0f-%s", ms, seq, tag)
    return id, '{"id":"' .. id .. '","m":' .. body .. "}"
  end

  function histories.list.add(tag, body, ms, seq)
    local id, member = member_of(tag, body, ms, seq)
    local reply = pcall("LPUSH", backlog, member)
    if not is_error(reply) and keep > 0 and reply > keep then
      call("LTRIM", backlog, 0, keep - 1)
    end
    return id, reply
  end

  function histories.sorted.add(tag, body, ms, seq)
    local id, member = member_of(tag, body, ms, seq)
    local reply = pcall("ZADD", backlog, format("%.0f", ms), member)
    if not is_error(reply) and keep > 0 then
      call("ZREMRANGEBYRANK", backlog, 0, -(keep + 1))
    end
    return id, reply
  end

  -- Stores one: its id and the one before it; or nil and the error.
  local function add(tag, body)
    local ms = now > prev_ms and now or prev_ms
    local id, reply = history.add(tag, body, ms, prev_seq + 1)
    if is_error(reply) and string.find(reply.err, "equal or smaller", 1, true) then
      take_prev(history.last()) -- somebody else has added to the log
      ms = now > prev_ms and now or prev_ms
      id, reply = history.add(tag, body, ms, prev_seq + 1)
    end
    if is_error(reply) then return nil, reply end
    has_written = true
    local before = prev
    prev, prev_ms, prev_seq = id, ms, prev_seq + 1
    return id, before
  end

  -- ---- erasing ----------------------------------------------------------------------------------

  -- What follows gives Redis's reply; 0 when there is no such message.
  function histories.stream.delete(id)
    local ms, seq, tag = match(id, "^(%d+)%-(%d+)%-(%x+)$")
    local entry = ms .. "-" .. format("%.0f", seq)
    local found = pcall("XRANGE", log, entry, entry)
    if is_error(found) then return found end
    if not found[1] or found[1][2][1] ~= "t" or found[1][2][2] ~= tag then return 0 end
    return pcall("XDEL", log, entry)
  end

  -- The id may come without its zeros, as programs have it.
  local function find_member(members, id)
    local ms, seq, tag = match(id, "^(%d+)%-(%d+)%-(%x+)$")
    local begin = '{"id":"' .. ms .. "-" .. format("%012.0f", seq) .. "-" .. tag .. '"'
    for i = 1, #members do
      if string.sub(members[i], 1, #begin) == begin then return members[i] end
    end
  end

  function histories.list.delete(id)
    local members = pcall("LRANGE", backlog, 0, -1)
    if is_error(members) then return members end
    local member = find_member(members, id)
    return member and pcall("LREM", backlog, 1, member) or 0
  end

  function histories.sorted.delete(id)
    local ms = match(id, "^%d+")
    local members = pcall("ZRANGEBYSCORE", backlog, ms, ms)
    if is_error(members) then return members end
    local member = find_member(members, id)
    return member and pcall("ZREM", backlog, member) or 0
  end

  function histories.stream.clear() return pcall("XTRIM", log, "MAXLEN", 0) end

  function histories.list.clear() return pcall("DEL", backlog) end

  histories.sorted.clear = histories.list.clear

  -- What is older than the room keeps it.
  function histories.stream.age(oldest) call("XTRIM", log, "MINID", "~", format("%.0f", oldest)) end

  function histories.sorted.age(oldest)
    call("ZREMRANGEBYSCORE", backlog, "-inf", "(" .. format("%.0f", oldest))
  end

  function histories.list.age(oldest)
    for _ = 1, 100 do -- the rest by later messages
      local ms = match(id_of_member(call("LINDEX", backlog, -1)), "^%d+")
      if ms == "0" or tonumber(ms) >= oldest then break end
      call("RPOP", backlog)
    end
  end

  -- Does what the action asks for besides the message: nil; or what is wrong, and Redis's error.
  local function erase(action)
    local verb, reply = string.sub(action, 2, 2), 1
    if verb == "d" then
      reply = history.delete(string.sub(action, 3))
    elseif verb == "c" then
      reply = history.clear()
    end
    if is_error(reply) then return reply.err, reply end
    if verb == "d" and reply == 0 then
      return "ROOM it has no message " .. string.sub(action, 3)
    end
    if verb ~= "s" then has_written = true end
  end

  -- ---- one message ------------------------------------------------------------------------------

  local function frame_of(id, before, body)
    if kind ~= "stream" then return '{"id":"' .. id .. '","m":' .. body .. "}" end
    return '{"id":"' .. id .. '","prev":"' .. before .. '","m":' .. body .. "}"
  end

  -- What the key was used for before: the reply's two; nil when it is new.
  local function find_used(key, hash)
    local record = pcall("GET", key)
    if is_error(record) then return record.err, -3 end
    if not record then return nil end
    local id, old_hash = match(record, "^(%S+) (%x+)$")
    if not id then return "ROOM the key's record is none: " .. record, -3 end
    if old_hash ~= hash then return "ROOM the key was used for another message, " .. id, -3 end
    return id, -1
  end

  -- The reply's two; and, when Redis refused, its error.
  local function publish(key, action, tag, hash, body)
    if key then
      local id, result = find_used(key, hash)
      if id then return id, result end
    end
    local wrong, reply = erase(action)
    if wrong then return wrong, -3, reply end
    local id, before = add(tag, body)
    if not id then return before.err, -3, before end
    if key then call("SET", key, id .. " " .. hash, "PX", ttl) end
    local receivers = pcall("PUBLISH", channel, frame_of(id, before, body))
    return id, is_error(receivers) and -2 or receivers
  end

  local results, next_key = {}, 5
  for i = 6, #ARGV, 4 do
    local action, key = ARGV[i], nil
    if string.sub(action, 1, 1) == "k" then
      key = KEYS[next_key]
      next_key = next_key + 1
    end
    local id, result, err = publish(key, action, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
    if err and not has_written then return err end
    results[#results + 1] = id
    results[#results + 1] = result
  end
  if has_written then
    call("SET", head_key, prev)
    if not config then call("SET", config_key, table.concat(settings, " ") .. " " .. ARGV[7]) end
    if keep_ms > 0 then history.age(prev_ms - keep_ms) end
  end
  return results
end

-- ---- plain messages in a stream -----------------------------------------------------------------

local log, head_key = KEYS[1], KEYS[2]
local known = call("MGET", head_key, KEYS[3])
local prev, config = known[1], known[2]
local prev_ms, prev_seq = match(prev or "", "^(%d+)%-(%d+)%-%x+$")
local keep, keep_ms = match(config or "", "^stream (%d+) (%d+) %x+$")
if not prev_ms or not keep or #prev_ms > 15 or #prev_seq > 15 then return publish_any() end
if ARGV[2] ~= "" and ARGV[2] ~= "stream" or ARGV[3] ~= "" and ARGV[3] ~= keep
    or ARGV[4] ~= "" and ARGV[4] ~= keep_ms then
  return publish_any()
end
for i = 6, #ARGV, 4 do
  if #ARGV[i] ~= 2 or string.byte(ARGV[i], 2) ~= 115 then return publish_any() end -- "s"
end

local time = call("TIME")
local ms, seq = time[1] * 1000 + math.floor(time[2] / 1000), tonumber(prev_seq)
if ms < tonumber(prev_ms) then ms = tonumber(prev_ms) end
local ms_text, is_limited = format("%.0f-", ms), keep ~= "0"
local results, count, next_key, before = {}, 0, 5, prev

-- The two of the reply for a key that is there already.
local function use_again(key, hash)
  local record = pcall("GET", key)
  if type(record) == "table" then return record.err, -3 end
  local id, old_hash = match(record or "", "^(%S+) (%x+)$")
  if not id then return "ROOM the key's record is none: " .. (record or ""), -3 end
  if old_hash ~= hash then return "ROOM the key was used for another message, " .. id, -3 end
  return id, -1
end

for i = 6, #ARGV, 4 do
  local tag, body, key = ARGV[i + 1], ARGV[i + 3], nil
  local entry = ms_text .. format("%.0f", seq + 1)
  local id, result = entry .. "-" .. tag, nil
  if string.byte(ARGV[i]) == 107 then -- "k"
    key = KEYS[next_key]
    next_key = next_key + 1
    local reply = pcall("SET", key, id .. " " .. ARGV[i + 2], "NX", "PX", ttl)
    if not reply then
      id, result = use_again(key, ARGV[i + 2])
    elseif reply.err then -- it is the first that is written
      return reply
    end
  end
  if not result then
    local reply
    if is_limited then
      reply = pcall("XADD", log, "MAXLEN", "~", keep, entry, "t", tag, "m", body)
    else
      reply = pcall("XADD", log, entry, "t", tag, "m", body)
    end
    if type(reply) == "table" then
      if key then call("DEL", key) end
      if before == prev then -- nothing has been stored; somebody else may have added to the log
        if string.find(reply.err, "equal or smaller", 1, true) then return publish_any() end
        return reply
      end
      id, result = reply.err, -3
    else
      seq = seq + 1
      local receivers = pcall("PUBLISH", channel,
        '{"id":"' .. id .. '","prev":"' .. before .. '","m":' .. body .. "}")
      result = type(receivers) == "table" and -2 or receivers
      before = id
    end
  end
  results[count + 1], results[count + 2] = id, result
  count = count + 2
end
if before ~= prev then
  call("SET", head_key, before)
  if keep_ms ~= "0" then
    call("XTRIM", log, "MINID", "~", format("%.0f", ms - tonumber(keep_ms)))
  end
end
return results
