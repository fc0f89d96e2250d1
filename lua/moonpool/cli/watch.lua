--- moonpool watch: prints what is said in every room.
local moonpool = require "moonpool"
local arguments = require "moonpool.cli.arguments"
local json_line = require "moonpool.cli.json_line"
local progress = require "moonpool.cli.progress"
local rates = require "moonpool.cli.rates"
local room_event = require "moonpool.cli.room_event"
local room_line = require "moonpool.cli.room_line"
local system = require("moonpool.core").system
local terminal = require "moonpool.cli.terminal"

local watch = { name = "watch" }

local STDOUT, STDERR = 1, 2

local DESCRIPTION = [[
Print what is said in all rooms that match the pattern (a glob of Redis's, default: all of them),
from now on, until Ctrl-C; in each room every message once, in order, and every gap. On a terminal
each room and user has a colour, and the last line tells how much is said where.]]

local EPILOG = [[
With --json each line is one object, as moonpool follow prints it, with the room:
  {"event":"message","room":"lobby","id":ID,"at":…,"user":"ann","text":"hi"}
  {"event":"rates","total":120,"rooms":4,"rate":3.5,"busiest":[{"room":"lobby","rate":2.0}]}
      with --rates: messages since the beginning, and messages a second

Examples:
  moonpool watch
  moonpool watch --rates 10 --json 'help-*' >> help.jsonl]]

---@param command table the argparse command
function watch.configure(command)
  command:summary "Print what is said in every room."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:argument("pattern"):argname("PATTERN"):args("?")
    :description "What the rooms' names are to match, such as 'help-*'."
  command:option("--rates", "Print every N seconds how much is said."):argname("N")
    :convert(arguments.positive)
  command:flag("--json", "One JSON object a line.")
  command:option("-n --count", "Exit after N messages."):argname("N"):convert(arguments.positive)
end

-- ---- how much is said ---------------------------------------------------------------------------

local function rates_json(counted, now)
  local rate, busiest = counted:now(now)
  local list = {}
  for index, each in ipairs(busiest) do
    list[index] = ('{%s,"rate":%.1f}'):format(json_line.field("room", each.room), each.rate)
  end
  return ('{"event":"rates","total":%d,"rooms":%d,"rate":%.1f,"busiest":[%s]}\n'):format(
    counted.total, counted.rooms, rate, table.concat(list, ","))
end

local function rates_text(counted, now)
  local rate, busiest = counted:now(now)
  local pieces = { ("%s %s in %s %s, %.1f a second"):format(
    progress.thousands(counted.total), counted.total == 1 and "message" or "messages",
    progress.thousands(counted.rooms),
    counted.rooms == 1 and "room" or "rooms", rate) }
  for _, each in ipairs(busiest) do
    pieces[#pieces + 1] = ("%s %.1f"):format(terminal.neutralise(each.room), each.rate)
  end
  return table.concat(pieces, "  ")
end

-- Has the rates printed again and again, and shown on a terminal; the function ends that.
local function tell_rates(args, context, counted)
  local timer
  if args.rates then
    timer = moonpool.timer(args.rates, function()
      local now = moonpool.now()
      context.write(args.json and rates_json(counted, now)
        or "-- " .. rates_text(counted, now) .. "\n")
    end)
  end
  local close = args.json and function() end
    or progress.show(function() return rates_text(counted, moonpool.now()) end)
  return function()
    if timer then timer:close() end
    close()
  end
end

-- ---- what is said -------------------------------------------------------------------------------

-- How events are written: { message = fn(event, message), feed = fn(event) }.
local function new_printer(args, context)
  local write = context.write
  if args.json then
    return {
      message = function(event, message) write(room_event.message(event, message, true)) end,
      feed = function(event) write(room_event.feed(event, true)) end,
    }
  end
  local lines = room_line.new { colours = room_line.wants_colours(STDOUT), rooms = true }
  -- The line with the rates is in the way when it is on the same terminal.
  local before = system.isatty(STDOUT) and system.isatty(STDERR) and "\r\27[K" or ""
  return {
    message = function(event, message)
      if event ~= "typing" then write(before .. lines:message(message, moonpool.time())) end
    end,
    feed = function(event)
      if event.event ~= "live" then write(before .. lines:feed(event, moonpool.time())) end
    end,
  }
end

local PUBLISHED = { "join", "leave", "rename", "typing", "delete", "clear", "signal" }
local OF_FEED = { "gap", "reconnect", "error" }

-- Prints all events; calls on_last() after the last message of --count. Awaits that it has begun.
-- The handler of messages comes last: from the first one that is printed on, none is without what
-- belongs to it.
local function listen(args, rooms, printer, counted, on_last)
  local left = args.count or math.huge
  local function on(event, fn)
    return rooms:on(event, function(what) if left > 0 then fn(what) end end)
  end
  for _, event in ipairs(OF_FEED) do
    local ok, message = on(event, printer.feed)
    if not ok then return nil, message end
  end
  for _, event in ipairs(PUBLISHED) do
    on(event, function(said) printer.message(event, said) end)
  end
  return on("message", function(said)
    left = left - 1
    counted:count(said.room, moonpool.now())
    printer.message("message", said)
    if left == 0 then on_last() end
  end)
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function watch.execute(args, context)
  local client = context:connect()
  local latch = system.latch()
  local pattern = args.pattern or "*"
  local rooms = assert(client:rooms(pattern))
  context:on_stop(function()
    latch:open()
    rooms:close() -- for who still waits for the beginning
  end)
  local counted = rates.new(moonpool.now())
  local ok, message =
    listen(args, rooms, new_printer(args, context), counted, function() latch:open() end)
  if not ok and context.is_stopping then return 0 end
  if not ok then
    context:fail(("cannot watch %s: %s"):format(terminal.neutralise(pattern), message))
  end
  local close = tell_rates(args, context, counted)
  latch:wait()
  close()
  rooms:close()
  return 0
end

return watch
