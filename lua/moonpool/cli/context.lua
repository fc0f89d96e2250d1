--- What a subcommand is given to work with, and the frame in which it runs: the loop, signals,
--- output, the Redis that it is to use, and an end that leaves nothing behind.
local moonpool = require "moonpool"
local output = require "moonpool.cli.output"
local private_redis = require "moonpool.private_redis"
local system = require("moonpool.core").system

local context = {}

local GRACE_SECONDS = 5 -- for a subcommand to end when it is asked to
local ONE_SECONDS = 0.2 -- signals that come so close together are one that was sent twice
local FINISH_SECONDS = 2 -- for a slow reader to take the last output of a program that was stopped

---@class moonpool.cli.context
---@field program string how messages begin: "moonpool sub"
---@field out fun(line: string) writes a line to standard output
---@field write fun(bytes: string) the same for bytes that bring their own line ends
---@field is_stopping boolean a signal came, or nobody reads our output any more
---@field package command table
---@field package args table
---@field package output moonpool.cli.output
---@field package status integer
---@field package stop_fns fun()[]
---@field package clients table[]
---@field package private moonpool.private_redis?
---@field package is_acquiring boolean
---@field package has_left boolean
---@field package on_signal (fun(name: string): boolean?)?
---@field package url string? of the Redis to use, whatever the arguments say
---@field package stopped_at number? when the first signal came
---@field package grace_seconds number
---@field package grace table? the timer that ends the program when the subcommand does not
local context_methods = {}
local context_mt = { __name = "moonpool.cli.context", __index = context_methods }

-- Raised by a subcommand that ends itself: { status, message }.
local exit_mt = { __name = "moonpool.cli.exit" }

local function exit_with(status, message)
  error(setmetatable({ status = status, message = message }, exit_mt), 0)
end

-- ---- for subcommands ---------------------------------------------------------------------------

--- Tells the user something, on standard error.
---@param message string
function context_methods:warn(message)
  io.stderr:write(self.program, ": ", message, "\n")
end

--- Ends the program with this message. Does not return.
---@param message string
---@param status? integer the exit status, 1
function context_methods:fail(message, status) -- luacheck: no self
  exit_with(status or 1, message)
end

--- Ends the program as one that was called wrongly: usage, message, exit status 2. Does not return.
---@param message string
function context_methods:usage_error(message)
  io.stderr:write(self.command.parser:get_usage(), "\n\nError: ", message, "\n`", self.program,
    " --help` tells more.\n")
  exit_with(2)
end

