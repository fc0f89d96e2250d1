local peer = require "spec.support.peer"
local program = require "spec.support.program"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"
local socket = require "socket"

describe("scratch", function()
  it("waits until something is so, or raises what it waited for", function()
    local calls = 0
    assert.equal("yes", scratch.wait_until(function()
      calls = calls + 1
      return calls == 3 and "yes"
    end, 1))
    assert.has_error(function()
      scratch.wait_until(function() end, 0.01, "the tide")
    end, "waited 0.01 s for the tide")
  end)

  it("quotes what a shell would read otherwise", function()
    assert.equal("a 'b' $c", scratch.shell("printf %s " .. scratch.quote("a 'b' $c")))
  end)

  it("finds the processes of a folder, by environment, working folder or command line", function()
    local folder = scratch.folder()
    local by_environment = program.start { "sleep", "60", env = { PLACE = folder } }
    local by_cwd = program.start { "sleep", "60", cwd = folder }
    local by_command = program.start { "sh", "-c", "sleep 60; echo " .. folder }
    scratch.wait_until(function() -- a program has its pid before it is the program
      local found = {}
      for _, process in ipairs(scratch.processes(folder)) do
        found[process.pid] = process.command
      end
      return found[by_environment.pid] == "sleep 60 " and found[by_cwd.pid] == "sleep 60 "
        and found[by_command.pid]
    end, nil, "the three to be found")
    for _, each in ipairs { by_environment, by_cwd, by_command } do
      each:signal("KILL", true)
      each:wait()
    end
    assert.same({}, scratch.processes(folder))
  end)

  it("leaves no process and no folder when its own process is killed", function()
    local victim = program.start { "lua5.4", "-e", [[
      package.path = "./?.lua;" .. package.path
      local program = require "spec.support.program"
      local sleeper = program.start { "sleep", "600" }
      print(require("spec.support.scratch").root)
      io.stdout:flush()
      sleeper:wait(600)
    ]] }
    local root = victim:expect("^/tmp/moonpool%-spec")
    victim:signal("KILL")
    assert.equal(128 + 9, victim:wait())
    scratch.wait_until(function()
      return scratch.shell("ls -d " .. root .. " 2>/dev/null") == ""
    end, nil, "the folder to go")
    scratch.wait_until(function() return #scratch.processes(root) == 0 end, nil, "all to end")
  end)
end)

describe("program", function()
  it("runs a command with input, environment and folder", function()
    local result = program.run { "sh", "-c", "cat; echo $PLACE; pwd; echo oops >&2; exit 3",
      stdin = "in\n", env = { PLACE = "sea" }, cwd = "/" }
    assert.same({ status = 3, stdout = "in\nsea\n/\n", stderr = "oops\n" }, result)
  end)

  it("takes lines in order, from a pipe as from a file", function()
    for _, pipe in ipairs { false, true } do
      local cat = program.start { "cat", stdin = "pipe", pipe = pipe }
      cat:write("one\ntwo\nthree\n")
      local line, letter = cat:expect("^t(w)")
      assert.equal("two", line)
      assert.equal("w", letter)
      assert.equal("three", (cat:expect("^t")))
      cat:close_stdin()
      assert.equal(0, cat:wait())
      assert.has_error(function() cat:expect("^four") end)
    end
  end)

  it("ends what goes on for too long", function()
    assert.has_error(function() program.run { "sleep", "60", seconds = 0.05 } end)
  end)

  it("delivers signals with their default effect", function()
    local cat = program.start { "cat", stdin = "pipe" }
    cat:signal("INT")
    assert.equal(128 + 2, cat:wait())
  end)

  it("gives a terminal on which Ctrl-C works", function()
    local shell = program.start { "sh", "-c", "stty size; exec sleep 60", tty = true,
      stdin = "pipe", columns = 77 }
    shell:expect("^40 77$")
    shell:write("\3")
    assert.equal(128 + 2, shell:wait())
  end)
end)

describe("redis", function()
  local server

  after_each(function() server:stop() end)

  it("answers byte for byte, on a socket and on a port", function()
    server = redis_server.start { port = true, config = { "requirepass tide" } }
    assert.equal("OK", server:call("SET", "a\0b", "c\r\nd"))
    assert.equal("c\r\nd", server:call("GET", "a\0b"))
    assert.equal(redis_server.null, server:call("GET", "nothing"))
    assert.matches("^ERR unknown command", select(2, server:call("NOSUCH")))
    assert.equal("PONG", (server:cli("PING")))
    local connection = assert(socket.connect("127.0.0.1", server.port))
    connection:close()
  end)

  it("stops, is killed and starts again on the same place", function()
    server = redis_server.start()
    server:restart()
    server:stop()
    assert.is_false(server:is_running())
    assert.equal("PONG", server:start():call("PING"))
  end)

  it("is paused until it is resumed", function()
    server = redis_server.start { port = true }
    local connection = assert(socket.connect("127.0.0.1", server.port))
    server:pause()
    scratch.wait_until(function()
      return scratch.read(("/proc/%d/stat"):format(server.pid)):match("%) (%u)") == "T"
    end, nil, "redis-server to stop")
    assert.is_true(server:is_running())
    connection:settimeout(0.1)
    assert(connection:send("PING\r\n"))
    assert.equal("timeout", select(2, connection:receive("*l")))
    server:resume()
    connection:settimeout(60)
    assert.equal("+PONG", connection:receive("*l"))
    connection:close()
  end)

  it("says why Redis does not start", function()
    server = redis_server.start()
    assert.error_matches(function()
      redis_server.start { config = { "nonsense yes" } }
    end, "nonsense")
  end)
end)

describe("peer", function()
  local fake

  local function connect()
    local client = assert(socket.connect("127.0.0.1", fake.port))
    client:settimeout(60)
    return client
  end

  after_each(function() fake:stop() end)

  it("plays its script, a connection each", function()
    fake = peer.start { scripts = {
      { "+hello\r\n", { close = true } },
      { { serve = "SUBSCRIBE" }, { send = "bye\r\n", piece = 1 }, { silence = true } },
    } }
    assert.equal("+hello", connect():receive("*l"))
    local client = connect()
    client:send("*1\r\n$4\r\nPING\r\n*2\r\n$9\r\nSUBSCRIBE\r\n$3\r\na\0b\r\n")
    assert.equal("+PONG", client:receive("*l"))
    assert.equal("bye", client:receive("*l"))
    assert.same({ connection = 2, "SUBSCRIBE", "a\0b" }, fake:wait_for_command "subscribe")
    assert.equal(2, fake:connections())
    client:settimeout(0.01)
    assert.equal("timeout", select(2, client:receive(1)))
  end)

  it("refuses a script it does not understand", function()
    fake = peer.start {}
    assert.error_matches(function() peer.start { script = { { sing = 1 } } } end, "field sing")
  end)
end)
