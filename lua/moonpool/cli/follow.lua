--- moonpool follow: prints what is said in a room, every message once, and tells every gap.
local moonpool = require "moonpool"
local arguments = require "moonpool.cli.arguments"
local following = require "moonpool.cli.following"
local instant = require "moonpool.cli.instant"
local room_event = require "moonpool.cli.room_event"
local room_line = require "moonpool.cli.room_line"
local room_name = require "moonpool.room_name"
local system = require("moonpool.core").system

local follow = { name = "follow" }

local STDOUT = 1

local DESCRIPTION = [[
Print what is said in a room, until Ctrl-C: every stored message once, in order, also across lost
connections and failovers. What cannot be had is told as a gap.

TIME is seconds since 1970, ISO 8601 such as 2026-11-23T14:03:05Z or 2026-11-23 (without a zone:
this machine's), or how long ago: 90s, 10m, 1h30m, 7d.]]

local EPILOG = [[
With --json each line is one object:
  {"event":"message","id":"1795…-2-9f3a…","at":1795365705.683,"user":"ann","text":"hi"}
  {"event":"message","id":…,"at":…,"type":"action","user":"ann","text":"waves"}
  {"event":"join","user":"ann"}          also leave, rename (with "to"), typing, delete (with
                                         "target"), clear; stored ones have an id
  {"event":"signal","type":…}            anything else that was published without being stored
  {"event":"gap","from":ID,"to":ID,"missing":7,"reason":"trimmed"}
      between the two messages so many are missing (null: nobody knows; "to" null: nothing has
      come after it yet); reason: trimmed, forked, overflow or unavailable
  {"event":"reconnect"}                  the connection was lost, and is back
  {"event":"live","id":ID}               what was asked for of the history has been printed
  {"event":"error","code":…,"message":…} it is tried again
To go on where another run ended: --from with the last id that it printed.

Examples:
  moonpool follow lobby
  moonpool follow --last 20 --json lobby | jq -r 'select(.event == "message").text'
  moonpool follow --since 10m --count 100 lobby]]

---@param command table the argparse command
function follow.configure(command)
  command:summary "Print what is said in a room; nothing is skipped silently."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:argument("room"):argname("ROOM"):convert(room_name):description "The room's name."
  command:mutex(
    command:option("--last", "Begin with the last N messages."):argname("N")
      :convert(arguments.count),
    command:option("--from", "Begin after the message with that id."):argname("ID")
      :convert(arguments.id),
    command:option("--since", "Begin with what was said then."):argname("TIME")
      :convert(arguments.time))
  command:flag("--json", "One JSON object a line.")
  command:option("-n --count", "Exit after N messages."):argname("N"):convert(arguments.positive)
end

-- How events are written: { message = fn(event, message), feed = fn(event) }.
local function new_printer(args, context)
  local write = context.write
  if args.json then
    return {
      message = function(event, message) write(room_event.message(event, message)) end,
      feed = function(event) write(room_event.feed(event)) end,
    }
  end
  local lines = room_line.new { colours = room_line.wants_colours(STDOUT) }
  return {
    message = function(event, message)
      if event ~= "typing" then write(lines:message(message, moonpool.time())) end
    end,
    feed = function(event)
      if event.event == "error" then
        context:warn(room_line.describe(event))
      elseif event.event ~= "live" then
        write(lines:feed(event, moonpool.time()))
      end
    end,
  }
end

-- Where to begin, for room:follow.
local function start_of(args, client)
  if args.since then return { since = instant.resolve(args.since, client) } end
  return { last = args.last, from = args.from }
end

local PUBLISHED = { "join", "leave", "rename", "typing", "delete", "clear", "signal" }
local OF_FEED = { "gap", "reconnect", "live", "error" }

-- What prints all events; calls on_last() after the last message of --count.
local function new_handlers(args, printer, on_last)
  local left, handlers = args.count or math.huge, {}
  for _, event in ipairs(PUBLISHED) do
    handlers[event] = function(said) if left > 0 then printer.message(event, said) end end
  end
  for _, event in ipairs(OF_FEED) do
    handlers[event] = function(what) if left > 0 then printer.feed(what) end end
  end
  function handlers.message(said)
    if left == 0 then return end
    left = left - 1
    printer.message("message", said)
    if left == 0 then on_last() end
  end
  return handlers
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function follow.execute(args, context)
  local client = context:connect()
  local latch = system.latch()
  local room = assert(client:room(args.room))
  context:on_stop(function()
    latch:open()
    room:close() -- for who still waits for the beginning
  end)
  local handlers = new_handlers(args, new_printer(args, context), function() latch:open() end)
  local ok, message = following.begin(room, start_of(args, client), handlers)
  if not ok and context.is_stopping then return 0 end
  if not ok then context:fail(("cannot follow %s: %s"):format(args.room, message)) end
  latch:wait()
  room:close()
  return 0
end

return follow
