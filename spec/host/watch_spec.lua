local moonpool = require "moonpool"
local scratch = require "spec.support.scratch"
local system = require("moonpool.core").system
local watch = require "moonpool.host.watch"

-- What a program does while it is watched, and what that is told as.
describe("host.watch", function()
  local folder

  before_each(function()
    folder = scratch.folder()
    scratch.shell(("mkdir -p %s/bots"):format(folder))
    scratch.write(folder .. "/bots/dice.lua", "1")
    scratch.write(folder .. "/bots/ants.lua", "1")
    scratch.write(folder .. "/calm.lua", "1")
  end)

  local function full(paths)
    local list = {}
    for index, path in ipairs(paths) do list[index] = folder .. "/" .. path end
    return list
  end

  local function short(list)
    local names = {}
    for index, path in ipairs(list) do names[index] = path:sub(#folder + 2) end
    return table.concat(names, " ")
  end

  local function told(changes)
    return ("changed: %s; added: %s; removed: %s"):format(short(changes.changed),
      short(changes.added), short(changes.removed))
  end

  -- Runs fn(await, own); await() gives what was told next.
  local function with(paths, fn)
    moonpool.run(function()
      local calls, latch, taken = {}, system.latch(), 0
      local own = assert(watch.new(full(paths), function(changes)
        calls[#calls + 1] = told(changes)
        latch:open()
        latch = system.latch()
      end))
      local is_late = false
      local deadline = moonpool.timer(20, function()
        is_late = true
        latch:open()
      end)
      local ok, problem = pcall(fn, function()
        while #calls == taken do
          latch:wait()
          assert.is_false(is_late, "nothing was told")
        end
        taken = taken + 1
        return calls[taken]
      end, own, calls)
      deadline:close()
      own:close()
      if not ok then error(problem, 0) end
    end)
  end

  local function write(path, text) scratch.write(folder .. "/" .. path, text) end
  local function shell(command) scratch.shell(("cd %s && %s"):format(folder, command)) end

  it("tells which files have been written", function()
    with({ "bots", "calm.lua" }, function(await)
      write("bots/dice.lua", "2")
      assert.equal("changed: bots/dice.lua; added: ; removed: ", await())
      write("calm.lua", "2")
      assert.equal("changed: calm.lua; added: ; removed: ", await())
    end)
  end)

  it("gathers what happens at once into one call", function()
    with({ "bots", "calm.lua" }, function(await, _, calls)
      for index = 1, 20 do
        write("bots/dice.lua", ("x"):rep(index))
        write("bots/ants.lua", ("y"):rep(index))
      end
      write("bots/new.lua", "1")
      write("calm.lua", "2")
      shell "rm bots/ants.lua"
      assert.equal("changed: bots/dice.lua calm.lua; added: bots/new.lua; removed: bots/ants.lua",
        await())
      assert.equal(1, #calls)
    end)
  end)

  it("follows editors that put a new file into the old one's place", function()
    with({ "bots/dice.lua" }, function(await)
      for _ = 1, 3 do
        shell "mv bots/dice.lua bots/dice.lua~ && echo 3 > bots/.x && mv bots/.x bots/dice.lua"
        assert.equal("changed: bots/dice.lua; added: ; removed: ", await())
      end
      shell "rm bots/dice.lua"
      assert.equal("changed: ; added: ; removed: bots/dice.lua", await())
      write("bots/dice.lua", "4")
      assert.equal("changed: ; added: bots/dice.lua; removed: ", await())
    end)
  end)

  it("does not tell of other files", function()
    with({ "bots", "calm.lua" }, function(await, _, calls)
      write("bots/notes.txt", "1")
      write("bots/.hidden.lua", "1")
      write("other.lua", "1")
      moonpool.sleep(0.1)
      write("calm.lua", "2")
      assert.equal("changed: calm.lua; added: ; removed: ", await())
      assert.equal(1, #calls)
    end)
  end)

  it("finds a folder again that was replaced, or was away", function()
    with({ "bots" }, function(await)
      shell "cp -r bots other && mv bots old && mv other bots"
      local first = await()
      assert.is_truthy(first == "changed: bots/ants.lua bots/dice.lua; added: ; removed: "
        or first == "changed: ; added: ; removed: bots/ants.lua bots/dice.lua", first)
      if first:find "removed: bots" then await() end
      write("bots/dice.lua", "2")
      assert.equal("changed: bots/dice.lua; added: ; removed: ", await())
      shell "rm -r bots"
      assert.equal("changed: ; added: ; removed: bots/ants.lua bots/dice.lua", await())
      shell "mkdir bots && echo 1 > bots/x.lua"
      assert.equal("changed: ; added: bots/x.lua; removed: ", await())
      write("bots/x.lua", "2")
      assert.equal("changed: bots/x.lua; added: ; removed: ", await())
    end)
  end)

  it("watches other paths when it is told to", function()
    with({ "bots" }, function(await, own, calls)
      assert(own:set(full { "calm.lua" }))
      write("bots/dice.lua", "2")
      moonpool.sleep(0.1)
      write("calm.lua", "2")
      assert.equal("changed: calm.lua; added: ; removed: ", await())
      assert.equal(1, #calls)
      local ok, message, code = own:set { "/nonexistent/x.lua" }
      assert.same({ nil, "watch /nonexistent: no such file or directory", "ESYS" },
        { ok, message:lower(), code })
      write("calm.lua", "3")
      assert.equal("changed: calm.lua; added: ; removed: ", await())
    end)
  end)

  it("does not forget what has changed when it is told to watch more", function()
    with({ "bots" }, function(await, own, calls)
      write("bots/dice.lua", "2")
      write("bots/new.lua", "1")
      shell "rm bots/ants.lua"
      moonpool.sleep(0.01)
      assert(own:set(full { "bots", "calm.lua" }))
      assert.equal("changed: bots/dice.lua; added: bots/new.lua; removed: bots/ants.lua", await())
      write("calm.lua", "2")
      assert.equal("changed: calm.lua; added: ; removed: ", await())
      assert.equal(2, #calls)
    end)
  end)

  it("is not called again while it is being handled; that is told afterwards", function()
    moonpool.run(function()
      local calls, busy, done = {}, 0, system.latch()
      local own
      own = assert(watch.new(full { "bots" }, function(changes)
        busy = busy + 1
        assert.equal(1, busy)
        calls[#calls + 1] = told(changes)
        if #calls == 1 then
          write("bots/ants.lua", "2")
          moonpool.sleep(0.15)
        end
        busy = busy - 1
        if #calls == 2 then done:open() end
      end))
      write("bots/dice.lua", "2")
      done:wait()
      own:close()
      assert.same({ "changed: bots/dice.lua; added: ; removed: ",
        "changed: bots/ants.lua; added: ; removed: " }, calls)
    end)
  end)

  it("tells nothing any more when it is closed", function()
    with({ "bots" }, function(_, own, calls)
      write("bots/dice.lua", "2")
      moonpool.sleep(0)
      own:close()
      write("bots/dice.lua", "3")
      moonpool.sleep(0.12)
      assert.equal(0, #calls)
    end)
  end)

  it("does not keep the loop, and leaves nothing behind in the kernel", function()
    local function count()
      return scratch.shell(("cat /proc/%d/fdinfo/* 2>&1 | grep -c '^inotify'"):format(
        system.getpid()))
    end
    local own
    moonpool.run(function()
      own = assert(watch.new(full { "bots", "calm.lua" }, print))
      assert.equal("2", (count()))
    end)
    moonpool.run(function() own:close() end)
    assert.equal("0", (count()))
  end)
end)

describe("system.watch", function()
  it("checks its arguments", function()
    assert.has_error(function() system.watch() end)
    assert.has_error(function() system.watch("/tmp", 5) end)
    local ok, message, code, name = system.watch("/nonexistent", print)
    assert.same({ nil, "watch /nonexistent: No such file or directory", "ESYS", "ENOENT" },
      { ok, message, code, name })
  end)

  it("can be closed from its own function, and again", function()
    local folder = scratch.folder()
    moonpool.run(function()
      local latch, names = system.latch(), {}
      local handle
      handle = system.watch(folder, function(name)
        names[#names + 1] = name
        handle:close()
        latch:open()
      end)
      scratch.write(folder .. "/a", "1")
      latch:wait()
      assert.same({ "a" }, names)
      assert.is_true(handle:close())
    end)
  end)
end)
