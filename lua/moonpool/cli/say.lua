--- moonpool say: says a text in a room, or each line of standard input.
local arguments = require "moonpool.cli.arguments"
local host_control = require "moonpool.cli.host_control"
local room_name = require "moonpool.room_name"
local speaker = require "moonpool.cli.speaker"
local system = require("moonpool.core").system
local window = require "moonpool.cli.window"

local say = { name = "say" }

local STDIN = 0
local MAX_KEY_BYTES = 256

local DESCRIPTION = [[
Say TEXT in a room, or, without TEXT, each line of standard input. For each message its id is
printed once it is stored.]]

local EPILOG = [[
Lines keep their order. A message whose acknowledgement was lost with the connection is sent again
and stored once. With --key the same holds for a call of the program that is repeated within five
minutes: of standard input the lines have the keys K:1, K:2, …

The first message that fails ends the program with exit status 1, and the error names its line;
those that were already on their way are still waited for. A message that was stored but could not
be announced, or has not reached as many replicas as asked for, is told, its id is printed, and the
exit status is 1 in the end.

When a host runs for this Redis (moonpool run), its policies judge what is said: what they reject
is told with the reason, what they rewrite is said as they have it.

Examples:
  moonpool say lobby 'The tide is high.' --as harbour
  moonpool say lobby --as harbour --key tide-2026-11-23 'The tide is high.'
  tail -f app.log | moonpool say log --as app > /dev/null]]

local function to_key(text)
  if text == "" then return nil, "--key: a key is needed, not nothing" end
  if #text > MAX_KEY_BYTES then
    return nil, ("--key: it is longer than %d bytes"):format(MAX_KEY_BYTES)
  end
  return text
end

local function to_durability(text)
  local count = tonumber(text:match "^replicas:(%d%d?%d?)$")
  if text == "memory" or count and count > 0 then return text end
  return nil, ("--durability: memory or replicas:N is needed, not '%s'"):format(text)
end

---@param command table the argparse command
function say.configure(command)
  command:summary "Say a text in a room, or standard input line by line."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:argument("room"):argname("ROOM"):convert(room_name):description "The room's name."
  command:argument("text"):argname("TEXT"):args("?")
    :description "What to say (default: each line of standard input)."
  command:option("--as", "Who says it."):target("user"):argname("NAME"):count(1)
    :convert(arguments.user)
  command:option("--key", "What makes the message the same one when it is said again.")
    :argname("K"):convert(to_key)
  command:option("--durability", "memory (default), or replicas:N, which is to have it before it"
    .. " counts as said."):argname("D"):convert(to_durability)
  command:flag("--action", "As an action: \"* ann waves\".")
  arguments.add_history_options(command)
  host_control.add_option(command)
end

---@class moonpool.cli.say.stream
---@field speaker moonpool.cli.speaker
---@field args table
---@field context moonpool.cli.context
---@field lines table? what is read
---@field failure string? of the first message that failed
---@field failed integer messages that were not stored, or not known to be
---@field is_partial boolean one was stored, and something else was not done

-- Says one text; acknowledgements come in the order of the calls, and so do the printed ids.
local function say_one(stream, text, key, where)
  local args = stream.args
  local id, message, code, stored = stream.speaker:say({ text = text,
    type = args.action and "action" or nil }, key)
  if code == "EPARTIAL" then
    stream.is_partial, id = true, stored
    stream.context:warn(where .. message)
  end
  if id then
    stream.context.out(id)
    return
  end
  stream.failed = stream.failed + 1
  stream.failure = stream.failure or where .. message
  if stream.lines then stream.lines:close() end -- nobody needs to type any more
end

local function say_lines(stream)
  local lines, message = system.lines(STDIN)
  if not lines then stream.context:fail("standard input: " .. message) end
  stream.lines = lines
  stream.context:on_stop(function() lines:close() end)
  local key = stream.args.key
  local problem = window.each_line(lines, function(line, number)
    say_one(stream, line, key and ("%s:%d"):format(key, number), ("line %d: "):format(number))
  end)
  lines:close()
  stream.failure = stream.failure or problem
  if stream.failed > 1 then
    stream.failure = ("%s; so did %d lines after it"):format(stream.failure, stream.failed - 1)
  end
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function say.execute(args, context)
  local options = arguments.room_options(args)
  options.durability = args.durability
  local room = assert(context:connect():room(args.room, options))
  local stream = { speaker = speaker.new(room, args.user, args, context, options), args = args,
    context = context, failed = 0, is_partial = false }
  if args.text then
    say_one(stream, args.text, args.key, "")
  else
    say_lines(stream)
  end
  stream.speaker:close()
  if stream.failure then context:fail(stream.failure) end
  return stream.is_partial and 1 or 0
end

return say
