--- moonpool run: runs bot scripts.
local host = require "moonpool.host"
local supervised = require "moonpool.cli.supervised"
local terminal = require "moonpool.cli.terminal"

local run = { name = "run" }

local MAX_SHOWN_CHANNELS = 8

local DESCRIPTION = [[
Run bots: each FILE is a Lua script that uses the object `bot`. They all run until Ctrl-C or
SIGTERM; then their functions for "stop" are called.]]

local EPILOG = [[
A bot:
  bot:on("subscribe", function(message)        -- also unsubscribe, publish, rename
    message:reply("Hello " .. message.user .. "!")
  end)
  bot:command("echo", function(message, args)  -- !echo some words
    message:reply(args.text)
  end)
  bot:every(3600, function() bot:say("lobby", "Another hour.") end)
It is in all rooms, unless it sets bot.rooms = { "lobby", "help-*" }.

A line "moonpool: ready (…)" on standard error tells that every room is subscribed to.

Examples:
  moonpool run examples/bots
  moonpool run --redis redis://chat.example dice.lua]]

---@param command table the argparse command
function run.configure(command)
  command:summary "Run bot scripts."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:argument("files"):argname("FILE"):args("+")
    :description "Bot scripts, and folders of them (*.lua)."
  command:flag("-q --quiet", "Say nothing about what runs, on standard error.")
end

local function names(bots)
  local list = {}
  for index, bot in ipairs(bots) do list[index] = bot.name end
  return table.concat(list, ", ")
end

local function report(context)
  return function(bot, trace) context:warn(bot.name .. ": " .. trace) end
end

local function load_bots(args, context)
  local bots, messages = host.load(args.files, report(context))
  if bots then return bots end
  for index = 1, #messages - 1 do context:warn(messages[index]) end
  context:fail(messages[#messages])
end

-- The first few channels.
local function some(channels)
  local shown = table.concat(channels, " ", 1, math.min(#channels, MAX_SHOWN_CHANNELS))
  local left = #channels - MAX_SHOWN_CHANNELS
  return terminal.neutralise(left > 0 and ("%s and %d more"):format(shown, left) or shown)
end

local function tell_ready(args, bots, channels)
  if args.quiet then return end
  io.stderr:write("running: ", names(bots), "\n")
  io.stderr:write(("moonpool: ready (%d %s, %s)\n"):format(
    #bots, #bots == 1 and "bot" or "bots", some(channels)))
end

local function run_bots(args, context, worker)
  io.stdout:setvbuf "line" -- what scripts print is to be seen at once, in a pipe too
  local bots = load_bots(args, context)
  local client = context:connect()
  local bots_host = host.new(bots, client, function(line) context:warn(line) end)
  local ok, message = bots_host:subscribe()
  if not ok then context:fail(message) end
  tell_ready(args, bots, bots_host:channels())
  worker:ready()
  bots_host:start()
  context:wait_for_stop()
  bots_host:stop()
  return 0
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function run.execute(args, context)
  return supervised(context, {}, function(worker) return run_bots(args, context, worker) end)
end

return run
