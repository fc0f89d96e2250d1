--- moonpool history: prints what has been said in a room.
local arguments = require "moonpool.cli.arguments"
local instant = require "moonpool.cli.instant"
local room_event = require "moonpool.cli.room_event"
local room_line = require "moonpool.cli.room_line"
local room_name = require "moonpool.room_name"

local history = { name = "history" }

local STDOUT = 1
local DEFAULT_LAST = 100
local PAGE = 1000

local DESCRIPTION = [[
Print what has been said in a room, oldest first: the last 100 messages, or those that meet all that
is asked for.

TIME is seconds since 1970, ISO 8601 such as 2026-11-23T14:03:05Z or 2026-11-23 (without a zone:
this machine's), or how long ago: 90s, 10m, 1h30m, 7d.]]

local EPILOG = [[
With --json each line is one object, as moonpool follow prints it:
  {"event":"message","id":"1795…-2-9f3a…","at":1795365705.683,"user":"ann","text":"hi"}
moonpool delete, clear and destroy remove what is there.

Examples:
  moonpool history --last 20 lobby
  moonpool history --since 2026-11-23T08:00 --till 2026-11-23T09:00 lobby
  moonpool history --before 1795365705683-2-9f3a7c1e04b1d2aa --last 50 lobby
  moonpool history --all --json lobby > lobby.jsonl]]

---@param command table the argparse command
function history.configure(command)
  command:summary "Print what has been said in a room."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:argument("room"):argname("ROOM"):convert(room_name):description "The room's name."
  command:option("--since", "What was said then and later."):argname("TIME")
    :convert(arguments.time)
  command:option("--till", "What was said then and earlier."):argname("TIME")
    :convert(arguments.time)
  command:option("--after", "What comes after the message with that id."):argname("ID")
    :convert(arguments.id)
  command:option("--before", "What comes before the message with that id."):argname("ID")
    :convert(arguments.id)
  command:mutex(
    command:option("--last", "Of it, the newest N."):argname("N"):convert(arguments.positive),
    command:option("--limit", "Of it, the oldest N."):argname("N"):convert(arguments.positive),
    command:flag("--all", "The whole history."))
  command:flag("--json", "One JSON object a line.")
end

-- What is asked for, without how many.
local function query_of(args, client)
  return {
    since = args.since and instant.resolve(args.since, client),
    till = args.till and instant.resolve(args.till, client),
    after = args.after, before = args.before,
  }
end

local function is_narrowed(args)
  return args.since or args.till or args.after or args.before or args.limit or args.all
end

local function read(context, room, query)
  local messages, message = room:history(query)
  if not messages then context:fail(("cannot read %s: %s"):format(room.name, message)) end
  return messages
end

-- How many to read at a time: pages, so that no history is too long for our memory. A list is read
-- from its newest end, whatever is asked for: all at once.
local function page_of(client, room)
  local config = client:get(("{%s}:config"):format(room.channel))
  return config and config:find "^list " and math.maxinteger or PAGE
end

local function print_forward(context, room, query, page, limit, print)
  query.after = query.after or "0-0-0000000000000000"
  local left = limit or math.maxinteger
  while left > 0 and not context.is_stopping do
    query.limit = math.min(page, left)
    local messages = read(context, room, query)
    for _, message in ipairs(messages) do print(message) end
    if #messages < query.limit then return end
    left = left - #messages
    query.after = messages[#messages].id
  end
end

local function print_last(context, room, query, last, print)
  query.last, query.limit = last, last
  for _, message in ipairs(read(context, room, query)) do print(message) end
end

-- What a message is to follow's readers.
local EVENTS = { join = true, leave = true, rename = true, delete = true, clear = true }

local function new_printer(args, context)
  local write = context.write
  if args.json then
    return function(message)
      write(room_event.message(EVENTS[message.type] and message.type or "message", message))
    end
  end
  local lines = room_line.new { colours = room_line.wants_colours(STDOUT) }
  return function(message) write(lines:message(message, 0)) end
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function history.execute(args, context)
  local client = context:connect()
  local room = assert(client:room(args.room))
  local print, query = new_printer(args, context), query_of(args, client)
  local last = args.last or not is_narrowed(args) and DEFAULT_LAST
  if last then
    print_last(context, room, query, last, print)
  else
    print_forward(context, room, query, page_of(client, room), args.limit, print)
  end
  return 0
end

return history
