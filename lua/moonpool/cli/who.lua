--- moonpool who: prints who is in a room.
local json_line = require "moonpool.cli.json_line"
local room_name = require "moonpool.room_name"
local system = require("moonpool.core").system
local terminal = require "moonpool.cli.terminal"

local who = { name = "who" }

local STDOUT = 1

local DESCRIPTION = [[
Print who is in a room: the name, since when, and from how many places, separated by tabs. Those
whose program has died are gone within seconds.]]

local EPILOG = [[
With --json each line is one object:
  {"user":"ann","since":1795365705.683,"places":1}

Examples:
  moonpool who lobby
  moonpool who --count lobby]]

---@param command table the argparse command
function who.configure(command)
  command:summary "Print who is in a room."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:argument("room"):argname("ROOM"):convert(room_name):description "The room's name."
  command:flag("--count", "Print how many are here, and no names.")
  command:flag("--json", "One JSON object a line.")
end

local function to_json(member)
  return ('{%s,"since":%.3f,"places":%d}'):format(
    json_line.field("user", member.user), member.since, member.places)
end

local function new_text_encoder()
  local show = system.isatty(STDOUT) and terminal.neutralise or function(bytes) return bytes end
  return function(member)
    return ("%s\t%s\t%d %s"):format(show(member.user),
      os.date("%Y-%m-%d %H:%M:%S", math.floor(member.since)), member.places,
      member.places == 1 and "place" or "places")
  end
end

-- Calls fn(member) for everybody, each once: pages of a changing room may repeat somebody.
local function each_member(context, room, fn)
  local seen, cursor = {}, nil
  repeat
    local members, next_cursor, code = room:who { cursor = cursor }
    if not members then
      context:fail(("cannot tell who is in %s: %s (%s)"):format(room.name, next_cursor, code))
    end
    for _, member in ipairs(members) do
      if not seen[member.user] then fn(member) end
      seen[member.user] = true
    end
    cursor = next_cursor
  until not cursor or context.is_stopping
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function who.execute(args, context)
  local room = assert(context:connect():room(args.room))
  if args.count then
    local count, message = room:count()
    if not count then context:fail(("cannot count who is in %s: %s"):format(args.room, message)) end
    context.out(args.json and ('{"count":%d}'):format(count) or tostring(count))
    return 0
  end
  local encode = args.json and to_json or new_text_encoder()
  each_member(context, room, function(member) context.out(encode(member)) end)
  return 0
end

return who
