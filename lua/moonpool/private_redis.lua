--- The private Redis: one redis-server for all moonpool programs of a user, started by the first
--- one in and stopped by the last one out. Three lock files keep it one:
---
---     start.lock   exclusive during every start, every stop and every change of use.lock
---     use.lock     shared by each program while it uses the server
---     server.lock  exclusive; handed to redis-server when it is started, so that the kernel tells
---                  whether it lives, however it ends
---
--- A program that is killed gives its locks back; the next one to leave then stops the server.
local moonpool = require "moonpool"
local places = require "moonpool.private_redis.places"
local system = require("moonpool.core").system

local private_redis = {}

local POLL_SECONDS = 0.005
local ANSWER_SECONDS = 10 -- until a server answers for the first time
local LOAD_SECONDS = 60 -- until it has read its data
local STOP_SECONDS = 15
local ASK_SECONDS = 0.05 -- between requests to a server that is still starting
local LOCK_SECONDS = LOAD_SECONDS + STOP_SECONDS
local MAX_LOG_BYTES = 1 << 20

---@class moonpool.private_redis
---@field url string for moonpool.connect
---@field package places moonpool.private_redis.places
---@field package use table? the lock that is held while in use
local instance_methods = {}
local instance_mt = { __name = "moonpool.private_redis", __index = instance_methods }

local function never()
  return false
end

-- Calls `check` until it gives something true, or nil and an error.
local function wait_for(check, seconds, what, is_cancelled)
  local deadline = moonpool.now() + seconds
  while true do
    local value, message, code = check()
    if value or message then return value, message, code end
    if is_cancelled() then return nil, "stopped while waiting for " .. what, "ECLOSED" end
    if moonpool.now() >= deadline then
      return nil, ("waited %d s for %s"):format(seconds, what), "ETIMEOUT"
    end
    moonpool.sleep(POLL_SECONDS)
  end
end

local function read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

local function write_file(path, text)
  local file, message = io.open(path, "wb")
  if not file then return nil, message, "ESYS" end
  file:write(text)
  local ok
  ok, message = file:close()
  if not ok then return nil, path .. ": " .. message, "ESYS" end
  return true
end

