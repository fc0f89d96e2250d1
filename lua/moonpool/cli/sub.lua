--- moonpool sub: prints what is published.
local arguments = require "moonpool.cli.arguments"
local json_line = require "moonpool.cli.json_line"
local system = require("moonpool.core").system
local terminal = require "moonpool.cli.terminal"

local sub = { name = "sub" }

local DESCRIPTION = [[
Subscribe to channels and patterns and print what is published there, until Ctrl-C.

Each message is a line: the channel, a space, the payload. On a terminal, control characters are
shown as pictures; into a pipe or file go the payload's own bytes. A payload may hold line ends:
programs that read the output want --json.]]

local EPILOG = [[
With --json each line is one object:
  {"event":"message","channel":"room:a","pattern":null,"payload":"hi"}
  {"event":"subscribe","action":"psubscribe","channel":"room:*","count":1}
  {"event":"unsubscribe","action":"unsubscribe","channel":"news","count":0}
  {"event":"gap","missing":7,"reason":"overflow"}        messages that could not be kept
  {"event":"gap","reason":"reconnect"}                   nobody knows how many: before a reconnect
  {"event":"reconnect"}                                  the connection was lost, and is back
Bytes that are no UTF-8 come as "payload_base64" or "channel_base64" instead. Reconnects and gaps
are told on standard error without --json.

Examples:
  moonpool sub news weather
  moonpool sub --json --pattern 'room:*' | jq -r .payload
  moonpool sub --count 1 ready && echo go]]

---@param command table the argparse command
function sub.configure(command)
  command:summary "Print what is published on channels and patterns."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:argument("channels"):argname("CHANNEL"):args("*"):description "Channels to subscribe to."
  command:option("-p --pattern", "Also subscribe to what matches P, such as 'room:*'.")
    :target("patterns"):argname("P"):count("*"):default({})
  command:flag("--json", "One JSON object a line, other events too.")
  command:option("-n --count", "Exit after N messages."):argname("N"):convert(arguments.positive)
end

local function new_text_encoder()
  local show = system.isatty(1) and terminal.neutralise or function(bytes) return bytes end
  return function(payload, channel) return show(channel) .. " " .. show(payload) .. "\n" end
end

local function describe(event)
  if event.event == "reconnect" then
    return "connected again; what was published meanwhile is missed"
  elseif event.event == "gap" then
    return ("missed %s messages (%s)"):format(event.missing or "some", event.reason or "unknown")
  end
  return ("%s: %s"):format(terminal.neutralise(event.channel or ""), event.message)
end

local function new_event_handlers(args, context)
  local handlers = {}
  local function tell(event)
    if event.event == "gap" and event.reason == "reconnect" then return end -- that says so next
    context:warn(describe(event))
  end
  if args.json then tell = function(event) context.write(json_line.event(event)) end end
  for _, name in ipairs { "reconnect", "gap", "error" } do handlers[name] = tell end
  if args.json then handlers.subscribe, handlers.unsubscribe = tell, tell end
  return handlers
end

-- The handler of all messages; calls `on_last` after the last one of --count.
local function new_message_handler(args, context, on_last)
  local encode = args.json and json_line.new_message_encoder() or new_text_encoder()
  local write = context.write
  local left = args.count
  if not left then
    return function(payload, channel, pattern) write(encode(payload, channel, pattern)) end
  end
  return function(payload, channel, pattern)
    if left == 0 then return end
    left = left - 1
    write(encode(payload, channel, pattern))
    if left == 0 then on_last() end
  end
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function sub.execute(args, context)
  if #args.channels == 0 and #args.patterns == 0 then
    context:usage_error "a CHANNEL or a --pattern is needed"
  end
  local client = context:connect()
  local latch = system.latch()
  context:on_stop(function() latch:open() end)
  local handler = new_message_handler(args, context, function() latch:open() end)
  local options = { events = new_event_handlers(args, context) }
  local subscriptions = {}
  local wanted = { subscribe = args.channels, psubscribe = args.patterns }
  for _, method in ipairs { "subscribe", "psubscribe" } do
    local names = wanted[method]
    if #names > 0 then
      local subscription, message = client[method](client, names, handler, options)
      if not subscription then
        local shown = terminal.neutralise(table.concat(names, " "))
        context:fail(("cannot subscribe to %s: %s"):format(shown, message))
      end
      subscriptions[#subscriptions + 1] = subscription
    end
  end
  latch:wait()
  for _, subscription in ipairs(subscriptions) do subscription:close() end
  return 0
end

return sub
