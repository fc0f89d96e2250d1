-- Where a room's history begins and ends at this moment: cut to what the room keeps, whatever of it
-- Redis has not trimmed yet.
-- KEYS: config, log, backlog. ARGV: kind, keep, keep_ms of a room that has no config.
-- Returns kind, keep ("0": no limit), and three places, "<ms>-<seq>": the oldest by age and by
-- number ("-": no limit), and the newest ("+": no limit, "": the history is empty).
local config, log, backlog = KEYS[1], KEYS[2], KEYS[3]
local types = { stream = 'stream', list = 'list', sorted = 'zset' }

-- Redis's own words for this do not name the key.
local function complaint(key, wanted)
  local is = redis.call('TYPE', key).ok
  if is ~= 'none' and is ~= wanted then
    return redis.error_reply('WRONGTYPE ' .. key .. ' holds a ' .. is .. ', not a ' .. wanted)
  end
end

local wrong = complaint(config, 'string')
if wrong then return wrong end
local kind, keep, keep_ms = ARGV[1], ARGV[2], ARGV[3]
local text = redis.call('GET', config)
if text then
  kind, keep, keep_ms = string.match(text, '^(%a+) (%d+) (%d+)')
  if not types[kind] then
    return redis.error_reply('ERR ' .. config .. ' holds no configuration of a room')
  end
end
wrong = complaint(kind == 'stream' and log or backlog, types[kind])
if wrong then return wrong end

local by_age = '-'
if tonumber(keep_ms) > 0 then
  local time = redis.call('TIME')
  local since = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(keep_ms)
  by_age = string.format('%.0f-0', math.max(since, 0))
end

-- Entries that are to be passed over to come to the oldest that is kept: from the beginning, and
-- from the end. nil: none is over.
local function steps(count)
  local limit = tonumber(keep)
  if limit == 0 or count <= limit then return nil end
  return count - limit, limit
end

local function of_stream()
  local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  if not newest then return '-', '' end
  local over, kept = steps(redis.call('XLEN', log))
  if not over then return '-', newest[1] end
  local way
  if over < kept then
    way = redis.call('XRANGE', log, '-', '+', 'COUNT', over + 1)
  else
    way = redis.call('XREVRANGE', log, '+', '-', 'COUNT', kept)
  end
  return way[#way][1], newest[1]
end

-- What is none of ours may be anywhere, with any id: then its score has to do.
local function of_sorted()
  local newest = redis.call('ZREVRANGE', backlog, 0, 0, 'WITHSCORES')[2]
  if not newest then return '-', '' end
  local over, oldest = steps(redis.call('ZCARD', backlog)), '-'
  if over then
    local member, score = unpack(redis.call('ZRANGE', backlog, over, over, 'WITHSCORES'))
    local ms, seq = string.match(member, '^{"id":"(%d+)%-(%d+)%-')
    oldest = score .. '-' .. (ms == score and seq or '0')
  end
  return oldest, newest .. '-18446744073709551615'
end

local by_number, newest = '-', '+'
if kind == 'stream' then
  by_number, newest = of_stream()
elseif kind == 'sorted' then
  by_number, newest = of_sorted()
end
return { kind, keep, by_age, by_number, newest }
