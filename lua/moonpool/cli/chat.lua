--- moonpool chat: a room in a terminal, line by line.
local room_message = require "moonpool.room_message"
local room_name = require "moonpool.room_name"
local system = require("moonpool.core").system
local terminal = require "moonpool.cli.terminal"

local chat = { name = "chat" }

local STDIN = 0
local MAX_NAME_BYTES = 256

local DESCRIPTION = [[
Talk in a room: what others say is printed, what you type is said. The room's channel is
"room:ROOM", and its messages are JSON objects such as {"user":"ann","text":"hi"}.]]

local EPILOG = [[
While you are in:
  /me waves    says it as an action: "* ann waves"
  /quit        leaves, as do the end of input and Ctrl-C
  //text       says "/text"

Examples:
  moonpool chat lobby --as ann
  fortune | moonpool chat lobby --as oracle]]

local function convert_name(text)
  if text == "" then return nil, "a name is needed, not nothing" end
  if #text > MAX_NAME_BYTES then
    return nil, ("the name is longer than %d bytes"):format(MAX_NAME_BYTES)
  end
  if not utf8.len(text) then return nil, "the name is no UTF-8" end
  if terminal.neutralise(text) ~= text then
    return nil, ("the name '%s' has control characters"):format(terminal.neutralise(text))
  end
  return text
end

---@param command table the argparse command
function chat.configure(command)
  command:summary "Talk in a room."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:argument("room"):argname("ROOM"):convert(room_name):description "The room's name."
  command:option("--as", "Who you are there."):target("user"):argname("NAME"):count(1)
    :convert(convert_name)
end

-- ---- what others say ---------------------------------------------------------------------------

local FORMATS = {
  message = function(user, message) return ("<%s> %s"):format(user, message.text) end,
  action = function(user, message) return ("* %s %s"):format(user, message.text) end,
  join = function(user) return ("-- %s joined"):format(user) end,
  leave = function(user) return ("-- %s left"):format(user) end,
  rename = function(user, message)
    return ("-- %s is now known as %s"):format(user, message.to or "somebody else")
  end,
}

local function describe_other(user, message)
  local line = ("-- %s: %s"):format(user, message.type)
  return message.text and line .. ": " .. message.text or line
end

--- One line that shows a payload of the room's channel, whatever it holds.
---@param payload string
---@return string
function chat.format(payload)
  local message = room_message.decode(payload)
  local user = message.user or "somebody"
  return terminal.neutralise((FORMATS[message.type] or describe_other)(user, message))
end

-- Our own messages come back; each is kept from being printed once.
local function new_echo_filter()
  local expected = {}
  return {
    expect = function(payload) expected[payload] = (expected[payload] or 0) + 1 end,
    is_echo = function(payload)
      local count = expected[payload]
      if not count then return false end
      expected[payload] = count > 1 and count - 1 or nil
      return true
    end,
  }
end

-- ---- what we say -------------------------------------------------------------------------------

---@class moonpool.cli.chat.session
---@field channel string
---@field user string
---@field client table
---@field context moonpool.cli.context
---@field echoes table
---@field has_failed boolean something was not sent

local function send(session, message)
  message.user = session.user
  local payload = room_message.encode(message)
  session.echoes.expect(payload)
  local receivers, reason = session.client:publish(session.channel, payload)
  if receivers then return end
  session.echoes.is_echo(payload)
  session.has_failed = true
  session.context:warn("not sent: " .. reason)
end

-- What a typed line means: a message, "quit", or nil for nothing.
local function interpret(session, line)
  if line == "" then return nil end
  local command, rest = line:match "^/(%a+)%s*(.*)$"
  if not command then return { text = line:gsub("^//", "/", 1) } end
  if command == "quit" then return "quit" end
  if command == "me" then return { type = "action", text = rest } end
  session.context:warn(("there is no /%s; /me TEXT and /quit are known, //TEXT says /TEXT")
    :format(command))
  return nil
end

local function say_lines(session, lines)
  while true do
    local line, message, code = lines:next()
    if not line then
      if message and code ~= "ECLOSED" then session.context:fail("standard input: " .. message) end
      return
    end
    local meaning = interpret(session, (line:gsub("\r$", "")))
    if meaning == "quit" then return end
    if meaning then send(session, meaning) end
  end
end

local function listen(session)
  local context = session.context
  local function on_message(payload)
    if not session.echoes.is_echo(payload) then context.out(chat.format(payload)) end
  end
  local events = {
    gap = function(event)
      if event.reason == "reconnect" then return end -- which comes next, and says so
      context.out(("-- missed %s messages (%s)"):format(event.missing or "some", event.reason))
    end,
    reconnect = function() context.out "-- connected again; what was said meanwhile is missed" end,
    error = function(event) context:warn(event.message) end,
  }
  local subscription, message =
    session.client:subscribe(session.channel, on_message, { events = events })
  if not subscription then context:fail(message) end
  return subscription
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function chat.execute(args, context)
  local lines, message = system.lines(STDIN)
  if not lines then context:fail("standard input: " .. message) end
  local session = {
    channel = "room:" .. args.room, user = args.user, client = context:connect(),
    context = context, echoes = new_echo_filter(), has_failed = false,
  }
  local subscription = listen(session)
  context:on_stop(function() lines:close() end)
  if system.isatty(STDIN) then
    context.out(("-- you are %s in %s; /quit or Ctrl-D leaves"):format(args.user, args.room))
  end
  send(session, { type = "join" })
  say_lines(session, lines)
  send(session, { type = "leave" })
  subscription:close()
  lines:close()
  return session.has_failed and not system.isatty(STDIN) and 1 or 0
end

return chat
