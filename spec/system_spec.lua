local scratch = require "spec.support.scratch"
local system = require("moonpool.core").system

-- `start` is how the message begins, as it is.
local function assert_fails(code_name, start, ...)
  local value, message, code, name = ...
  assert.is_nil(value)
  assert.equal(start, message:sub(1, #start))
  assert.equal("ESYS", code)
  assert.equal(code_name, name)
end

describe("system", function()
  local folder

  before_each(function() folder = scratch.folder() end)

  describe("files_in", function()
    it("lists what ends so, in the order of bytes, without what is hidden", function()
      for _, name in ipairs { "b.lua", "a.lua", "Z.lua", ".hidden.lua", "c.txt", ".lua" } do
        scratch.write(folder .. "/" .. name, "")
      end
      assert.same({ "Z.lua", "a.lua", "b.lua" }, system.files_in(folder, ".lua"))
      assert.same({}, system.files_in(folder, ".none"))
    end)

    it("names a folder that it cannot read", function()
      local path = folder .. "/none"
      assert_fails("ENOENT", "read folder " .. path, system.files_in(path, ".lua"))
    end)
  end)

  describe("stat", function()
    it("tells type, owner, permissions and size, without following links", function()
      scratch.write(folder .. "/file", "12345")
      scratch.shell(("chmod 640 %s/file; ln -s file %s/link; mkfifo %s/pipe"):format(
        folder, folder, folder))
      assert.same({ type = "file", uid = system.getuid(), mode = 416, size = 5 },
        system.stat(folder .. "/file"))
      assert.equal("link", system.stat(folder .. "/link").type)
      assert.equal("pipe", system.stat(folder .. "/pipe").type)
      assert.equal("directory", system.stat(folder).type)
      assert.equal("device", system.stat("/dev/null").type)
    end)

    it("answers nil alone when nothing is there", function()
      assert.same({ n = 1 }, table.pack(system.stat(folder .. "/none")))
      assert.same({ n = 1 }, table.pack(system.stat("/dev/null/none")))
    end)

    it("names what it could not look at", function()
      local long = "/" .. ("x"):rep(5000)
      assert_fails("ENAMETOOLONG", "stat /xxxxx", system.stat(long))
    end)
  end)

  describe("mkdir", function()
    it("makes parents, with the permissions asked for", function()
      assert.is_true(system.mkdir(folder .. "/a/b/c", 448))
      assert.equal(448, system.stat(folder .. "/a").mode)
      assert.equal(448, system.stat(folder .. "/a/b/c").mode)
    end)

    it("is content with what is there", function()
      scratch.shell(("mkdir %s/real; ln -s real %s/link"):format(folder, folder))
      assert.is_true(system.mkdir(folder))
      assert.is_true(system.mkdir(folder .. "/link/sub"))
      assert.equal("directory", system.stat(folder .. "/real/sub").type)
    end)

    it("names the part that is no folder", function()
      scratch.write(folder .. "/file", "")
      assert_fails("ENOTDIR", "make the directory " .. folder .. "/file: Not a directory",
        system.mkdir(folder .. "/file/sub"))
    end)
  end)

  it("removes files", function()
    scratch.write(folder .. "/file", "")
    assert.is_true(system.unlink(folder .. "/file"))
    assert.is_false(system.unlink(folder .. "/file"))
    assert_fails("EISDIR", "remove " .. folder, system.unlink(folder))
  end)

  it("resolves paths", function()
    scratch.shell(("ln -s . %s/link"):format(folder))
    assert.equal(folder, system.realpath(folder .. "/link/link/."))
    assert_fails("ENOENT", "find /no/such: No such file", system.realpath "/no/such")
  end)

  it("gives random bytes", function()
    assert.equal(32, #system.random(32))
    assert.not_equal(system.random(32), system.random(32))
    assert.equal("", system.random(0))
    assert.has_error(function() system.random(-1) end)
  end)

  it("knows what is a terminal", function()
    assert.is_false(system.isatty(99))
    assert.is_nil(system.columns(99))
  end)

  describe("lock", function()
    local path

    before_each(function() path = folder .. "/lock" end)

    it("makes a file that only its owner can open", function()
      local lock <close> = system.open_lock(path)
      assert.equal(384, system.stat(path).mode)
      assert.matches("^moonpool.system.lock %(descriptor %d+%)$", tostring(lock))
    end)

    it("excludes others, also in the same process", function()
      local one <close> = system.open_lock(path)
      local other <close> = system.open_lock(path)
      assert.is_true(one:lock "ex")
      assert.is_false(other:lock("ex", true))
      assert.is_false(other:lock("sh", true))
      assert.is_true(one:unlock())
      assert.is_true(other:lock("sh", true))
      assert.is_true(one:lock("sh", true))
      assert.is_false(one:lock("ex", true))
    end)

    it("is given back by closing, and by the collector", function()
      local other <close> = system.open_lock(path)
      local one = system.open_lock(path)
      one:lock "ex"
      assert.is_true(one:close())
      assert.is_true(other:lock("ex", true))
      other:unlock()
      one = system.open_lock(path)
      one:lock "ex"
      one = nil
      collectgarbage()
      assert.is_nil(one)
      assert.is_true(other:lock("ex", true))
    end)

    it("answers that it is closed", function()
      local lock = system.open_lock(path)
      lock:close()
      assert.is_true(lock:close())
      assert.same({ nil, "closed", "ECLOSED", n = 3 }, table.pack(lock:lock "ex"))
      assert.same({ nil, "closed", "ECLOSED", n = 3 }, table.pack(lock:unlock()))
    end)

    it("refuses links and what is no file", function()
      scratch.shell(("ln -s target %s"):format(path))
      assert_fails("ELOOP", "open the lock file " .. path, system.open_lock(path))
      assert_fails("EISDIR", "open the lock file " .. folder, system.open_lock(folder))
      assert_fails("EEXIST", "open the lock file /dev/null", system.open_lock "/dev/null")
    end)

    it("raises on a kind that it does not know", function()
      local lock <close> = system.open_lock(path)
      assert.has_error(function() lock:lock "maybe" end)
    end)
  end)

  describe("spawn_detached", function()
    local function run_shell(script, options)
      local all = { stdout = folder .. "/out", stderr = folder .. "/err" }
      for name, value in pairs(options or {}) do all[name] = value end
      local pid = assert(system.spawn_detached({ "sh", "-c", script }, all))
      scratch.wait_until(function() return not system.pid_alive(pid) end, nil, "the process's end")
      return scratch.read(folder .. "/out"), scratch.read(folder .. "/err"), pid
    end

    it("passes arguments, and appends outputs to their files", function()
      scratch.write(folder .. "/out", "before\n")
      local out, err = run_shell "printf '%s|' \"$0\" 'a b'; echo oops >&2"
      assert.equal("before\nsh|a b|", out)
      assert.equal("oops\n", err)
    end)

    it("leaves nothing of ours open, and reads nothing", function()
      local lock <close> = system.open_lock(folder .. "/lock")
      local file <close> = assert(io.open(folder .. "/other", "w"))
      local out = run_shell "cat; ls -l /proc/$$/fd"
      assert.is_nil(out:find(folder .. "/lock", 1, true), tostring(lock))
      assert.is_nil(out:find(folder .. "/other", 1, true), tostring(file))
      assert.matches("0 %-> /dev/null\n", out)
      assert.is_nil(out:match "socket:" or out:match "pipe:")
    end)

    it("leads a life of its own", function()
      local out, _, pid = run_shell "cut -d ' ' -f 6,7 /proc/$$/stat; grep SigIgn /proc/$$/status"
      local session, terminal, ignored = out:match "^(%d+) (%-?%d+)\nSigIgn:\t(%x+)\n"
      assert.equal("0", terminal)
      assert.equal(0, tonumber(ignored, 16) & 0x7fffffff) -- above are those of the C library
      assert.not_equal(scratch.shell "cut -d ' ' -f 6 /proc/self/stat", session)
      assert.is_true(pid ~= system.getpid())
    end)

    it("hands over a lock that lives as long as the process", function()
      local held = system.open_lock(folder .. "/lock")
      held:lock "ex"
      local pid = system.spawn_detached({ "sleep", "100" }, { lock = held })
      held:close()
      local other <close> = system.open_lock(folder .. "/lock")
      assert.is_false(other:lock("ex", true))
      system.kill(pid, "SIGKILL")
      scratch.wait_until(function() return other:lock("ex", true) end, nil, "the lock")
    end)

    it("tells of a program that cannot be started", function()
      assert_fails("ENOENT", "start moonpool-no-such: No such file",
        system.spawn_detached { "moonpool-no-such" })
      scratch.write(folder .. "/plain", "")
      assert_fails("EACCES", "start " .. folder .. "/plain: ",
        system.spawn_detached { folder .. "/plain" })
      assert_fails("ENOENT", "open /no/such/log: ",
        system.spawn_detached({ "true" }, { stderr = "/no/such/log" }))
    end)

    it("raises on misuse", function()
      assert.has_error(function() system.spawn_detached {} end)
      assert.has_error(function() system.spawn_detached { "true", 1 } end)
      assert.error_matches(function() system.spawn_detached({ "true" }, { cwd = "/" }) end,
        "unknown option 'cwd'")
      assert.error_matches(function() system.spawn_detached({ "true" }, { lock = 1 }) end,
        "a lock is needed, not a number")
    end)
  end)

  describe("kill", function()
    it("sends signals and tells whether there was anybody", function()
      local pid = system.spawn_detached { "sleep", "100" }
      assert.is_true(system.pid_alive(pid))
      assert.is_true(system.kill(pid, "SIGTERM"))
      scratch.wait_until(function() return not system.pid_alive(pid) end, nil, "its end")
      scratch.wait_until(function() return system.kill(pid) == false end, nil, "its burial")
    end)

    it("raises on process groups and unknown signals", function()
      assert.has_error(function() system.kill(0) end)
      assert.has_error(function() system.kill(-1) end)
      assert.error_matches(function() system.kill(1, "SIGFOO") end, "unknown signal 'SIGFOO'")
    end)
  end)
end)
