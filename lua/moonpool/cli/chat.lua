--- moonpool chat: a room in a terminal, line by line.
local arguments = require "moonpool.cli.arguments"
local following = require "moonpool.cli.following"
local host_control = require "moonpool.cli.host_control"
local room_line = require "moonpool.cli.room_line"
local room_name = require "moonpool.room_name"
local speaker = require "moonpool.cli.speaker"
local system = require("moonpool.core").system
local terminal = require "moonpool.cli.terminal"

local chat = { name = "chat" }

local STDIN = 0
local SHOWN_MEMBERS = 50

local DESCRIPTION = [[
Talk in a room: what was said last and what others say is printed, what you type is said. You are
one of those who are there (moonpool who) until you leave.]]

local EPILOG = [[
While you are in:
  /me waves    says it as an action: "* ann waves"
  /who         tells who is there
  /quit        leaves, as do the end of input and Ctrl-C
  //text       says "/text"

When a host runs for this Redis (moonpool run), its policies judge whether you may join and what you
say.

Examples:
  moonpool chat lobby --as ann
  fortune | moonpool chat lobby --as oracle]]

---@param command table the argparse command
function chat.configure(command)
  command:summary "Talk in a room."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:argument("room"):argname("ROOM"):convert(room_name):description "The room's name."
  command:option("--as", "Who you are there."):target("user"):argname("NAME"):count(1)
    :convert(arguments.user)
  command:option("--last", "How many earlier messages to print (default: 10)."):argname("N")
    :convert(arguments.count):default("10"):show_default(false)
  host_control.add_option(command)
end

---@class moonpool.cli.chat.session
---@field room moonpool.room
---@field speaker moonpool.cli.speaker
---@field user string
---@field context moonpool.cli.context
---@field is_live boolean what was said before we came has been printed
---@field own table<string, true> ids of what we said and have not seen come back
---@field sending table? a latch that opens when what we say is stored, or has failed
---@field has_failed boolean something was not sent

-- ---- what others say ---------------------------------------------------------------------------

-- What we say comes back, perhaps before we are told its id.
local function is_own(session, message)
  if message.user ~= session.user then return false end
  if not message.id then return message.type == "join" or message.type == "leave" end
  if session.sending then session.sending:wait() end
  local is_ours = session.own[message.id]
  session.own[message.id] = nil
  return is_ours
end

local function earlier(at)
  local today = os.date "%Y-%m-%d"
  local day = os.date("%Y-%m-%d", math.floor(at))
  return os.date(day == today and "[%H:%M] " or "[%Y-%m-%d %H:%M] ", math.floor(at))
end

local function on_said(session, message)
  if is_own(session, message) then return end
  local is_earlier = message.id and not session.is_live
  session.context.out((is_earlier and earlier(message.at) or "") .. room_line.plain(message))
end

local SHOWN = { "message", "join", "leave", "rename", "delete", "clear", "signal" }

local function new_handlers(session)
  local context = session.context
  local function tell(event) context.out("-- " .. room_line.describe(event)) end
  local handlers = { gap = tell, reconnect = tell }
  function handlers.error(event) context:warn(room_line.describe(event)) end
  function handlers.live() session.is_live = true end
  for _, event in ipairs(SHOWN) do
    handlers[event] = function(message) on_said(session, message) end
  end
  return handlers
end

-- ---- what we say -------------------------------------------------------------------------------

local function send(session, message)
  session.sending = system.latch()
  local id, reason, code, stored = session.speaker:say(message)
  if code == "EPARTIAL" then id = stored end
  if id then session.own[id] = true end
  session.sending:open()
  session.sending = nil
  if not reason then return end
  session.has_failed = true
  session.context:warn((id and "sent, but " or "not sent: ") .. reason)
end

local function tell_who(session)
  local members, next_cursor = session.room:who { limit = SHOWN_MEMBERS }
  if not members then
    session.context:warn("cannot tell who is here: " .. next_cursor)
    return
  end
  local names = {}
  for index = 1, math.min(#members, SHOWN_MEMBERS) do
    names[index] = terminal.neutralise(members[index].user)
  end
  local count = next_cursor and session.room:count() or #members
  local more = count > #names and (" and %d more"):format(count - #names) or ""
  session.context.out(("-- here: %s%s"):format(table.concat(names, ", "), more))
end

local COMMANDS = {
  me = function(session, rest) send(session, { type = "action", text = rest }) end,
  who = tell_who,
}

-- Does what a typed line means; false: we are to leave.
local function obey(session, line)
  if line == "" then return true end
  local command, rest = line:match "^/(%a+)%s*(.*)$"
  if not command then
    send(session, { text = line:gsub("^//", "/", 1) })
    return true
  end
  if command == "quit" then return false end
  if COMMANDS[command] then
    COMMANDS[command](session, rest)
  else
    session.context:warn(
      ("there is no /%s; /me TEXT, /who and /quit are known, //TEXT says /TEXT"):format(command))
  end
  return true
end

local function say_lines(session, lines)
  while true do
    local line, message, code = lines:next()
    if not line then
      if message and code ~= "ECLOSED" then session.context:fail("standard input: " .. message) end
      return
    end
    if not obey(session, (line:gsub("\r$", ""))) then return end
  end
end

-- ---- being there -------------------------------------------------------------------------------

-- True when we are in; false when we were told to leave meanwhile.
local function enter(session, last)
  local room, context = session.room, session.context
  local ok, message = following.begin(room, { last = last }, new_handlers(session))
  if ok then ok, message = session.speaker:ask_to_join() end
  if ok then ok, message = room:join { user = session.user } end
  if not ok and not context.is_stopping then
    context:fail(("cannot enter %s: %s"):format(room.name, message))
  end
  return ok ~= nil
end

local function leave(session)
  local ok, message = session.room:leave()
  if ok then return end
  session.context:warn("could not leave in order: " .. message)
  session.has_failed = true
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function chat.execute(args, context)
  local lines, message = system.lines(STDIN)
  if not lines then context:fail("standard input: " .. message) end
  local room = assert(context:connect():room(args.room))
  local session = {
    room = room, user = args.user, context = context,
    speaker = speaker.new(room, args.user, args, context),
    is_live = false, own = {}, has_failed = false,
  }
  context:on_stop(function() lines:close() end)
  local is_terminal = system.isatty(STDIN)
  if is_terminal then
    context.out(("-- you are %s in %s; /quit or Ctrl-D leaves"):format(args.user, args.room))
  end
  if enter(session, args.last) then
    say_lines(session, lines)
    leave(session)
  end
  lines:close()
  session.speaker:close()
  return session.has_failed and not is_terminal and 1 or 0
end

return chat
