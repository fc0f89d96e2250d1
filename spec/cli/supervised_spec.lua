local program = require "spec.support.program"
local scratch = require "spec.support.scratch"
local system = require("moonpool.core").system

-- A subcommand as `moonpool run` is one: program.lua REDIS [CONTROL].
local PROGRAM = [[
io.stdout:setvbuf "line"
local context = require "moonpool.cli.context"
local control = require "moonpool.host.control"
local moonpool = require "moonpool"
local supervised = require "moonpool.cli.supervised"
os.exit(context.run({ name = "run", execute = function(_, self)
  return supervised(self, {
    control = { path = arg[2] }, reload = function() print "reload" end,
  }, function(worker)
    local settings = worker.settings
    local server = settings.control_fd and control.serve(settings.control_fd, { ops = {} })
    print("worker", settings.control)
    self:wait_for_stop()
    print "stopping"
    while arg[3] do moonpool.sleep(1) end
    if server then server:close() end
    return 0
  end)
end }, { redis = arg[1] }))
]]

describe("a supervised subcommand", function()
  local folder, path, running

  before_each(function()
    folder, running = scratch.folder(), {}
    path = scratch.write(folder .. "/program.lua", PROGRAM)
    scratch.shell(("mkdir -m 700 %s/run"):format(folder))
  end)
  after_each(function()
    for _, each in ipairs(running) do each:stop() end
    scratch.wait_until(function() return #scratch.processes(folder) == 0 end, nil, "no process")
    assert.equal("", scratch.shell(("find %s -type s"):format(folder)))
  end)

  local function start_program(...)
    local root = scratch.shell "pwd"
    local words = { "lua5.4", path, ... }
    words.env = {
      LUA_PATH = ("%s/lua/?.lua;%s/lua/?/init.lua;;"):format(root, root),
      LUA_CPATH = root .. "/build/lua/?.so;;", XDG_RUNTIME_DIR = folder .. "/run",
      MOONPOOL_CONTROL = false,
    }
    local started = program.start(words)
    running[#running + 1] = started
    return started
  end

  local function start(...)
    local started = start_program(...)
    return started, select(2, started:expect "^worker\t(.*)$")
  end

  it("listens for commands, unless another host for its Redis does", function()
    local first, socket = start "redis://localhost"
    assert.matches("^/run/moonpool/host%-%x+%.sock$", socket:sub(#folder + 1))
    local second, none = start "redis://:secret@localhost:6379"
    assert.equal("nil", none)
    second:expect_error("^moonpool run: another host runs for this Redis %(process %d+%): "
      .. "commands, say and chat go to that one$")
    local _, own = start("redis://localhost", folder .. "/own.sock")
    assert.equal(folder .. "/own.sock", own)
    first:signal "TERM"
    assert.equal(0, first:wait())
    assert.equal(socket, (select(2, start "redis://localhost")))
  end)

  it("takes the place of a host that was killed", function()
    local first, socket = start "redis://localhost"
    first:signal("KILL", true)
    first:wait()
    assert.equal("socket", system.stat(socket).type)
    assert.equal(socket, (select(2, start "redis://localhost")))
  end)

  it("says where it cannot listen", function()
    local host = start_program("redis://localhost", folder .. "/missing/own.sock")
    assert.equal(1, host:wait())
    assert.matches("^moonpool run: cannot listen for commands: open the lock file %S+: No",
      host:errors())
  end)

  it("reloads on SIGHUP", function()
    local host = start "redis://localhost"
    host:signal "HUP"
    host:expect "^reload$"
    host:signal "HUP"
    host:expect "^reload$"
  end)

  it("ends in order on Ctrl-C, which reaches its worker too", function()
    local host = start "redis://localhost"
    host:signal("INT", true)
    assert.equal(0, host:wait())
    assert.matches("^worker\t%S+\nstopping\n$", host:output())
    assert.equal("", host:errors())
  end)

  it("ends at once when it is asked twice", function()
    local host = start("redis://localhost", folder .. "/own.sock", "slow")
    host:signal "TERM"
    host:expect "^stopping$"
    scratch.wait_until(function()
      host:signal "TERM"
      return not host:is_running()
    end)
    assert.equal(143, host:wait())
    system.unlink(folder .. "/own.sock")
  end)
end)
