--- moonpool rooms: prints which rooms there are.
local json_line = require "moonpool.cli.json_line"
local system = require("moonpool.core").system
local terminal = require "moonpool.cli.terminal"

local rooms = { name = "rooms" }

local STDOUT = 1
local AT_ONCE = 100 -- rooms that are asked about in one pipeline

local DESCRIPTION = [[
Print the names of the rooms that match the pattern (a glob of Redis's, default: all of them): those
that something was said in, and those that are followed right now.]]

local EPILOG = [[
With --json each line is one object; "messages" is how many are stored, "since" and "keep" how the
history is kept ("keep" 0: all of it); a room in which nothing has been said yet has null there:
  {"room":"lobby","history":"stream","keep":1000,"keep_for":0,"messages":12,"people":3,
   "last":1795365705.683}

Examples:
  moonpool rooms
  moonpool rooms --long 'help-*']]

---@param command table the argparse command
function rooms.configure(command)
  command:summary "Print which rooms there are."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:argument("pattern"):argname("PATTERN"):args("?")
    :description "What the names are to match, such as 'help-*'."
  command:mutex(
    command:flag("-l --long", "Also how many messages and people, the kind of history, and when"
      .. " something was said last; separated by tabs."),
    command:flag("--json", "One JSON object a line."))
end

local function names_of(context, client, pattern)
  local list, message = client:rooms(pattern)
  local names
  if list then names, message = list:list() end
  if not names then context:fail(message) end
  list:close()
  local seen = {}
  for _, name in ipairs(names) do seen[name] = true end
  -- Where the ACL refuses it, the others are still told.
  local followed = client:pubsub("channels", "room:" .. pattern:gsub("^room:", "", 1)) or {}
  for _, channel in ipairs(followed) do
    local name = channel:sub(6)
    if not seen[name] then names[#names + 1], seen[name] = name, true end
  end
  table.sort(names)
  return names
end

-- ---- more about each ----------------------------------------------------------------------------

local COUNTERS = { stream = "XLEN", list = "LLEN", sorted = "ZCARD" }
local SUFFIX = { stream = "log", list = "backlog", sorted = "backlog" }

local function key(name, suffix) return ("{room:%s}:%s"):format(name, suffix) end

local function ask(context, client, record)
  local replies, message = client:pipeline(record)
  if not replies then context:fail(message) end
  return replies
end

local function number(reply) return type(reply) == "number" and reply or nil end

-- What is known of some rooms, in their order.
local function look(context, client, names)
  local first = ask(context, client, function(pipeline)
    for _, name in ipairs(names) do
      pipeline:call("GET", key(name, "config"))
      pipeline:call("GET", key(name, "head"))
      pipeline:call("HLEN", key(name, "who"))
    end
  end)
  local found = {}
  for index, name in ipairs(names) do
    local config, head, people = table.unpack(first, index * 3 - 2, index * 3)
    local kind, keep, keep_ms = tostring(config):match "^(%a+) (%d+) (%d+) "
    found[index] = { room = name, history = COUNTERS[kind] and kind, keep = tonumber(keep),
      keep_for = keep_ms and tonumber(keep_ms) / 1000, people = number(people),
      last = tonumber(tostring(head):match "^(%d+)%-") }
  end
  local counts = ask(context, client, function(pipeline)
    for _, room in ipairs(found) do
      local kind = room.history or "stream"
      pipeline:call(COUNTERS[kind], key(room.room, SUFFIX[kind]))
    end
  end)
  for index, room in ipairs(found) do
    room.messages = room.history and number(counts[index])
  end
  return found
end

local function to_json(room)
  local pieces = { json_line.field("room", room.room) }
  local function add(name, value)
    pieces[#pieces + 1] = ('"%s":%s'):format(name, value or "null")
  end
  add("history", room.history and json_line.quote(room.history))
  add("keep", room.keep)
  add("keep_for", room.keep_for and ("%.15g"):format(room.keep_for))
  add("messages", room.messages)
  add("people", room.people)
  add("last", room.last and ("%.3f"):format(room.last / 1000))
  return "{" .. table.concat(pieces, ",") .. "}"
end

local function to_text(room, show)
  local last = room.last and os.date("%Y-%m-%d %H:%M:%S", room.last // 1000) or "never"
  return table.concat({ show(room.room), ("%s messages"):format(room.messages or 0),
    ("%s people"):format(room.people or "?"), room.history or "no history", last }, "\t")
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function rooms.execute(args, context)
  local client = context:connect()
  local names = names_of(context, client, args.pattern or "*")
  local show = system.isatty(STDOUT) and terminal.neutralise or function(bytes) return bytes end
  if not args.long and not args.json then
    for _, name in ipairs(names) do context.out(show(name)) end
    return 0
  end
  for from = 1, #names, AT_ONCE do
    local some = table.move(names, from, math.min(#names, from + AT_ONCE - 1), 1, {})
    for _, room in ipairs(look(context, client, some)) do
      context.out(args.json and to_json(room) or to_text(room, show))
    end
  end
  return 0
end

return rooms
