--- A subcommand whose work is done by a worker, which a supervisor watches: both are this program.
local control_place = require "moonpool.host.control_place"
local crew = require "moonpool.host.crew"
local host_gateway = require "moonpool.host.gateway"
local supervisor = require "moonpool.host.supervisor"
local worker = require "moonpool.host.worker"
local system = require("moonpool.core").system

local STDIN = 0
local STOP_SECONDS = 5
local MARGIN_SECONDS = 3 -- for each process's own end, after that of what it waits for

-- Ctrl-C reaches both processes: the supervisor says what comes of it. Others come to one alone.
local function heed_signals_of_worker(context, reload)
  context:set_on_signal(function(name)
    if name == "SIGHUP" then reload() end
    if name == "SIGTERM" then context:stop() end
    return true
  end)
end

local function work(context, options, run)
  local reload = options.reload or function()
    context:warn "cannot reload: start it anew instead"
  end
  local self, message
  self, message = worker.open {
    stop = function() context:stop() end,
    reload = function()
      reload(self)
      self:reloaded()
    end,
    call = function(request) return self.on_call and self.on_call(request) end,
  }
  if not self then context:fail(message) end
  heed_signals_of_worker(context, function() reload(self) end)
  context:use_redis(self.settings.redis)
  context:set_grace(self.settings.stop)
  local status = run(self)
  self:close()
  return status
end

-- A terminal that hangs up wants its programs to end; without one SIGHUP is the operator's.
local function heed_signals(context, self)
  local is_on_terminal = system.isatty(STDIN)
  context:set_on_signal(function(name)
    if name == "SIGHUP" and not is_on_terminal then
      self:reload()
      return true
    end
    if context.is_stopping then self:kill() end -- asked twice; then it ends at once
  end)
end

-- The place of the host for this Redis, unless there is another host.
local function claim_control(context, control, url)
  local path, message = control.path or os.getenv "MOONPOOL_CONTROL", nil
  local is_default = not path or path == ""
  if is_default then path, message = control_place.path(url, control.name) end
  local fd
  if path then fd, message = control_place.claim(path) end
  if fd then return path, fd end
  if fd == nil and not is_default then context:fail("cannot listen for commands: " .. message) end
  if control.is_quiet then return end
  context:warn(fd == nil and "cannot listen for commands: " .. message or (
    "another host runs for this Redis (%s): commands, say and chat go to that one"):format(message))
end

-- The sockets of the gateway are the supervisor's, so that nobody is refused while a worker starts.
local function bind(context, addresses)
  local fds, message = host_gateway.bind(addresses)
  if not fds then context:fail("gateway: " .. message, supervisor.BAD_CONFIG) end
  return fds
end

-- Nobody listens any more: paths of Unix sockets are free.
local function unbind(addresses, fds)
  for index, address in ipairs(addresses) do
    local path = address:match "^unix:(.+)$"
    if path then system.unlink(path) end
    system.close_descriptor(fds[index])
  end
end

local function supervise(context, options)
  local stop = options.stop or STOP_SECONDS
  local all = { argv = supervisor.command(arg), drain = stop + MARGIN_SECONDS }
  all.log = options.log or function(line, script)
    context:warn(script and script .. ": " .. line or line)
  end
  for name, value in pairs(options.supervisor or {}) do all[name] = value end
  local url, path = context:redis_url(), nil
  if options.control then path, all.control_fd = claim_control(context, options.control, url) end
  if options.listen then all.listen_fds = bind(context, options.listen) end
  all.settings = { redis = url, control = path, stop = stop }
  local self = crew.new(all, options.workers or 1)
  context:set_grace(all.drain + MARGIN_SECONDS)
  heed_signals(context, self)
  context:on_stop(function() self:stop() end)
  local status = self:run()
  if path then control_place.release(path, all.control_fd) end
  if options.listen then unbind(options.listen, all.listen_fds) end
  return status
end

---@class moonpool.cli.supervised.options
---@field supervisor? table limits for the supervisor: see moonpool.host.supervisor.options
---@field log? fun(message: string, script: string?) default: lines on standard error
---@field stop? number seconds that the work has to end when it is told to; default 5
---@field control? { path: string?, name: string?, is_quiet: boolean? } listens for commands: the
--- worker has worker.settings.control_fd for moonpool.host.control, unless another host has the
--- place. `path` as --control gives it, `name` the host's; is_quiet: nothing is said of another one
---@field listen? string[] addresses of the gateway: the worker has worker.settings.listen_fds
---@field workers? integer how many processes; default 1. Each runs the same, worker.settings.number
--- says which it is; the first has the control socket. worker.on_call answers what others ask
---@field reload? fun(worker: moonpool.host.worker) reads the scripts again; awaited

--- Runs the subcommand under a supervisor: in the process that the user has started this is the
--- supervisor; in the one that it starts, the work.
---@param context moonpool.cli.context
---@param options moonpool.cli.supervised.options
---@param run fun(worker: moonpool.host.worker): integer does the work in the worker until the
--- context is asked to stop, and returns the exit status
---@return integer status
return function(context, options, run)
  if worker.is_one() then return work(context, options, run) end
  return supervise(context, options)
end
