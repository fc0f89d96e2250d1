-- Programs that a spec starts, each a process of its own.
--
--   local program = require "spec.support.program"
--   local result = program.run { "printf", "hello", seconds = 5 }     waits for the end
--   result.status (128 + N when signal N ended it), result.stdout, result.stderr
--   program.moonpool { "sub", "news", … }, program.run_moonpool { … }: this tree's bin/moonpool
--
--   local cat = program.start { "cat", stdin = "pipe" }
--   cat:write("one\n")          to its standard input (stdin = "pipe")
--   cat:close_stdin()           end of input
--   cat:expect "^o(.*)$"        the next line of its output that matches: line, captures…; raises
--                               at the deadline, or when the program ends without such a line.
--                               Lines are consumed in order.
--   cat:expect_error "x"        the same on standard error
--   cat:output(), cat:errors()  all of stdout, stderr so far
--   cat:signal("INT")           to the program; cat:signal("INT", true): to its whole process
--                               group, as Ctrl-C does
--   cat:is_running()
--   cat:wait()                  the exit status; raises at the deadline
--   cat:stop()                  TERM, then KILL after 30 s; the exit status; fine when it has ended
--   cat.pid, cat.folder         its output is in folder/stdout and folder/stderr
--
-- Options beside the command's words: stdin = TEXT or "pipe" (default: empty) · cwd = folder ·
-- env = { NAME = value; false unsets } · pipe = true: its stdout is a pipe, not a file ·
-- tty = true: it runs on a terminal of its own, of columns = 100 (stdout holds all it shows,
-- standard error too; write("\3") is Ctrl-C) · seconds = the deadline of run. expect,
-- expect_error and wait take one as their last argument. Without it: scratch.lua's, a minute.
-- Whatever a spec leaves running ends with the spec's process; call stop() in after_each or finally
-- all the same.
local scratch = require "spec.support.scratch"

local program = {}

-- The Lua that runs the specs, for programs that load what they load.
program.LUA = rawget(_G, "jit") and "luajit" or "lua" .. _VERSION:match "%d%.%d"

local here = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$") or "."
local quote = scratch.quote
local STOP_SECONDS = 30
local KNOWN = {
  stdin = true, env = true, cwd = true, pipe = true, tty = true, columns = true, seconds = true,
}

local program_methods = {}
local program_mt = { __name = "program", __index = program_methods }

local function check_options(options)
  assert(type(options[1]) == "string", "program: the first word of the command is missing")
  for name in pairs(options) do
    local known = math.type(name) == "integer" or KNOWN[name]
    assert(known, "program: unknown option " .. tostring(name))
  end
end

local function command_words(options)
  local words = {}
  for index, word in ipairs(options) do
    words[index] = quote(word)
  end
  local command = table.concat(words, " ")
  if not options.tty then
    return command
  end
  local inner = ("stty cols %d rows 40; exec %s"):format(options.columns or 100, command)
  return "script --quiet --return --flush --command " .. quote(inner) .. " /dev/null"
end