local function url_of(socket)
  return "unix://" .. socket:gsub("[^%w/._~-]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end)
end

local function lock_start(where, is_cancelled)
  local lock, message, code = system.open_lock(where.start_lock)
  if not lock then return nil, message, code end
  local got
  got, message, code = wait_for(function() return lock:lock("ex", true) end, LOCK_SECONDS,
    "another program that starts or stops the private Redis (" .. where.start_lock .. ")",
    is_cancelled)
  if got then return lock end
  lock:close()
  return nil, message, code
end

-- The server's lock when no server lives; false when one does.
local function take_server_lock(where)
  local lock, message, code = system.open_lock(where.server_lock)
  if not lock then return nil, message, code end
  local got
  got, message, code = lock:lock("ex", true)
  if got then return lock end
  lock:close()
  return got, message, code
end

local function is_gone(where)
  local lock, message, code = take_server_lock(where)
  if not lock then return lock, message, code end
  lock:close()
  return true
end

-- ---- starting ----------------------------------------------------------------------------------

local function log_tail(where)
  local lines = {}
  for line in (read_file(where.log) or ""):gmatch "[^\n]+" do lines[#lines + 1] = line end
  return table.concat(lines, "\n  ", math.max(1, #lines - 4))
end

local function server_arguments(where)
  return {
    "redis-server", "--port", "0", "--unixsocket", where.socket, "--unixsocketperm", "600",
    "--dir", where.state, "--appendonly", "yes", "--save", "", "--pidfile", where.pid,
    "--logfile", where.log, "--daemonize", "no",
    "--client-output-buffer-limit", "pubsub", "256mb", "128mb", "60",
  }
end

-- What a killed server left behind must not be in the way; its log is kept, one generation.
local function clear_way(where)
  local removed, message, code = system.unlink(where.socket)
  if removed == nil then return nil, message, code end
  local log = system.stat(where.log)
  if log and log.size > MAX_LOG_BYTES then os.rename(where.log, where.log .. ".1") end
  return write_file(where.socket_note, where.socket)
end

local function start_server(where, server_lock)
  local ok, message, code, name = clear_way(where)
  if ok then
    local options = { stdout = where.log, stderr = where.log, lock = server_lock }
    ok, message, code, name = system.spawn_detached(server_arguments(where), options)
  end
  server_lock:close()
  if ok then return true end
  system.unlink(where.socket_note)
  if name == "ENOENT" then
    message = "there is no redis-server on this machine to start: install it (package redis-server "
      .. "on Debian and Ubuntu, redis elsewhere), or name a Redis with --redis URL or REDIS_URL"
  end
  return nil, message, code
end

-- "ready", "loading", or nil; the latter two with what was answered instead of PONG.
local function ask(url)
  local reply
  local client, message = moonpool.connect { url = url, connect_timeout = 2, command_timeout = 2 }
  if client then
    reply, message = client:ping()
    client:close()
    if reply then return "ready" end
  end
  return message:find("LOADING", 1, true) and "loading" or nil, message
end

local function await_answer(where, url, is_cancelled)
  local deadline = moonpool.now() + ANSWER_SECONDS
  return wait_for(function()
    local state, why_not = ask(url)
    if state == "ready" then return true end
    local gone, message, code = is_gone(where)
    if message then return nil, message, code end
    if gone then
      return nil, ("the private Redis ended before it answered; the end of %s:\n  %s"):format(
        where.log, log_tail(where)), "ECONN"
    end
    if state ~= "loading" and moonpool.now() > deadline then
      return nil, ("the private Redis runs (process %s) but does not answer: %s"):format(
        (read_file(where.pid) or "unknown"):match "%S+", why_not), "ETIMEOUT"
    end
    return false
  end, LOAD_SECONDS, "the private Redis to read its data", is_cancelled)
end

-- ---- stopping ----------------------------------------------------------------------------------

-- true once the server has taken the request; false while it is still starting: it is sent a signal
-- then, but Redis forgets one that comes before it has set itself up (server.c, initServer).
local function ask_to_stop(where)
  local client = moonpool.connect {
    url = url_of(read_file(where.socket_note) or where.socket), connect_timeout = 2,
  }
  if client then
    local _, message, code = client:shutdown()
    client:close()
    if code ~= "EREDIS" then return true end
    return nil, "the private Redis refuses to stop: " .. message, code
  end
  local pid = tonumber((read_file(where.pid) or ""):match "%d+")
  if pid then system.kill(pid, "SIGTERM") end
  return false
end

-- Asks again and again, until it is gone.
local function await_end(where)
  local is_asked, next_ask = false, 0
  return wait_for(function()
    local gone, message, code = is_gone(where)
    if gone or message then return gone, message, code end
    if is_asked or moonpool.now() < next_ask then return false end
    next_ask = moonpool.now() + ASK_SECONDS
    is_asked, message, code = ask_to_stop(where)
    if is_asked == nil then return nil, message, code end
    return false
  end, STOP_SECONDS, "the private Redis to stop (its log: " .. where.log .. ")", never)
end

local function stop_server(where)
  local gone, message, code = await_end(where)
  if not gone then return nil, message, code end
  system.unlink(where.socket_note)
  system.unlink(where.socket)
  system.unlink(where.pid)
  return true
end

local function stop_if_last(where, use)
  use:unlock()
  local last, message, code = use:lock("ex", true)
  if last == nil then return nil, message, code end
  if not last then return true end
  return stop_server(where)
end

--- Gives the server back, and stops it when nobody else uses it: then returns once its process is
--- gone. Doing it again does nothing.
---@return boolean? done
---@return string? message
---@return string? code
function instance_methods:release()
  local use = self.use
  if not use then return true end
  self.use = nil
  local start, message, code = lock_start(self.places, never)
  local done
  if start then done, message, code = stop_if_last(self.places, use) end
  use:close()
  if start then start:close() end
  return done, message, code
end

-- ---- using -------------------------------------------------------------------------------------

local function open_use(where, kind)
  local use, message, code = system.open_lock(where.use_lock)
  if not use then return nil, message, code end
  local got
  got, message, code = use:lock(kind, true) -- start.lock is ours: who has it will keep it
  if got then return use end
  use:close()
  return nil, message, code
end

-- Nobody may be left with a server that we have started and cannot use.
local function abandon_server(where)
  local use = open_use(where, "ex")
  if not use then return end
  stop_server(where)
  use:close()
end

local function use_server(where, is_cancelled)
  local server_lock, message, code = take_server_lock(where)
  if server_lock == nil then return nil, message, code end
  local started, use
  if server_lock then
    started, message, code = start_server(where, server_lock)
    if not started then return nil, message, code end
  end
  local url = url_of(read_file(where.socket_note) or where.socket)
  local answers
  answers, message, code = await_answer(where, url, is_cancelled)
  if answers then use, message, code = open_use(where, "sh") end
  if use then return setmetatable({ url = url, places = where, use = use }, instance_mt) end
  if started then abandon_server(where) end
  return nil, message, code
end

--- The URL of the private Redis, whether it runs or not.
---@return string? url
---@return string? message
---@return string? code "ESYS"
function private_redis.url()
  local where, message, code = places.find()
  if not where then return nil, message, code end
  return url_of(read_file(where.socket_note) or where.socket)
end

--- Makes sure that the private Redis runs, and that it goes on as long as this program uses it.
--- Awaits; at most some ten seconds unless Redis has much to read.
---@param options? { is_cancelled?: fun(): boolean } asked while waiting
---@return moonpool.private_redis? instance release it when done
---@return string? message
---@return string? code "ESYS", "ECONN", "ETIMEOUT"; "ECLOSED" when it was cancelled
function private_redis.acquire(options)
  local is_cancelled = options and options.is_cancelled or never
  local where, message, code = places.find()
  if not where then return nil, message, code end
  local start
  start, message, code = lock_start(where, is_cancelled)
  if not start then return nil, message, code end
  local instance
  instance, message, code = use_server(where, is_cancelled)
  start:close()
  return instance, message, code
end

return private_redis