--- Asks for a call when the program is to end: Ctrl-C, SIGTERM, or nobody reads its output any
--- more. The function runs in a task, should make `execute` return, and has five seconds for it.
--- Calls come in the order of asking.
---@param fn fun()
function context_methods:on_stop(fn)
  if self.is_stopping then
    moonpool.spawn(fn)
  else
    self.stop_fns[#self.stop_fns + 1] = fn
  end
end

-- What the user has chosen, if anything.
local function chosen_url(self)
  if self.url or self.args.redis then return self.url or self.args.redis end
  local url = os.getenv "REDIS_URL"
  if url and url ~= "" then return url end
  return self.private and self.private.url
end

local function acquire_private(self)
  self.is_acquiring = true
  local instance, message = private_redis.acquire {
    is_cancelled = function() return self.is_stopping end,
  }
  self.is_acquiring = false
  self.private = instance
  if self.is_stopping then exit_with(0) end
  if not instance then self:fail(message) end
  return instance.url
end

--- The URL of the Redis that the user chose: --redis, else $REDIS_URL, else the private one, which
--- is acquired for this program then. Awaits. When that fails, the program ends with the reason.
---@return string
function context_methods:redis_url()
  return chosen_url(self) or acquire_private(self)
end

--- The same, but the private Redis is not acquired: it may not run.
---@return string
function context_methods:known_url()
  local url = chosen_url(self)
  if url then return url end
  local message
  url, message = private_redis.url()
  if not url then self:fail(message) end
  return url
end

--- Has this Redis used, whatever the arguments say.
---@param url string
function context_methods:use_redis(url) self.url = url end

--- Has a function look at signals first: SIGINT, SIGTERM and SIGHUP do not end the program when it
--- returns true.
---@param fn fun(name: string): boolean?
function context_methods:set_on_signal(fn) self.on_signal = fn end

--- Gives the subcommand this time to end when it is asked to; default five seconds.
---@param seconds number
function context_methods:set_grace(seconds) self.grace_seconds = seconds end

--- Connects to the Redis that the user chose: --redis, else $REDIS_URL, else the private one. When
--- that fails, the program ends with the reason. The client is closed at the program's end.
---@param options? table what moonpool.connect takes besides the URL
---@return table client
function context_methods:connect(options)
  local all = { url = self:redis_url(), name = "moonpool-" .. self.command.name }
  for name, value in pairs(options or {}) do all[name] = value end
  local client, message = moonpool.connect(all)
  if not client then self:fail(message) end
  self.clients[#self.clients + 1] = client
  return client
end

--- Awaits the moment when the program is to end.
function context_methods:wait_for_stop()
  local latch = system.latch()
  self:on_stop(function() latch:open() end)
  latch:wait()
end

-- ---- the frame ---------------------------------------------------------------------------------

-- Closes all that is open, and ends the loop.
local function leave(self)
  if self.has_left then return end
  self.has_left = true
  if self.grace then self.grace:close() end
  for _, client in ipairs(self.clients) do client:close() end
  if self.private then
    local done, message = self.private:release()
    if not done then
      self:warn(message)
      self.status = 1
    end
  end
  moonpool.stop()
end

local function stop_in_task(self)
  for _, fn in ipairs(self.stop_fns) do
    local ok, message = xpcall(fn, debug.traceback)
    if not ok then self:warn(message) end
  end
  if #self.stop_fns == 0 then
    leave(self)
  elseif not self.has_left then
    self.grace = moonpool.timer(self.grace_seconds, function() leave(self) end)
  end
end

--- Ends the program in order, as a signal does.
function context_methods:stop()
  if self.is_stopping then return end
  self.is_stopping = true
  if self.is_acquiring then return end -- it looks at is_stopping
  moonpool.spawn(stop_in_task, self)
end

-- timeout(1), and others that tell a program and its process group, send a signal twice.
local function on_signal(self, name, number)
  if self.stopped_at and moonpool.now() < self.stopped_at + ONE_SECONDS then return end
  if self.on_signal and self.on_signal(name) then return end
  if self.is_stopping then os.exit(128 + number) end -- asked twice: at once
  self.stopped_at = moonpool.now()
  self:stop()
end

local function on_broken_output(self, message, name)
  if name ~= "EPIPE" then
    self:warn("standard output: " .. message)
    self.status = 1
  end
  self:stop()
end

local function open_signals(self)
  local handles = {}
  for name, number in pairs { SIGINT = 2, SIGTERM = 15, SIGHUP = 1 } do
    local function on_this() on_signal(self, name, number) end
    handles[#handles + 1] = assert(system.signal(name, on_this))
  end
  return handles
end

local function explain(failure)
  return getmetatable(failure) == exit_mt and failure or debug.traceback(tostring(failure), 2)
end

local function execute(self)
  local ok, result = xpcall(self.command.execute, explain, self.args, self)
  if ok then
    if self.status == 0 then self.status = result or 0 end
    return
  end
  local is_exit = getmetatable(result) == exit_mt
  if not is_exit then self:warn(result) end
  if is_exit and result.message then self:warn(result.message) end
  self.status = is_exit and result.status or 1
end

local function run_in_loop(self)
  local signals = open_signals(self)
  moonpool.spawn(execute, self):await()
  leave(self)
  for _, handle in ipairs(signals) do handle:close() end
end

--- Runs a subcommand in a loop of its own, to its end.
---@param command table
---@param args table what argparse made of the command line
---@return integer exit status
function context.run(command, args)
  local self = setmetatable({
    program = "moonpool " .. command.name, command = command, args = args, status = 0,
    is_stopping = false, is_acquiring = false, has_left = false, stop_fns = {}, clients = {},
    grace_seconds = GRACE_SECONDS,
  }, context_mt)
  self.output = output.new(1, function(message, name) on_broken_output(self, message, name) end)
  self.out = function(line) self.output:line(line) end
  self.write = function(bytes) self.output:write(bytes) end
  assert(system.ignore_sigpipe())
  moonpool.run(run_in_loop, self)
  self.output:finish(self.is_stopping and FINISH_SECONDS or nil)
  return self.status
end

return context
