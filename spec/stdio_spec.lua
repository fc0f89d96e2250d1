local program = require "spec.support.program"
local scratch = require "spec.support.scratch"

-- Runs a script with this tree's modules; `system` and `moonpool` are there.
local function script(text, options)
  local root = scratch.shell "pwd"
  local prelude = "moonpool = require 'moonpool' system = require('moonpool.core').system "
  local all = {
    "lua5.4", "-e", prelude .. text,
    env = {
      LUA_PATH = ("%s/lua/?.lua;%s/lua/?/init.lua;;"):format(root, root),
      LUA_CPATH = root .. "/build/lua/?.so;;",
    },
  }
  for name, value in pairs(options or {}) do all[name] = value end
  return all
end

-- Runs a shell command in which "$@" is a script.
local function run_in_shell(command, text)
  local words = script(text)
  return program.run { "sh", "-c", command, "sh", words[1], words[2], words[3], env = words.env }
end

local PRINT_LINES = [[
moonpool.run(function()
  local lines = assert(system.lines(0))
  while true do
    local line, message, code = lines:next()
    if not line then
      print("end", message, code)
      break
    end
    print(#line, (line:gsub("%c", "?")))
    io.stdout:flush()
  end
end)]]

describe("system.lines", function()
  it("reads a file's lines, bytes as they are", function()
    local result = program.run(script(PRINT_LINES, { stdin = "one\n\ntwo\r\n\0\xFF\nlast" }))
    assert.equal("3\tone\n0\t\n4\ttwo?\n2\t?\xFF\n4\tlast\nend\tnil\tnil\n", result.stdout)
  end)

  it("has no line after the last line end", function()
    local result = program.run(script(PRINT_LINES, { stdin = "one\n" }))
    assert.equal("3\tone\nend\tnil\tnil\n", result.stdout)
    assert.equal("end\tnil\tnil\n", program.run(script(PRINT_LINES)).stdout)
  end)

  it("reads a pipe's lines when they come", function()
    local reader = program.start(script(PRINT_LINES, { stdin = "pipe" }))
    finally(function() reader:stop() end)
    reader:write "on"
    reader:write "e\ntwo\nthr"
    reader:expect "^3\tone$"
    reader:expect "^3\ttwo$"
    reader:write "ee"
    reader:close_stdin()
    reader:expect "^5\tthree$"
    reader:expect "^end\tnil\tnil$"
    assert.equal(0, reader:wait())
  end)

  it("reads a terminal's lines", function()
    local reader = program.start(script(PRINT_LINES, { stdin = "pipe", tty = true }))
    finally(function() reader:stop() end)
    reader:write "hello\n"
    reader:expect "^5\thello"
    reader:write "\4"
    reader:expect "^end"
  end)

  it("reads lines longer than any buffer, and many", function()
    local result = program.run(script([[
moonpool.run(function()
  local lines, count, bytes = system.lines(0), 0, 0
  local first = lines:next()
  for line in function() return lines:next() end do
    count, bytes = count + 1, bytes + #line
  end
  print(first == ("x"):rep(3000000), count, bytes)
end)]], { stdin = ("x"):rep(3000000) .. "\n" .. ("12345\n"):rep(200000) }))
    assert.equal("true\t200000\t1000000\n", result.stdout)
  end)

  it("lets other tasks run while it waits, and closing end the wait", function()
    local reader = program.start(script([[
moonpool.run(function()
  local lines = system.lines(0)
  local task = moonpool.spawn(function() return lines:next() end)
  print("second", pcall(lines.next, lines))
  moonpool.sleep(0.01)
  print("close", lines:close(), lines:close())
  print("first", task:await())
  print("after", lines:next())
end)]], { stdin = "pipe" }))
    finally(function() reader:stop() end)
    assert.equal(0, reader:wait())
    assert.equal("second\tfalse\tanother task waits for the next line\nclose\ttrue\ttrue\n"
      .. "first\tnil\tclosed\tECLOSED\nafter\tnil\tclosed\tECLOSED\n", reader:output())
  end)

  it("leaves the descriptor's flags to those who share it", function()
    local result = run_in_shell("{ sleep 0.2; echo x; } | { \"$@\"; cat /proc/self/fdinfo/0; }", [[
moonpool.run(function()
  local lines = system.lines(0)
  moonpool.spawn(function() lines:next() end)
  moonpool.sleep(0.01)
  lines:close()
end)]])
    local flags = result.stdout:match "flags:%s+(%d+)"
    assert.equal(0, tonumber(flags, 8) & 2048) -- O_NONBLOCK
  end)

  it("names what cannot be read", function()
    local result = program.run(script([[
moonpool.run(function()
  print(system.lines(1000000)) -- no process has so many open
  print(pcall(system.lines, "x"))
end)]]))
    assert.matches("^nil\tread: Bad file descriptor\tESYS\tEBADF\nfalse\tbad argument #1",
      result.stdout)
  end)

  it("does not keep a state that ends", function()
    local reader = program.start(script([[
moonpool.run(function()
  local lines = system.lines(0)
  moonpool.spawn(function() lines:next() end)
  moonpool.sleep(0.01)
  moonpool.stop()
end)
os.exit(0, true)]], { stdin = "pipe" }))
    finally(function() reader:stop() end)
    assert.equal(0, reader:wait())
  end)
end)

local WRITE_MEGABYTE = [[
local data = ("x"):rep(1000000)
local done = assert(system.write(1, data, 0, 0.05))
io.stderr:write(done < #data and "partly\n" or "wholly\n")
while done < #data do done = assert(system.write(1, data, done, 1)) end]]

describe("system.write", function()
  it("takes as long as it may, and no longer", function()
    local result = program.run(script(WRITE_MEGABYTE, { pipe = true }))
    assert.equal(1000000, #result.stdout)
    -- Nobody reads until the writer has said what it wrote.
    local said = scratch.folder() .. "/said"
    local command = "\"$@\" 2> %s | { until [ -s %s ]; do sleep 0.01; done; wc -c; }"
    result = run_in_shell(command:format(said, said), WRITE_MEGABYTE)
    assert.equal("partly\n", scratch.read(said))
    assert.equal("1000000\n", result.stdout)
  end)

  it("tells that nobody reads", function()
    local result = run_in_shell("\"$@\" | exec true", [[
system.ignore_sigpipe()
local value, message, code, name
repeat value, message, code, name = system.write(1, "x", 0, 1) until not value
io.stderr:write(message, " ", code, " ", name, "\n")]])
    assert.equal("write: Broken pipe ESYS EPIPE\n", result.stderr)
  end)

  it("raises on a place outside of the data", function()
    local system = require("moonpool.core").system
    assert.has_error(function() system.write(1, "abc", 4, 1) end)
    assert.has_error(function() system.write(1, "abc", -1, 1) end)
  end)
end)
