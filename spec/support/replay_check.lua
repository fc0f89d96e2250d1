-- A room's messages all the way: logs replayed into a real Redis at full speed, while one process
-- writes down what it receives and another counts, compared with what the logs say.
--
--   local replay_check = require "spec.support.replay_check"
--   local report = replay_check.run(paths, { seconds = 60 })
--   report.expected, report.received   how many messages and actions; report.users …
--   report.problems                    what differs, in words; empty when all is well
--
-- The logs are read here by other means than moonpool.irc's, so that it does not check itself.
-- What a bot answers to a log's commands (real logs have them) is passed over.
local json = require("moonpool").json
local program = require "spec.support.program"
local room_frame = require "moonpool.room_frame"
local redis_server = require "spec.support.redis"

local replay_check = {}

local here = debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" or "."
local STATS = here .. "/../../examples/bots/stats.lua"

local CHANNEL = "room:ubuntu"
local LAST = '{"type":"end of the log"}'
local MAX_PROBLEMS = 10

local function read_entry(line)
  local user, text = line:match "^%[..:..%] <([^>]+)> ?(.*)$"
  if user then return { user = user, text = text } end
  user, text = line:match "^[^=]* %* ([^ ]+) ?(.*)$"
  if user and not line:find "^%[..:..%] [<(-]" then
    return { type = "action", user = user, text = text }
  end
end

-- The messages and actions of the logs, in order.
local function read_logs(paths)
  local entries = {}
  for _, path in ipairs(paths) do
    for line in io.lines(path) do entries[#entries + 1] = read_entry(line) end
  end
  return entries
end

local function describe(entry)
  if not entry then return "nothing" end
  local type, user, text = entry.type or "message", tostring(entry.user), tostring(entry.text)
  return ("%s by %q: %q"):format(type, user, text)
end

local function add(problems, text, ...)
  if #problems < MAX_PROBLEMS then problems[#problems + 1] = text:format(...) end
end

-- The payloads that the subscriber wrote down, in order.
local function payloads(path)
  return coroutine.wrap(function()
    for line in io.lines(path) do
      local event = json.decode(line)
      if event and event.event == "message" and event.channel == CHANNEL then
        coroutine.yield(event.payload)
      end
    end
  end)
end

local function is_same(entry, got)
  return entry and entry.type == got.type and entry.user == got.user and entry.text == got.text
end

local function compare(entries, path, problems)
  local received = 0
  for payload in payloads(path) do
    local got = json.decode((room_frame.open(payload)))
    if not got then
      add(problems, "the subscriber got a payload that is no JSON: %q", payload)
    elseif not got.bot and (got.type == nil or got.type == "action") then
      received = received + 1
      local entry = entries[received]
      if not is_same(entry, got) then
        add(problems, "entry %d: the log has %s; the subscriber got %s", received, describe(entry),
          describe(got))
      end
    end
  end
  if received ~= #entries then
    add(problems, "the logs have %d messages and actions; the subscriber got %d", #entries,
      received)
  end
  return received
end

local function count_actions(entries)
  local count = 0
  for _, entry in ipairs(entries) do
    if entry.type then count = count + 1 end
  end
  return count
end

local function check_stats(output, entries, problems)
  local messages, actions = output:match ".* stats: (%d+) messages, (%d+) of them actions"
  if tonumber(messages) ~= #entries or tonumber(actions) ~= count_actions(entries) then
    add(problems, "the logs have %d messages and actions, %d of them actions; stats counted %s, %s",
      #entries, count_actions(entries), messages, actions)
  end
  return tonumber(messages)
end

local function start_readers(server)
  local subscriber = program.moonpool {
    "sub", "--json", "--pattern", "room:*", "--redis", server.url,
  }
  local stats = program.moonpool { "run", STATS, "--redis", server.url }
  subscriber:expect('"subscribe"')
  stats:expect_error("^moonpool: ready")
  return subscriber, stats
end

local function replay(server, paths, seconds)
  local command = { "replay", "--json", "--redis", server.url, seconds = seconds }
  table.move(paths, 1, #paths, #command + 1, command)
  local result = program.run_moonpool(command)
  if result.status ~= 0 then
    error(("moonpool replay ended with %d: %s"):format(result.status, result.stderr), 0)
  end
  return assert(json.decode(result.stdout))
end

-- Waits until the subscriber has written down the last payload.
local function await_last(server, subscriber, seconds)
  server:call("PUBLISH", CHANNEL, LAST)
  subscriber:expect("end of the log", seconds)
end

---@param paths string[] logs
---@param options { seconds: number } how long any part of it may take
function replay_check.run(paths, options)
  local server = redis_server.start()
  local subscriber, stats = start_readers(server)
  local problems = {}
  local summary = replay(server, paths, options.seconds)
  await_last(server, subscriber, options.seconds)
  stats:signal "TERM"
  local status = stats:wait(options.seconds)
  if status ~= 0 then add(problems, "moonpool run ended with %d: %s", status, stats:errors()) end
  subscriber:stop()
  local entries = read_logs(paths)
  local report = { summary = summary, expected = #entries, problems = problems }
  report.received = compare(entries, subscriber.folder .. "/stdout", problems)
  report.counted = check_stats(stats:errors(), entries, problems)
  server:stop()
  return report
end

return replay_check
