-- A supervised program for specs: lua5.4 supervised_process.lua OPTIONS WORK…
-- OPTIONS is a Lua table of the supervisor's options, and `control`: where to listen. WORK is the
-- text of a function that the worker runs with `worker`, `system`, `moonpool`, `tell(line)` (a line
-- on standard output) and `serve(ops)` (on the control socket). Then the worker waits for its end.
-- On standard output: "supervisor PID", "worker PID", "stopped".
local control = require "moonpool.host.control"
local control_place = require "moonpool.host.control_place"
local moonpool = require "moonpool"
local supervisor = require "moonpool.host.supervisor"
local system = require("moonpool.core").system
local worker = require "moonpool.host.worker"

io.stdout:setvbuf "line"
assert(system.ignore_sigpipe())

local function tell(...) print(...) end

local function work()
  local latch = system.latch()
  local self = assert(worker.open {
    stop = function() latch:open() end,
    reload = function() tell "reload" end,
  })
  local ignored = assert(system.signal("SIGINT", function() end))
  tell("worker " .. system.getpid())
  local server
  local environment = setmetatable({
    worker = self, system = system, moonpool = moonpool, tell = tell,
    serve = function(ops)
      server = assert(control.serve(self.settings.control_fd, { ops = ops, log = tell }))
    end,
  }, { __index = _G })
  local status = assert(load(arg[2], "=work", "t", environment))()
  if status then os.exit(status) end
  latch:wait()
  tell "stopped"
  if server then server:close() end
  ignored:close()
  self:close()
  return 0
end

local function supervise()
  local options = assert(load("return " .. arg[1]))()
  if options.control then options.control_fd = assert(control_place.claim(options.control)) end
  options.argv = supervisor.command(arg)
  options.log = function(line, script) tell("log " .. (script and script .. ": " or "") .. line) end
  local self = supervisor.new(options)
  local handles = {
    system.signal("SIGTERM", function() self:stop() end),
    system.signal("SIGHUP", function() self:reload() end),
  }
  tell("supervisor " .. system.getpid())
  local status = self:run()
  for _, handle in ipairs(handles) do handle:close() end
  if options.control then control_place.release(options.control, options.control_fd) end
  return status
end

os.exit(moonpool.run(worker.is_one() and work or supervise))
