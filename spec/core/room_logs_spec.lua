-- Whole conversations said in rooms of each kind of history: what other programs read there with
-- redis-cli, and time frames to the millisecond. MOONPOOL_LOGS=FOLDER in the environment has IRC
-- logs (*.log) of one's own said instead of the one that is made up here.
local irc_log = require "spec.support.irc_log"
local irc_reader = require "moonpool.irc_reader"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"
local to_utf8 = require("moonpool.text").to_utf8

local KEEP = 300
local LOGS_SECONDS = 600 -- all of a large folder's logs, on a loaded machine

-- The said messages of a log: { type =, user =, text = }, as they must come out again.
local function messages_of(path)
  local reader, list = assert(irc_reader.open { path }), {}
  for event in function() return reader:next() end do
    if event.type == "message" or event.type == "action" then
      list[#list + 1] =
        { type = event.type, user = to_utf8(event.user), text = to_utf8(event.text) }
    end
  end
  return list
end

local function logs(folder)
  local given = os.getenv "MOONPOOL_LOGS"
  if given then
    local paths = {}
    local listed = scratch.shell("ls " .. scratch.quote(given) .. "/*.log")
    for path in listed:gmatch "[^\n]+" do paths[#paths + 1] = path end
    return paths
  end
  local path = folder .. "/made-up.log"
  scratch.write(path, irc_log.generate({ lines = 3000, seed = 4 }).text)
  return { path }
end

-- All at once: they are stored in the order of the calls.
local function say_all(room, messages)
  local tasks = {}
  for index, message in ipairs(messages) do
    tasks[index] = moonpool.spawn(function() return assert(room:say(message)) end)
  end
  local ids = {}
  for index, task in ipairs(tasks) do ids[index] = assert(task:await()) end
  return ids
end

local function words_of(output)
  local words = {}
  for word in output:gmatch "([^\n]*)\n?" do words[#words + 1] = word end
  return words
end

-- Lists and sorted sets have zeros before the count, so that members sort as they were said.
local function without_zeros(id) return (id:gsub("%-0+(%d)", "-%1", 1)) end

-- What redis-cli prints of a list or a sorted set's range, as messages.
local function decode_members(output)
  local list = {}
  for line in output:gmatch "[^\n]+" do
    local member = assert(moonpool.json.decode(line))
    list[#list + 1] = { id = without_zeros(member.id), m = member.m }
  end
  return list
end

-- What redis-cli prints of a stream's range: id, "t", tag, "m", body.
local function decode_entries(output)
  local words, list = words_of(output), {}
  for index = 1, #words - 4, 5 do
    assert.equal("t", words[index + 1])
    assert.equal("m", words[index + 3])
    list[#list + 1] = { id = words[index] .. "-" .. words[index + 2],
      m = assert(moonpool.json.decode(words[index + 4])) }
  end
  return list
end

local function reverse(list)
  local reversed = {}
  for index = #list, 1, -1 do reversed[#reversed + 1] = list[index] end
  return reversed
end

local function milliseconds_of(id) return math.tointeger(tonumber(id:match "^%d+")) end

-- How a program that knows nothing of moonpool reads each kind, oldest first: the newest `count`,
-- and all of a time frame in milliseconds.
local readers = {
  stream = {
    last = function(server, name, count)
      return reverse(decode_entries(server:cli("XREVRANGE", ("{room:%s}:log"):format(name), "+",
        "-", "COUNT", tostring(count))))
    end,
    frame = function(server, name, since, till)
      return decode_entries(server:cli("XRANGE", ("{room:%s}:log"):format(name),
        tostring(since), tostring(till)))
    end,
  },
  list = {
    last = function(server, name, count)
      return reverse(decode_members(server:cli("LRANGE", ("{room:%s}:backlog"):format(name), "0",
        tostring(count - 1))))
    end,
  },
  sorted = {
    last = function(server, name, count)
      return reverse(decode_members(server:cli("ZREVRANGE", ("{room:%s}:backlog"):format(name),
        "0", tostring(count - 1))))
    end,
    frame = function(server, name, since, till)
      return decode_members(server:cli("ZRANGEBYSCORE", ("{room:%s}:backlog"):format(name),
        tostring(since), tostring(till)))
    end,
  },
}

local function assert_same_messages(expected, ids, first, got)
  assert.equal(#expected - first + 1, #got)
  for index, entry in ipairs(got) do
    local message = expected[first + index - 1]
    assert.equal(ids[first + index - 1], entry.id)
    assert.equal(message.text, entry.m.text)
    assert.equal(message.user, entry.m.user)
    assert.equal(message.type, entry.m.type or "message")
  end
end

-- Our own reading of the same, as the redis-cli readers give it.
local function own_history(room, query)
  local list = {}
  for index, message in ipairs(assert(room:history(query))) do
    list[index] = { id = message.id,
      m = { type = message.type, user = message.user, text = message.text } }
  end
  return list
end

local function ids_of(list)
  local ids = {}
  for index, entry in ipairs(list) do ids[index] = entry.id end
  return ids
end

-- Without what the room need not keep: a stream is trimmed in blocks.
local function only_kept(ids, oldest)
  local kept, left = {}, {}
  for _, id in ipairs(oldest) do kept[id] = true end
  for _, id in ipairs(ids) do
    if kept[id] then left[#left + 1] = id end
  end
  return left
end

-- A frame from one message's time to another's: all that was said in these milliseconds, no other.
local function check_frame(server, room, kind, ids)
  local kept = table.move(ids, #ids - KEEP + 1, #ids, 1, {})
  local third = math.floor(KEEP / 3)
  local since, till = milliseconds_of(kept[third]), milliseconds_of(kept[2 * third])
  local expected = {}
  for _, id in ipairs(kept) do
    local ms = milliseconds_of(id)
    if ms >= since and ms <= till then expected[#expected + 1] = id end
  end
  local own = own_history(room, { since = since / 1000, till = till / 1000, limit = #ids })
  assert.same(expected, ids_of(own))
  local frame = readers[kind].frame
  if not frame then return end
  local found = ids_of(frame(server, room.name, since, till))
  assert.same(expected, only_kept(found, kept))
  for _, id in ipairs(found) do
    assert.is_true(milliseconds_of(id) >= since and milliseconds_of(id) <= till)
  end
end

describe("a conversation", function()
  local server, folder

  setup(function()
    server = redis_server.start()
    folder = scratch.folder()
  end)
  teardown(function() server:stop() end)

  for _, kind in ipairs { "stream", "list", "sorted" } do
    it("is what redis-cli reads in a room with a " .. kind, function()
      loop.run(function()
        local redis = loop.connect { url = server.url }
        for number, path in ipairs(logs(folder)) do
          local messages = messages_of(path)
          local room = assert(redis:room(("%s%d"):format(kind, number),
            { history = kind, keep = KEEP }))
          local ids = say_all(room, messages)
          local first = math.max(#ids - KEEP + 1, 1)
          if #ids > 0 then
            assert_same_messages(messages, ids, first, readers[kind].last(server, room.name, KEEP))
            assert_same_messages(messages, ids, first, own_history(room, { last = KEEP }))
            assert_same_messages(messages, ids, first, own_history(room, { limit = #ids }))
          end
          if #ids > KEEP then check_frame(server, room, kind, ids) end
        end
      end, LOGS_SECONDS)
    end)
  end
end)
