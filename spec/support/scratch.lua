-- A scratch folder for one spec file, and waiting.
--
--   local scratch = require "spec.support.scratch"
--   scratch.folder()              a new, empty folder: absolute, short enough for a Unix socket
--   scratch.read(path)            the file's text, or nil when it is not there
--   scratch.write(path, text)     writes the whole file; returns path
--   scratch.quote(word)           the word quoted for a shell
--   scratch.shell(command)        runs it: standard output (trimmed), exit status
--   scratch.now()                 seconds on a monotonic clock
--   scratch.wait_until(fn, seconds, what)
--                                 fn's first true result; raises, naming WHAT, at the deadline
--   scratch.processes(folder)     { { pid =, command = }, … }: what still runs and has to do with
--                                 the folder: its working folder, command line or environment
--                                 names it
--   scratch.root                  the folder of all folders; $MOONPOOL_SPEC of every program
--
-- Everything under scratch.root is temporary: when the Lua process ends, however it ends, sweep.sh
-- kills the processes that are left there and removes the folder. Programs are started through
-- io.popen only: its children do not inherit the pipe that keeps sweep.sh waiting.
local system = require "system"

local scratch = {}

local here = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$") or "."

local POLL_SECONDS = 0.003
-- Deadlines end a test that hangs; they bound nothing: a loaded machine may be ten times slower.
local DEFAULT_DEADLINE = 60

function scratch.now()
  return system.monotime()
end

function scratch.quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

-- The status is printed, since LuaJIT's pipes do not tell it.
function scratch.shell(command)
  local pipe = assert(io.popen("(" .. command .. "\n); printf '\\n%d' $?", "r"))
  local output, status = pipe:read("*a"):match "^(.*)\n(%d+)$"
  pipe:close()
  return (output:gsub("%s+$", "")), tonumber(status)
end

function scratch.read(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local text = file:read("a")
  file:close()
  return text
end

function scratch.write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
  return path
end

---@generic T
---@param fn fun(): T?       called again and again
---@param seconds number?    default 60
---@param what string?       names what was awaited
---@return T
function scratch.wait_until(fn, seconds, what)
  local deadline = scratch.now() + (seconds or DEFAULT_DEADLINE)
  repeat
    local result = fn()
    if result then
      return result
    end
    system.sleep(POLL_SECONDS)
  until scratch.now() > deadline
  error(("waited %g s for %s"):format(seconds or DEFAULT_DEADLINE, what or "a condition"), 2)
end

scratch.root = scratch.shell("mktemp -d /tmp/moonpool-spec.XXXXXX")
-- Lives as long as this module: the collector closes it at the latest when the state closes, the
-- kernel when the process dies.
scratch.sweeper = assert(io.popen(
  ("exec setsid bash %s/sweep.sh %s"):format(scratch.quote(here), scratch.root), "w"))

local folders = 0

function scratch.folder()
  folders = folders + 1
  local path = ("%s/%d"):format(scratch.root, folders)
  scratch.shell("mkdir " .. scratch.quote(path))
  return path
end

function scratch.processes(folder)
  local found = {}
  local list = scratch.shell(("bash %s %s"):format(
    scratch.quote(here .. "/processes.sh"), scratch.quote(folder)))
  for pid, command in list:gmatch("(%d+) ([^\n]*)") do
    found[#found + 1] = { pid = tonumber(pid), command = command }
  end
  return found
end

return scratch
