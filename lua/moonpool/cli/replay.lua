--- moonpool replay: plays IRC logs into a room.
local arguments = require "moonpool.cli.arguments"
local irc_reader = require "moonpool.irc_reader"
local moonpool_replay = require "moonpool.replay"
local progress = require "moonpool.cli.progress"
local room_name = require "moonpool.room_name"

local replay = { name = "replay" }

local DESCRIPTION = [[
Say in a room what IRC logs say: messages, actions, joins, leaves and renames, in order. All of it
is stored in the room's history, as far as that keeps it.

With --through, --policy or --config nothing is said and nothing connects: the logs are played
through scripts at full speed, on a clock that follows the logs', and what the bots would have said
is printed. Failures and totals are on standard error; the status is 1 when a script has failed.
Two runs with one seed print the same.]]

local EPILOG = [[
Lines are read as
  [09:15] <nick> text           [09:15]  * nick text, or  * nick text
  === nick [address] has joined #channel, has left #channel, is now known as other
Others are skipped and counted. Bytes that are no UTF-8 are replaced by U+FFFD.

Examples:
  moonpool replay --room moonpool examples/conversation.log
  moonpool replay --history list --keep 0 --room archive logs/*.log
  moonpool replay --speed 60 2004-12-25.log       a minute of the log a second
  zcat logs/*.gz | moonpool replay --json -
  moonpool replay --through bots/dice.lua --policy links --seed 7 logs/*.log]]

local function to_speed(text)
  if text == "max" then return text end
  local number = tonumber(text)
  if number and number > 0 and number < math.huge then return number end
  return nil, ("--speed: max, or a number above 0, is needed, not '%s'"):format(text)
end

local function to_whole(text)
  local number = math.tointeger(tonumber(text))
  if number then return number end
  return nil, ("--seed: a whole number is needed, not '%s'"):format(text)
end

---@param command table the argparse command
function replay.configure(command)
  command:summary "Play IRC logs into a room."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:argument("files"):argname("FILE"):args("+"):description "IRC logs; - is standard input."
  command:option("--room", "The room (default: ubuntu)."):argname("ROOM"):convert(room_name)
    :default("ubuntu"):show_default(false)
  command:option("--speed", "N times as fast as the log's own times, or max (default: max).")
    :argname("N"):convert(to_speed):default("max"):show_default(false)
  arguments.add_history_options(command)
  command:option("--through"):argname("SCRIPT"):count("*")
    :description "A bot, or a folder of them, to be told of it."
  command:option("--policy"):argname("POLICY"):count("*")
    :description "A policy that judges it: a script, a folder of them, or a name in the library."
  command:option("--config"):argname("FILE")
    :description "A configuration whose bots and policies take part."
  command:option("--seed"):argname("N"):convert(to_whole)
    :description "What the scripts' random numbers begin with (default: 1)."
  command:flag("--verdicts", "Print what policies reject and rewrite, too.")
  command:flag("--json", "Print the summary as one JSON object.")
end

local thousands = progress.thousands

local function file_name(path) return path:match "([^/]*)$" end

local function new_describe(run, reader)
  return function()
    local share = reader.total_bytes and reader.bytes / math.max(1, reader.total_bytes)
    local bar = share and ("%s %3d %%  "):format(progress.bar(share), math.floor(share * 100)) or ""
    return ("%s%s events  %s"):format(bar, thousands(run.published), file_name(reader:path()))
  end
end

local KINDS = {
  { "message", "messages" }, { "action", "actions" }, { "join", "joins" }, { "leave", "leaves" },
  { "rename", "renames" },
}

local function rate(run) return math.floor(run.published / math.max(run.seconds, 0.001) + 0.5) end

local function to_json(run, reader, file_count, room)
  local counts = reader.counts
  local pieces = {
    ('"room":%s'):format(require("moonpool.cli.json_line").quote(room)),
    ('"files":%d'):format(file_count), ('"lines":%d'):format(reader.lines),
    ('"events":%d'):format(run.published),
  }
  for _, kind in ipairs(KINDS) do
    pieces[#pieces + 1] = ('"%s":%d'):format(kind[2], counts[kind[1]])
  end
  pieces[#pieces + 1] = ('"skipped":%d'):format(counts.event + counts.unparsable)
  pieces[#pieces + 1] = ('"other_events":%d,"unparsable":%d'):format(
    counts.event, counts.unparsable)
  pieces[#pieces + 1] = ('"seconds":%.3f,"rate":%d'):format(run.seconds, rate(run))
  return "{" .. table.concat(pieces, ",") .. "}"
end

local function count(number, what) return thousands(number) .. " " .. what end

local function to_text(run, reader, room)
  local counts, kinds = reader.counts, {}
  for index, kind in ipairs(KINDS) do kinds[index] = count(counts[kind[1]], kind[2]) end
  local skipped = counts.event + counts.unparsable
  return table.concat({
    ("%s into %s in %.2f s, %s a second"):format(
      count(run.published, "events"), room, run.seconds, thousands(rate(run))),
    "  " .. table.concat(kinds, ", "),
    ("  %s skipped of %s: %s, %s not understood"):format(thousands(skipped),
      count(reader.lines, "lines"), count(counts.event, "other events"),
      thousands(counts.unparsable)),
  }, "\n")
end

-- Where the reader is, for an error.
local function position(reader) return ("at %s:%d: "):format(reader:path(), reader.line) end

-- What is of no use where nothing is said.
local function check_through(args, context)
  for _, name in ipairs { "history", "keep", "keep_for", "json", "redis" } do
    if args[name] then
      context:usage_error(("--%s is of no use with --through, --policy and --config"):format(
        (name:gsub("_", "-"))))
    end
  end
  if args.speed ~= "max" then
    context:usage_error "--speed is of no use with --through, --policy and --config"
  end
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function replay.execute(args, context)
  local is_through = #args.through + #args.policy > 0 or args.config ~= nil
  if is_through then check_through(args, context) end
  local reader, missing = irc_reader.open(args.files)
  if not reader then context:fail(missing) end
  if is_through then return require "moonpool.cli.replay_through"(args, reader, context) end
  local room = assert(context:connect():room(args.room, arguments.room_options(args)))
  local run = moonpool_replay.new(room, reader)
  context:on_stop(function() run:stop() end)
  local close = progress.show(new_describe(run, reader))
  local ok, message = run:run(args.speed ~= "max" and args.speed or nil)
  close()
  if args.json then
    context.out(to_json(run, reader, #args.files, args.room))
  else
    context.out(to_text(run, reader, args.room))
  end
  if not ok then context:fail(position(reader) .. message) end
  if context.is_stopping then context:warn "stopped before the end" end
  return 0
end

return replay