local function environment(options)
  local words = { "MOONPOOL_SPEC=" .. quote(scratch.root) }
  for name, value in pairs(options.env or {}) do
    if value then
      words[#words + 1] = name .. "=" .. quote(value)
    else
      table.insert(words, 1, "-u " .. quote(name))
    end
  end
  return "env " .. table.concat(words, " ")
end

local function launch_line(self, options)
  local mode = options.pipe and "pipe" or "file"
  local line = ("exec %s setsid --fork bash %s %s %s %s"):format(environment(options),
    quote(self.launcher), quote(self.folder), mode, command_words(options))
  if options.cwd then
    line = ("cd %s && %s"):format(quote(options.cwd), line)
  end
  if options.stdin == "pipe" then
    return line
  end
  local text = options.stdin
  local input = text and scratch.write(self.folder .. "/stdin", text) or "/dev/null"
  return line .. " <" .. quote(input)
end

-- Lines first…last are read and not taken; rest is the beginning of the next one.
local function new_stream()
  return { offset = 0, rest = "", first = 1, last = 0 }
end

local function absolute(path)
  return path:sub(1, 1) == "/" and path or scratch.shell("pwd") .. "/" .. path
end

function program.start(options)
  check_options(options)
  local self = setmetatable({
    folder = scratch.folder(),
    launcher = absolute(here) .. "/launch.sh",
    name = options[1],
    streams = { stdout = new_stream(), stderr = new_stream() },
  }, program_mt)
  local handle = assert(io.popen(launch_line(self, options), "w"))
  if options.stdin == "pipe" then
    handle:setvbuf("no")
    self.stdin = handle
  else
    handle:close()
  end
  local pid = scratch.wait_until(function()
    return scratch.read(self.folder .. "/pid")
  end, nil, self.name .. " to start")
  self.pid = tonumber(pid)
  return self
end

function program.run(options)
  local self = program.start(options)
  local ok, status = pcall(self.wait, self, options.seconds)
  if not ok then
    self:stop()
    error(status, 2)
  end
  return { status = status, stdout = self:output(), stderr = self:errors() }
end

-- The tree's own program, whatever the current folder.
local function moonpool_options(options)
  local root = absolute(here) .. "/../.."
  local words = { "lua5.4", root .. "/bin/moonpool" }
  table.move(options, 1, #options, 3, words)
  for name, value in pairs(options) do
    if math.type(name) ~= "integer" then
      words[name] = value
    end
  end
  local env = {
    LUA_PATH = ("%s/lua/?.lua;%s/lua/?/init.lua;;"):format(root, root),
    LUA_CPATH = ("%s/build/lua/?.so;;"):format(root),
    REDIS_URL = false,
  }
  for name, value in pairs(options.env or {}) do
    env[name] = value
  end
  words.env = env
  return words
end

function program.moonpool(options)
  return program.start(moonpool_options(options))
end

function program.run_moonpool(options)
  return program.run(moonpool_options(options))
end

function program_methods:write(text)
  assert(self.stdin, self.name .. " was started without stdin = \"pipe\"")
  return assert(self.stdin:write(text))
end

function program_methods:close_stdin()
  if self.stdin then
    self.stdin:close()
    self.stdin = nil
  end
end

function program_methods:output()
  return scratch.read(self.folder .. "/stdout") or ""
end

function program_methods:errors()
  return scratch.read(self.folder .. "/stderr") or ""
end

function program_methods:status()
  return tonumber(scratch.read(self.folder .. "/exit"))
end

function program_methods:is_running()
  return self:status() == nil
end

-- Adds what came on a stream since the last look to the lines that nobody has taken yet. Each byte
-- is read once.
local function look(self, name)
  local stream = self.streams[name]
  local file = io.open(self.folder .. "/" .. name, "rb")
  if not file then
    return
  end
  file:seek("set", stream.offset)
  local text = file:read("a")
  file:close()
  stream.offset = stream.offset + #text
  text = stream.rest .. text
  local taken = 1
  for line, next_line in text:gmatch("([^\n]*)\n()") do
    stream.last = stream.last + 1
    stream[stream.last] = line:gsub("\r$", "")
    taken = next_line
  end
  stream.rest = text:sub(taken)
end

local function take_line(self, name, pattern)
  local stream = self.streams[name]
  while stream.first <= stream.last do
    local line = stream[stream.first]
    stream[stream.first] = nil
    stream.first = stream.first + 1
    if line:find(pattern) then
      return table.pack(line, line:match(pattern))
    end
  end
end

-- What it wrote, for a message of failure.
local function transcript(self)
  return ("--- stdout\n%s\n--- stderr\n%s"):format(
    self:output():sub(-2000), self:errors():sub(-2000))
end

local function expect(self, stream, pattern, seconds)
  local ended
  local found = take_line(self, stream, pattern)
  local ok = found or pcall(scratch.wait_until, function()
    ended = not self:is_running() -- asked before the last look: its output is complete by then
    look(self, stream)
    found = take_line(self, stream, pattern)
    return found or ended
  end, seconds)
  if found then
    return table.unpack(found, 1, found.n)
  end
  local why = "went on for too long"
  if ok then
    why = ("ended with status %s"):format(self:status())
  end
  error(("%s %s without a line like %q on its %s\n%s"):format(
    self.name, why, pattern, stream, transcript(self)), 3)
end

function program_methods:expect(pattern, seconds)
  return expect(self, "stdout", pattern, seconds)
end

function program_methods:expect_error(pattern, seconds)
  return expect(self, "stderr", pattern, seconds)
end

function program_methods:signal(name, to_group)
  scratch.shell(("kill -s %s -- %s%d 2>&1"):format(name, to_group and "-" or "", self.pid))
end

function program_methods:wait(seconds)
  local ok, status = pcall(scratch.wait_until, function()
    return self:status()
  end, seconds)
  if ok then
    self:close_stdin()
    return status
  end
  error(("%s did not end in time: %s\n%s"):format(self.name, status, transcript(self)), 2)
end

function program_methods:stop()
  if self:is_running() then
    self:signal("TERM")
    if not pcall(self.wait, self, STOP_SECONDS) then
      self:signal("KILL", true)
    end
  end
  return self:wait()
end

return program
