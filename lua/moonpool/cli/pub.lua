--- moonpool pub: publishes a text, or each line of standard input.
local system = require("moonpool.core").system
local window = require "moonpool.cli.window"

local pub = { name = "pub" }

local STDIN = 0

local DESCRIPTION = [[
Publish TEXT on a channel, or, without TEXT, each line of standard input as one message. For each
message a line is printed: how many subscribers received it.]]

local EPILOG = [[
Lines keep their order. The first message that fails ends the program with exit status 1; messages
that were already on their way are still waited for.

Examples:
  moonpool pub news 'It rains.'
  moonpool pub news -- --five--
  tail -f app.log | moonpool pub log > /dev/null]]

---@param command table the argparse command
function pub.configure(command)
  command:summary "Publish a text, or standard input line by line."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:argument("channel"):argname("CHANNEL"):description "Where to publish."
  command:argument("text"):argname("TEXT"):args("?")
    :description "What to publish (default: each line of standard input)."
end

local function publish_text(args, context, client)
  local receivers, message = client:publish(args.channel, args.text)
  if not receivers then context:fail(message) end
  context.out(tostring(receivers))
  return 0
end

---@class moonpool.cli.pub.stream what is known of the lines on their way
---@field channel string
---@field client table
---@field context moonpool.cli.context
---@field lines table what is read
---@field failure string? of the first message that failed

-- Publishes one line; replies come in the order of the calls, and so do the printed lines.
local function publish_line(stream, line, number)
  local receivers, message = stream.client:publish(stream.channel, line)
  if receivers then
    stream.context.out(tostring(receivers))
  else
    stream.failure = stream.failure or ("line %d: %s"):format(number, message)
    stream.lines:close() -- nobody needs to type any more
  end
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function pub.execute(args, context)
  local client = context:connect()
  if args.text then return publish_text(args, context, client) end
  local lines, message = system.lines(STDIN)
  if not lines then context:fail("standard input: " .. message) end
  context:on_stop(function() lines:close() end)
  local stream = { channel = args.channel, client = client, context = context, lines = lines }
  local problem = window.each_line(lines, function(line, number)
    publish_line(stream, line, number)
  end)
  stream.failure = stream.failure or problem
  lines:close()
  if stream.failure then context:fail(stream.failure) end
  return 0
end

return pub
