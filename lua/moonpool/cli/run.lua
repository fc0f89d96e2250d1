--- moonpool run: runs bots and policies.
local config = require "moonpool.host.config"
local control = require "moonpool.host.control"
local host = require "moonpool.host"
local host_gateway = require "moonpool.host.gateway"
local log = require "moonpool.host.log"
local moonpool = require "moonpool"
local operations = require "moonpool.host.operations"
local reload_on_change = require "moonpool.host.reload_on_change"
local supervised = require "moonpool.cli.supervised"
local terminal = require "moonpool.cli.terminal"
local system = require("moonpool.core").system
local trial = require "moonpool.host.trial"

local run = { name = "run" }

local MAX_SHOWN_CHANNELS = 8
local EX_CONFIG = 78 -- of sysexits.h: starting it again is of no use

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
  moonpool run --watch --policy links bots/
  moonpool run --config moonpool.conf.lua --check
  moonpool run --redis redis://chat.example dice.lua]]

local function to_whole(text)
  local number = math.tointeger(tonumber(text))
  if number then return number end
  return nil, ("a whole number is needed, not '%s'"):format(text)
end

---@param command table the argparse command
function run.configure(command)
  command:summary "Run bots and policies."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:argument("files"):argname("FILE"):args("*")
    :description "Bot scripts, and folders of them (*.lua)."
  command:option("--config"):argname("FILE")
    :description "Settings (default: ./moonpool.conf.lua, when no FILE is given and it is there)."
  command:option("--policy"):argname("POLICY"):count("*")
    :description "A policy: a script, a folder of them, or a name in the library."
  command:option("--name"):argname("NAME")
    :description "The host's, under which its bots' positions are kept (default: main)."
  command:option("--log"):argname("FORMAT"):choices { "text", "json" }
    :description "How log lines are written (default: text)."
  command:option("--control"):argname("PATH")
    :description "Where the host listens for commands (default: a socket of yours for this Redis)."
  command:option("--memory"):argname("BYTES"):convert(tonumber)
    :description "That a script may use (default: 16777216)."
  command:option("--budget"):argname("SECONDS"):convert(tonumber)
    :description "Of CPU that a script may take for an event (default: 0.1)."
  command:option("--seed"):argname("N"):convert(to_whole)
    :description "What the scripts' random numbers begin with (default: by chance)."
  command:option("--listen"):argname("ADDRESS"):count("*")
    :description "Carry rooms to browsers at HOST:PORT or unix:PATH."
  command:option("--secret-file"):argname("FILE")
    :description "The secret of the gateway's tokens (HS256)."
  command:option("--workers"):argname("N"):convert(to_whole)
    :description "Processes that carry rooms to browsers; one of them runs the bots (default: 1)."
  command:option("--tls-cert"):argname("FILE"):description "The gateway's certificate (PEM)."
  command:option("--tls-key"):argname("FILE"):description "Its key."
  command:flag("--watch", "Load scripts anew when their files change.")
  command:flag("--check", "Load everything, tell what it is, and exit.")
  command:flag("-q --quiet", "Say nothing about what runs, on standard error.")
end

