local moonpool = require "moonpool"
local scratch = require "spec.support.scratch"
local system = require("moonpool.core").system

-- What a shell command writes to descriptor 3, line by line, and how it ended.
local function run_shell(command, options)
  local lines = {}
  local ours, theirs = assert(system.pipe())
  local all = { fds = { [2] = 2, [3] = theirs }, env = options and options.env }
  local process = assert(system.spawn({ "sh", "-c", command }, all))
  system.close_descriptor(theirs)
  local stream <close> = assert(system.open_stream(ours))
  for line in function() return stream:read_line() end do lines[#lines + 1] = line end
  return lines, process:wait()
end

describe("system.spawn", function()
  it("awaits the exit code, or the name of the signal", function()
    moonpool.run(function()
      local process = assert(system.spawn { "sh", "-c", "exit 7" })
      local first = moonpool.spawn(process.wait, process)
      assert.same({ 7 }, { process:wait() })
      assert.same({ 7 }, { first:await() })
      assert.same({ 7 }, { process:wait() })
      assert.is_false(process:is_running())
      assert.is_false(process:kill())
      local sleeper = assert(system.spawn { "sleep", "600" })
      assert.is_true(sleeper:is_running())
      assert.is_true(system.pid_alive(sleeper:pid()))
      assert.is_true(sleeper:kill "SIGKILL")
      assert.same({ nil, "SIGKILL" }, { sleeper:wait() })
    end)
  end)

  it("waits on the main state too", function()
    assert.equal(3, assert(system.spawn { "sh", "-c", "exit 3" }):wait())
  end)

  it("calls on_exit in a task, whether the handle is kept or not", function()
    local got
    moonpool.run(function()
      local latch = system.latch()
      system.spawn({ "sh", "-c", "kill -TERM $$" }, { on_exit = function(...)
        moonpool.sleep(0.001)
        got = table.pack(...)
        latch:open()
      end })
      collectgarbage()
      collectgarbage()
      latch:wait()
    end)
    assert.same({ n = 2, nil, "SIGTERM" }, got)
  end)

  it("gives the child the descriptors that are named, and no others", function()
    moonpool.run(function()
      local ours, theirs = assert(system.pipe())
      local sleeper = assert(system.spawn { "sleep", "600" })
      system.close_descriptor(theirs)
      assert.is_nil(assert(system.open_stream(ours)):read_line()) -- nobody else has the other end
      sleeper:kill "SIGKILL"
      local output = run_shell("cat <&0 >&3; echo end >&3")
      assert.same({ "end" }, output) -- /dev/null
    end)
  end)

  it("changes its environment", function()
    moonpool.run(function()
      local lines = run_shell('echo "$HOME|${PATH+there}|$NEW" >&3',
        { env = { HOME = "/nowhere", NEW = "a=b", PATH = false } })
      assert.matches("^/nowhere|.*|a=b$", lines[1])
    end)
  end)

  it("names what cannot be started", function()
    local process, message, code, name = system.spawn { "/nonexistent/program" }
    assert.is_nil(process)
    assert.same({ "start /nonexistent/program: No such file or directory", "ESYS", "ENOENT" },
      { message, code, name })
  end)

  it("raises for misuse", function()
    for text, arguments in pairs {
      ["no program to start"] = { {} },
      ["an argument is no string"] = { { "sh", 1 } },
      ["unknown option 'stdout'"] = { { "sh" }, { stdout = 1 } },
      ["descriptors from 0 to 255"] = { { "sh" }, { fds = { [256] = 1 } } },
      ["strings by name are needed"] = { { "sh" }, { env = { A = 1 } } },
      ["a function as on_exit"] = { { "sh" }, { on_exit = 1 } },
    } do
      local ok, message = pcall(system.spawn, table.unpack(arguments))
      assert.is_false(ok)
      assert.is_truthy(message:find(text, 1, true), message)
    end
  end)

  it("leaves no descriptor open, and lets the state end with a child that runs", function()
    local script = [[
      local moonpool, system = require "moonpool", require("moonpool.core").system
      local function descriptors()
        return table.concat(assert(system.files_in("/proc/self/fd", "")), " ")
      end
      moonpool.run(function()
        system.spawn({ "true" }):wait()
        local before = descriptors()
        for _ = 1, 20 do system.spawn({ "true" }):wait() end
        local after = descriptors()
        assert(after == before, before .. "-> " .. after)
      end)
      io.stdout:write(assert(system.spawn { "sleep", "600" }):pid())
    ]]
    local path = scratch.write(scratch.folder() .. "/script.lua", script)
    local pid, status = scratch.shell(("LUA_CPATH='build/lua/?.so;;' "
      .. "LUA_PATH='lua/?.lua;lua/?/init.lua;;' lua5.4 %s"):format(path))
    assert.equal(0, status)
    assert.is_true(system.kill(tonumber(pid), "SIGKILL"))
  end)
end)
