-- moonpool's loop for specs of the library: with a deadline, clients that are closed in the end,
-- and errors that do not pass unseen.
--
--   local loop = require "spec.core.loop"
--   loop.run(function() … end, 10)     moonpool.run; raises when it takes longer than the seconds
--                                      (default 120), and when an error reached the error hook that
--                                      the spec has not taken
--   loop.connect(URL | options)        moonpool.connect; closed when the function has returned
--   loop.take_errors()                 the tracebacks that reached the error hook; forgets them
--   loop.wait_until(fn, seconds, what) fn's first true result; raises, naming WHAT, at the
--                                      deadline (default 60). Other tasks go on.
--   loop.wait_for(list, count, seconds)  until the list has so many elements, or more
--   loop.client_ids(server, "pubsub")  Redis's ids of its clients of a type
--   loop.kill(server, "pubsub")        CLIENT KILL of all of them: how many there were
--   loop.resident()                    this process's resident memory in bytes
--   loop.assert_growth(before, limit)  raises when that is now more than so many bytes over BEFORE
--   loop.with_client(server, fn, options)  runs fn(client) in the loop
local moonpool = require "moonpool"
local scratch = require "spec.support.scratch"

local loop = {}

local POLL_SECONDS = 0.002
-- They end a test that hangs, and bound nothing: a loaded machine may be ten times slower.
local RUN_SECONDS = 120
local WAIT_SECONDS = 60

local clients, errors = {}, {}

function loop.connect(options)
  local client = assert(moonpool.connect(options))
  clients[#clients + 1] = client
  return client
end

function loop.take_errors()
  local taken = errors
  errors = {}
  return taken
end

local function close_clients()
  for index = #clients, 1, -1 do
    clients[index]:close()
    clients[index] = nil
  end
end

local function check_errors()
  local left = loop.take_errors()
  if #left > 0 then
    error("errors that nobody expected:\n" .. table.concat(left, "\n"), 0)
  end
end

-- What a task failed of is often why another one waited in vain.
local function with_errors(message)
  if type(message) ~= "string" or #errors == 0 then return message end
  return message .. "\nand meanwhile:\n" .. table.concat(loop.take_errors(), "\n")
end

---@param fn function
---@param seconds number?
function loop.run(fn, seconds)
  local is_late = false
  loop.take_errors()
  local before = moonpool.on_error(function(traceback)
    errors[#errors + 1] = traceback
  end)
  local watchdog = moonpool.timer(seconds or RUN_SECONDS, function()
    is_late = true
    moonpool.stop()
  end)
  local ok, message = pcall(moonpool.run, function()
    fn()
    close_clients()
    watchdog:close()
  end)
  close_clients()
  watchdog:close()
  moonpool.on_error(before)
  if not ok then
    error(with_errors(message), 0)
  end
  check_errors()
  assert(not is_late, "the loop still ran after " .. (seconds or RUN_SECONDS) .. " s")
end

function loop.with_client(server, fn, options)
  options = options or {}
  options.url = server.url
  loop.run(function() fn(loop.connect(options)) end)
end

function loop.wait_until(fn, seconds, what)
  local deadline = scratch.now() + (seconds or WAIT_SECONDS)
  repeat
    local result = fn()
    if result then
      return result
    end
    moonpool.sleep(POLL_SECONDS)
  until scratch.now() > deadline
  error(("waited %g s for %s"):format(seconds or WAIT_SECONDS, what or "a condition"), 2)
end

function loop.wait_for(list, count, seconds)
  local ok = pcall(loop.wait_until, function()
    return #list >= count
  end, seconds)
  if not ok then
    error(("%d of %d arrived in %g s"):format(#list, count, seconds or WAIT_SECONDS), 2)
  end
end

function loop.client_ids(server, kind)
  local ids = {}
  for id in assert(server:call("CLIENT", "LIST", "TYPE", kind)):gmatch("id=(%d+)") do
    ids[#ids + 1] = id
  end
  return ids
end

function loop.kill(server, kind)
  return assert(server:call("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"))
end

function loop.resident()
  return tonumber(scratch.read("/proc/self/status"):match("VmRSS:%s*(%d+) kB")) * 1024
end

-- AddressSanitizer and valgrind keep freed blocks resident; they look for leaks themselves.
local maps = scratch.read "/proc/self/maps"
local is_watched = maps:find("libasan", 1, true) or maps:find("vgpreload", 1, true)

function loop.assert_growth(before, limit)
  local growth = loop.resident() - before
  if growth > limit and not is_watched then
    error(("%.0f KiB more are resident, over the limit of %.0f"):format(
      growth / 1024, limit / 1024), 2)
  end
end

return loop
