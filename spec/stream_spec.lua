local moonpool = require "moonpool"
local scratch = require "spec.support.scratch"
local system = require("moonpool.core").system

assert(system.ignore_sigpipe())

-- Two streams that are connected.
local function open_pair(options)
  local first, second = assert(system.socketpair())
  return assert(system.open_stream(first, options)), assert(system.open_stream(second, options))
end

-- The same failure from a call: its message and code.
local function failure(value, message, code)
  assert.is_nil(value)
  return message, code
end

describe("system.open_stream", function()
  local function in_loop(description, fn)
    it(description, function() moonpool.run(fn) end)
  end

  in_loop("brings lines as they were written, and the end", function()
    local near, far = open_pair()
    assert.is_true(near:write "one\n\ntwo\r\n\0\xFF\nla")
    assert.is_true(near:write "st")
    near:close()
    for _, line in ipairs { "one", "", "two\r", "\0\xFF", "last" } do
      assert.equal(line, far:read_line())
    end
    assert.same({ n = 1 }, table.pack(far:read_line()))
    assert.same({ n = 1 }, table.pack(far:read_line()))
  end)

  in_loop("awaits a line that is not there yet", function()
    local near, far = open_pair()
    local reader = moonpool.spawn(function() return far:read_line() end)
    near:write "half "
    moonpool.sleep(0.001)
    assert.is_false(reader.is_ended)
    near:write "and half\nmore"
    assert.equal("half and half", reader:await())
    near:close()
    assert.equal("more", far:read_line())
  end)

  it("awaits on the main state too", function()
    local near, far = open_pair()
    moonpool.spawn(function()
      moonpool.sleep(0.001)
      near:write "x\n"
    end)
    assert.equal("x", far:read_line())
  end)

  in_loop("refuses lines that are too long, before they are all there", function()
    local near, far = open_pair()
    near:write(("x"):rep(10) .. "\n" .. ("y"):rep(11))
    assert.equal(("x"):rep(10), far:read_line(10))
    for _ = 1, 2 do
      assert.same({ "a line is longer than 10 bytes", "ETOOBIG" }, { failure(far:read_line(10)) })
    end
    near:close()
    assert.same({ "a line is longer than 10 bytes", "ETOOBIG" }, { failure(far:read_line(10)) })
    assert.equal(("y"):rep(11), far:read_line(11))
  end)

  in_loop("has a limit of 64 KiB for a line unless told otherwise", function()
    local near, far = open_pair()
    moonpool.spawn(function() near:write(("x"):rep(65537) .. "\n") end)
    assert.equal("ETOOBIG", select(2, failure(far:read_line())))
    assert.equal(65537, #far:read_line(70000))
  end)

  in_loop("keeps what several tasks write together and in order", function()
    local near, far = open_pair { max_queue = 1 << 30 }
    for number = 1, 5 do
      moonpool.spawn(function()
        assert(near:write(tostring(number):rep(500000) .. "\n"))
      end)
    end
    for number = 1, 5 do
      assert.is_true(far:read_line(1 << 20) == tostring(number):rep(500000))
    end
  end)

  in_loop("bounds what waits for a peer that does not read", function()
    local near, far = open_pair { max_queue = 1000 }
    local size = 1 << 20
    local writer = moonpool.spawn(function() return near:write(("x"):rep(size) .. "\n") end)
    assert.is_false(writer.is_ended)
    assert.same({ "the peer does not read: more than 1000 bytes wait", "EQUEUE" },
      { failure(near:write(("y"):rep(1001))) })
    assert.equal(size, #far:read_line(size))
    assert.is_true(writer:await())
    assert.is_true(near:write "z\n")
    assert.equal("z", far:read_line())
  end)

  in_loop("tells a writer that the reader is gone", function()
    local near, far = open_pair()
    local writer = moonpool.spawn(function() return near:write(("x"):rep(1 << 20)) end)
    far:close()
    local value, _, code = writer:await()
    assert.same({ nil, "ESYS" }, { value, code })
    assert.equal("EPIPE", (select(4, near:write "x")))
  end)

  in_loop("answers what is under way when it is closed", function()
    local near, far = open_pair()
    local reader = moonpool.spawn(function() return near:read_line() end)
    local writer = moonpool.spawn(function() return near:write(("x"):rep(1 << 20)) end)
    assert.error_matches(function() near:read_line() end, "another task waits for the next line")
    assert.is_true(near:close())
    assert.is_true(near:close())
    assert.same({ nil, "closed", "ECLOSED" }, { reader:await() })
    assert.same({ nil, "closed", "ECLOSED" }, { writer:await() })
    for _, method in ipairs { "read_line", "write", "fd" } do
      local words = method == "write" and "" or nil
      assert.same({ nil, "closed", "ECLOSED" }, { near[method](near, words) })
    end
    far:close()
  end)

  in_loop("owns its descriptor: a stream that nobody has closes it", function()
    local first, second = assert(system.pipe())
    assert(system.open_stream(second))
    collectgarbage()
    collectgarbage()
    local reader <close> = assert(system.open_stream(first))
    assert.is_nil(reader:read_line())
    assert.equal(first, reader:fd())
  end)

  it("names what is no stream", function()
    local path = scratch.write(scratch.folder() .. "/file", "")
    local file <close> = assert(io.open(path))
    assert.is_truthy(file)
    assert.same({ "open the stream: Invalid argument", "ESYS" },
      { failure(system.open_stream(1000000)) })
    assert.error_matches(function() system.open_stream(0, { queue = 1 }) end,
      "unknown option 'queue'")
    assert.error_matches(function() system.open_stream(0, { max_queue = -1 }) end,
      "option 'max_queue' must be a whole number")
  end)
end)

describe("a listening socket", function()
  local path

  before_each(function() path = scratch.folder() .. "/socket" end)

  local function connect()
    return system.open_stream(assert(system.connect_descriptor(path)))
  end

  it("is 0600 from its beginning, and accepts connection after connection", function()
    moonpool.run(function()
      local listener <close> = assert(system.listen(assert(system.bind(path))))
      assert.equal(384, system.stat(path).mode) -- 0600
      local server = moonpool.spawn(function()
        for number = 1, 3 do
          local stream <close> = assert(listener:accept())
          stream:write(("%d %s\n"):format(number, stream:read_line()))
        end
      end)
      for number = 1, 3 do
        local stream <close> = connect()
        stream:write "hello\n"
        assert.equal(number .. " hello", stream:read_line())
        assert.is_nil(stream:read_line())
      end
      server:await()
    end)
  end)

  it("has connections wait until somebody listens", function()
    moonpool.run(function()
      local fd = assert(system.bind(path, { backlog = 5, mode = 432 }))
      assert.equal(432, system.stat(path).mode) -- 0660
      local streams = {}
      for number = 1, 3 do
        streams[number] = connect()
        streams[number]:write(number .. "\n")
      end
      local listener <close> = assert(system.listen(fd))
      for number = 1, 3 do
        local stream <close> = assert(listener:accept())
        assert.equal(tostring(number), stream:read_line())
      end
    end)
  end)

  it("ends an accept when it is closed, and leaves its file", function()
    moonpool.run(function()
      local listener = assert(system.listen(assert(system.bind(path))))
      local waiting = moonpool.spawn(function() return listener:accept() end)
      assert.error_matches(function() listener:accept() end, "another task waits")
      listener:close()
      assert.same({ nil, "closed", "ECLOSED" }, { waiting:await() })
      assert.same({ nil, "closed", "ECLOSED" }, { listener:accept() })
      assert.equal("ECONNREFUSED", (select(4, system.connect_descriptor(path))))
      assert.equal("EADDRINUSE", (select(4, system.bind(path))))
    end)
  end)

  it("says that nobody is there, or that its backlog is full", function()
    assert.equal("ENOENT", (select(4, system.connect_descriptor(path))))
    local fd = assert(system.bind(path, { backlog = 1 }))
    local fds, reason = {}, nil
    for _ = 1, 10 do
      local each, _, _, name = system.connect_descriptor(path)
      fds[#fds + 1], reason = each, reason or name
    end
    assert.equal("EAGAIN", reason)
    for _, each in ipairs(fds) do system.close_descriptor(each) end
    system.close_descriptor(fd)
  end)

  it("is refused a path that the system cannot hold", function()
    local long = "/tmp/" .. ("x"):rep(200)
    for _, fn in ipairs { system.bind, system.connect_descriptor } do
      assert.error_matches(function() fn(long) end, "the socket's path has 205 bytes")
    end
    assert.error_matches(function() system.bind "" end, "a path is needed")
  end)
end)

describe("system.notify", function()
  it("sends one datagram", function()
    local socket = require "socket.unix"
    local path = scratch.folder() .. "/notify"
    local receiver = assert(socket.dgram())
    assert(receiver:bind(path))
    receiver:settimeout(10)
    assert.is_true(system.notify(path, "READY=1\nSTATUS=fine"))
    assert.equal("READY=1\nSTATUS=fine", receiver:receive())
    receiver:close()
    assert.equal("ECONNREFUSED", (select(4, system.notify(path, "x"))))
    assert.equal("ECONNREFUSED", (select(4, system.notify("@moonpool-nobody", "x"))))
  end)
end)