local function fail_with(context, messages)
  for index = 1, #messages - 1 do context:warn(messages[index]) end
  context:fail(messages[#messages], EX_CONFIG)
end

local function number_of(worker) return worker.settings.number or 1 end

local function is_first(worker) return number_of(worker) == 1 end

local function read_config(args)
  return config.read(args.config, {
    files = args.files, policies = args.policy, name = args.name, log = args.log,
    memory = args.memory, budget = args.budget, redis = args.redis, control = args.control,
    seed = args.seed, listen = args.listen, secret_file = args.secret_file,
    tls_cert = args.tls_cert, tls_key = args.tls_key, workers = args.workers,
  })
end

-- The first worker runs all scripts, others have policies only.
local function read_config_of(args, worker)
  local settings, messages = read_config(args)
  if settings and not is_first(worker) then settings.bots = {} end
  return settings, messages
end

local function read_settings(args, context)
  local settings, messages = read_config(args)
  if not settings then fail_with(context, messages) end
  return settings
end

-- What a gateway was told, but for its script, which is reloaded: one text for the same settings.
local function gateway_text(settings)
  local own = {}
  for name, value in pairs(settings or {}) do
    if name ~= "authenticate" then own[name] = value end
  end
  own.has_script = settings and settings.authenticate ~= nil
  return moonpool.json.encode(own, { sort = true })
end

-- Reads everything again. What cannot be loaded stays as it is.
local function reload(args, worker)
  local settings, messages = read_config_of(args, worker)
  if not settings then return nil, table.concat(messages, "\n"), "EARG" end
  if gateway_text(settings.gateway) ~= worker.gateway_text and is_first(worker) then
    worker.host.log:write("warning", "the gateway's settings have changed: start it anew for them")
  end
  return worker.host:reload(settings)
end

local function reload_by_signal(args, context, worker)
  if not worker.host then return end -- it is being loaded
  local results, message = reload(args, worker)
  if not results then context:warn("not reloaded: " .. message) end
end

local function new_log(settings)
  return log.new {
    format = settings.log.format, level = settings.log.level, repeats = settings.log.repeats,
    within = settings.log.within,
  }
end

local function supervisor_log(settings)
  local own = new_log(settings)
  return function(message, script) own:write("warning", message, { script = script }) end
end

local function load_host(settings, context, set_aside)
  local messages = trial.load_all(settings)
  if messages then fail_with(context, messages) end
  local own = host.new(context:connect(), settings, new_log(settings))
  local ok
  ok, messages = own:load(set_aside)
  if not ok then fail_with(context, messages) end
  return own
end

-- The first few channels.
local function some(channels)
  local shown = table.concat(channels, " ", 1, math.min(#channels, MAX_SHOWN_CHANNELS))
  local left = #channels - MAX_SHOWN_CHANNELS
  return terminal.neutralise(left > 0 and ("%s and %d more"):format(shown, left) or shown)
end

local function tell_ready(args, own, gateway)
  if args.quiet then return end
  local bots, channels = own:running()
  if #bots > 0 then io.stderr:write("running: ", table.concat(bots, ", "), "\n") end
  for _, address in ipairs(gateway and gateway:addresses() or {}) do
    io.stderr:write("listening: ", terminal.neutralise(address), "\n")
  end
  local rooms = #channels > 0 and ", " .. some(channels) or ""
  io.stderr:write(("moonpool: ready (%d %s%s)\n"):format(
    #bots, #bots == 1 and "bot" or "bots", rooms))
end

-- What a script is, and reacts to, in words.
local function describe(script, description)
  local parts = {}
  for event in pairs(description.events) do
    if event ~= "upgrade" then parts[#parts + 1] = event end
  end
  table.sort(parts)
  for _, command in ipairs(description.commands or {}) do
    parts[#parts + 1] = "!" .. command.name
  end
  for _, entry in ipairs(description.patterns) do parts[#parts + 1] = entry.pattern end
  local rooms = script.rooms or description.rooms or { "all rooms" }
  return ("%s %s: %s (in %s)"):format(script.kind, description.name, table.concat(parts, ", "),
    table.concat(rooms, ", "))
end

local function check(args, context)
  local messages, list = trial.load_all(read_settings(args, context))
  if messages then fail_with(context, messages) end
  for _, entry in ipairs(list) do
    context.out(terminal.neutralise(describe(entry.script, entry.description)))
  end
  return 0
end

local function figures(worker)
  local all = worker.gateway and worker.gateway:stats() or {}
  all.worker, all.pid = number_of(worker), system.getpid()
  return all
end

-- What another worker asks.
local function answer(args, worker, request)
  if request.op == "stats" and worker.gateway then
    return figures(worker)
  elseif request.op == "revoke" and worker.gateway then
    return { closed = worker.gateway:revoke(request.user, request.reason) }
  elseif request.op == "reload" and worker.host then
    if request.script then return { scripts = worker.host:reload_one(request.script) } end
    return { scripts = reload(args, worker) }
  end
end

-- Answers on the control socket, if this host has it.
local function serve(args, context, worker)
  local fd = worker.settings.control_fd
  if not fd then return end
  local server, message = control.serve(fd, {
    ops = operations.of(worker.host, function() return reload(args, worker) end, {
      get = function() return worker.gateway end,
      figures = function() return figures(worker) end,
      ask_others = function(request) return worker:ask_others(request) end,
    }),
    log = function(line) context:warn(line) end,
  })
  if not server then context:warn("cannot listen for commands: " .. message) end
  return server
end

-- The gateway, if there is to be one.
local function open_gateway(settings, context, worker)
  if not settings.gateway then return nil end
  local fds = worker.settings.listen_fds
  local gateway, message = host_gateway.open(worker.host, settings.gateway,
    context:redis_url(), fds, number_of(worker))
  if not gateway then context:fail("gateway: " .. message, EX_CONFIG) end
  return gateway
end

local function watch_files(args, context, worker, settings)
  local own = worker.host
  local function read() return read_config_of(args, worker) end
  local watcher, message = reload_on_change(own, settings, read, own.log)
  if not watcher then context:fail(message) end
  return watcher
end

local function run_scripts(args, context, worker)
  local settings = read_settings(args, context)
  if not is_first(worker) then settings.bots = {} end
  local own = load_host(settings, context, worker.set_aside)
  local ok, message = own:subscribe()
  if not ok then context:fail(message) end
  worker.host, worker.gateway_text = own, gateway_text(settings.gateway)
  local server = serve(args, context, worker)
  worker.gateway = open_gateway(settings, context, worker)
  worker.on_call = function(request) return answer(args, worker, request) end
  if is_first(worker) then tell_ready(args, own, worker.gateway) end
  worker:ready()
  own:start()
  local watcher = args.watch and watch_files(args, context, worker, settings)
  context:wait_for_stop()
  if watcher then watcher:close() end
  if server then server:close() end
  if worker.gateway then worker.gateway:stop() end
  own:stop()
  return 0
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function run.execute(args, context)
  if args.check then return check(args, context) end
  local settings = read_settings(args, context)
  if settings.redis then context:use_redis(settings.redis) end
  return supervised(context, {
    supervisor = { grace = settings.limits.grace, max_restarts = settings.restart.max_crashes,
      within = settings.restart.crashes_within },
    stop = settings.limits.stop + host_gateway.stop_seconds(settings.gateway),
    log = supervisor_log(settings), listen = settings.gateway and settings.gateway.listen,
    workers = settings.gateway and settings.gateway.workers,
    control = settings.control ~= false
      and { path = settings.control, name = settings.name, is_quiet = args.quiet } or nil,
    reload = function(worker) reload_by_signal(args, context, worker) end,
  }, function(worker) return run_scripts(args, context, worker) end)
end

return run
