--- moonpool replay --through: a recorded conversation as scripts would have met it, on a clock that
--- follows the log's and not ours. Nothing connects to Redis.
local moonpool = require "moonpool"
local config = require "moonpool.host.config"
local irc_pace = require "moonpool.irc_pace"
local log = require "moonpool.host.log"
local progress = require "moonpool.cli.progress"
local terminal = require "moonpool.cli.terminal"
local virtual = require "moonpool.host.virtual"

local EX_CONFIG = 78
local DAY_BEGAN = 1767225600 -- 2026-01-01T00:00:00Z
local TURN_EVENTS = 256      -- between two looks at signals

local thousands = progress.thousands

-- ---- what is printed ---------------------------------------------------------------------------

local function clock_of(time) return os.date("!%H:%M", math.floor(time)) end

-- As the log has it: "[21:04] <dice> ann rolls …", "[21:04]  * dice waves"; other rooms are named.
local function said_line(said, room)
  local place = said.room ~= room and ("(%s) "):format(said.room) or ""
  local form = said.type == "action" and "[%s] %s * %s %s" or "[%s] %s<%s> %s"
  return terminal.neutralise(form:format(clock_of(said.at), place, said.bot, said.text))
end

local function verdict_line(run, policy, what, fields)
  local event = run.event
  local text = event and fields.user == event.user and event.text
  return terminal.neutralise(("[%s] -- %s %s <%s>%s%s"):format(clock_of(run.world.clock:time()),
    policy, what, fields.user or "", text and " " .. text or "",
    fields.reason and (" (%s)"):format(fields.reason) or ""))
end

local function never() return { close = function() end } end

-- Tracebacks and what scripts log, at the conversation's times.
local function new_log(run, format)
  return log.new {
    format = format, later = never, time = function() return run.world.clock:time() end,
    now = function() return run.world.clock.now end,
  }
end

-- ---- the world ---------------------------------------------------------------------------------

local function count(run, name, what)
  local totals = run.totals[name] or {}
  totals[what] = (totals[what] or 0) + 1
  run.totals[name] = totals
end

local function new_world(run, time)
  return virtual.new {
    time = time,
    on_said = function(said)
      count(run, said.bot, "said")
      run.lines[#run.lines + 1] = said_line(said, run.room)
    end,
    on_verdict = function(policy, what, fields)
      count(run, policy, what)
      if run.has_verdicts then
        run.lines[#run.lines + 1] = verdict_line(run, policy, what, fields)
      end
    end,
    on_error = function(member, trace, event)
      run.failures = run.failures + 1
      run.log:write("error", trace, { script = member.name, event = event })
    end,
    on_log = function(member, level, text)
      run.log:write(level, text, { script = member.name })
    end,
  }
end

local function fail_with(context, messages)
  for index = 1, #messages - 1 do context:warn(messages[index]) end
  context:fail(messages[#messages], EX_CONFIG)
end

local function add_scripts(run, settings, context)
  local messages = {}
  for _, list in ipairs { settings.policies, settings.bots } do
    for _, script in ipairs(list) do
      local member, message = run.world:add(script)
      if member then run.members[#run.members + 1] = member end
      messages[#messages + 1] = message
    end
  end
  if #messages > 0 then fail_with(context, messages) end
  for _, member in ipairs(run.members) do
    if member.kind == "bot" then run.world:start(member) end
  end
end

-- ---- playing -----------------------------------------------------------------------------------

local function flush(run, context)
  for _, line in ipairs(run.lines) do context.out(line) end
  run.lines = {}
end

local function play_one(run, event, due)
  local behind = due - run.world.clock.now
  run.event = nil
  if behind > 0 then run.world:advance(behind) end
  run.event = event
  run.world:publish(run.room,
    { type = event.type, user = event.user, text = event.text, to = event.to })
  run.events = run.events + 1
end

local function play(run, pace, event, due, context)
  while event and not context.is_stopping do
    play_one(run, event, due)
    flush(run, context)
    if run.events % TURN_EVENTS == 0 then moonpool.sleep(0) end
    event, due = pace:next()
  end
  if not event then return due end -- what could not be read
end

-- ---- totals ------------------------------------------------------------------------------------

local function describe(run, member)
  local totals = run.totals[member.name] or {}
  local function number(what) return thousands(totals[what] or 0) end
  local text
  if member.kind == "bot" then
    text = ("bot %s: %s calls, said %s, %s failed"):format(member.name, thousands(member.handled),
      number "said", thousands(#member.errors))
  else
    text = ("policy %s: %s judged, %s rejected, %s rewritten, %s failed"):format(member.name,
      thousands(member.handled), number "rejected", number "rewritten", number "policy failed")
  end
  return member.is_killed and text .. ", stopped" or text
end

local function tell_totals(run, files)
  io.stderr:write(("%s events of %s %s\n"):format(thousands(run.events), thousands(files),
    files == 1 and "file" or "files"))
  for _, member in ipairs(run.members) do
    io.stderr:write("  ", terminal.neutralise(describe(run, member)), "\n")
  end
end

local function read_settings(args, context)
  local flags = { files = args.through, policies = args.policy, seed = args.seed }
  local settings, messages
  if args.config then
    settings, messages = config.read(args.config, flags)
  else
    settings, messages = config.merge(nil, flags)
  end
  if not settings then fail_with(context, messages) end
  for _, list in ipairs { settings.bots, settings.policies } do
    for _, script in ipairs(list) do script.seed = script.seed or 1 end
  end
  return settings
end

--- Plays logs through scripts.
---@param args table `through`, `policy`, `config`, `seed`, `room`, `verdicts`, `files`
---@param reader moonpool.irc_reader
---@param context moonpool.cli.context
---@return integer status 1: a script has failed
return function(args, reader, context)
  local settings = read_settings(args, context)
  local run = {
    room = args.room, has_verdicts = args.verdicts, totals = {}, lines = {}, members = {},
    events = 0, failures = 0,
  }
  local pace = irc_pace.new(reader)
  local event, due = pace:next()
  run.world = new_world(run, DAY_BEGAN + 60 * (pace.minute or 0))
  run.log = new_log(run, "text")
  context:on_stop(function() end) -- the loop below sees it
  add_scripts(run, settings, context)
  local problem = play(run, pace, event, due, context)
  for _, member in ipairs(table.move(run.world.bots, 1, #run.world.bots, 1, {})) do
    run.world:stop(member)
  end
  flush(run, context)
  run.log:flush()
  tell_totals(run, #args.files)
  run.world:close()
  if type(problem) == "string" then context:fail(problem) end
  if context.is_stopping then context:warn "stopped before the end" end
  return run.failures > 0 and 1 or 0
end
