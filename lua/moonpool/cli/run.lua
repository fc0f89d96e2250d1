--- moonpool run: runs bot scripts.
local host = require "moonpool.host"
local source = require "moonpool.host.source"
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

-- Log lines for people: "moonpool run: dice: what happened".
local function new_log(context)
  return {
    write = function(_, _, message, fields)
      context:warn((fields and fields.script and fields.script .. ": " or "") .. message)
    end,
  }
end

local function settings_of(paths)
  local files, message = source.find(paths)
  if not files then return nil, message end
  local bots = {}
  for index, path in ipairs(files) do
    bots[index] = {
      kind = "bot", name = source.name_of(path), path = path, options = {}, grants = {},
      memory = 16 << 20, budget = 0.1,
    }
  end
  return {
    name = "moonpool", bots = bots, policies = {}, catch_up = 3600, policy_timeout = 1,
    restart = { max_failures = 10, within = 60, backoff_min = 1, backoff_max = 60 },
  }
end

local function fail_with(context, messages)
  for index = 1, #messages - 1 do context:warn(messages[index]) end
  context:fail(messages[#messages])
end

local function load_host(args, context)
  local settings, missing = settings_of(args.files)
  if not settings then context:fail(missing) end
  local wrong = host.check(settings)
  if #wrong > 0 then fail_with(context, wrong) end
  local own = host.new(context:connect(), settings, new_log(context))
  local ok, messages = own:load()
  if not ok then fail_with(context, messages) end
  return own
end

-- The first few channels.
local function some(channels)
  local shown = table.concat(channels, " ", 1, math.min(#channels, MAX_SHOWN_CHANNELS))
  local left = #channels - MAX_SHOWN_CHANNELS
  return terminal.neutralise(left > 0 and ("%s and %d more"):format(shown, left) or shown)
end

local function tell_ready(args, own)
  if args.quiet then return end
  local bots, channels = own:running()
  io.stderr:write("running: ", table.concat(bots, ", "), "\n")
  io.stderr:write(("moonpool: ready (%d %s, %s)\n"):format(
    #bots, #bots == 1 and "bot" or "bots", some(channels)))
end

local function run_bots(args, context, worker)
  io.stdout:setvbuf "line" -- what scripts print is to be seen at once, in a pipe too
  local own = load_host(args, context)
  local ok, message = own:subscribe()
  if not ok then context:fail(message) end
  tell_ready(args, own)
  worker:ready()
  own:start()
  context:wait_for_stop()
  own:stop()
  return 0
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function run.execute(args, context)
  return supervised(context, {}, function(worker) return run_bots(args, context, worker) end)
end

return run
