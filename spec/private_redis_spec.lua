local program = require "spec.support.program"
local scratch = require "spec.support.scratch"

describe("the private Redis", function()
  local folder, running

  before_each(function()
    folder = scratch.folder()
    scratch.shell(("mkdir -m 700 %s/run"):format(folder))
    running = {}
  end)
  after_each(function()
    for _, each in ipairs(running) do each:stop() end
    for _, each in ipairs(scratch.processes(folder)) do
      scratch.shell(("kill -KILL %d 2>/dev/null"):format(each.pid))
    end
  end)

  local function environment(runtime)
    return {
      HOME = folder, XDG_RUNTIME_DIR = folder .. "/" .. (runtime or "run"),
      XDG_STATE_HOME = folder .. "/state", REDIS_URL = false,
    }
  end

  local function start(options)
    options.env = options.env or environment()
    local started = program.moonpool(options)
    running[#running + 1] = started
    return started
  end

  local function start_sub(...)
    local sub = start { "sub", "--json", ... }
    sub:expect '"event":"subscribe"'
    return sub
  end

  local function run(options)
    options.env = options.env or environment()
    return program.run_moonpool(options)
  end

  local socket = "/run/moonpool/redis.sock"
  local state = "/state/moonpool/redis"

  local function servers()
    local found = {}
    for _, process in ipairs(scratch.processes(folder)) do
      if process.command:find "^redis%-server" then found[#found + 1] = process end
    end
    return found
  end

  local function assert_nothing_left()
    assert.same({}, scratch.processes(folder))
    assert.equal("", scratch.shell(("find %s -type s -o -name '*.pid' -o -name redis.socket")
      :format(folder)))
  end

  local function cli(...)
    local words = { "redis-cli", "-s", folder .. socket, ... }
    for index, word in ipairs(words) do words[index] = scratch.quote(word) end
    return scratch.shell(table.concat(words, " "))
  end

  it("is started for a program, and stopped after it", function()
    assert.same({ status = 0, stdout = "0\n", stderr = "" }, run { "pub", "a", "hi" })
    assert_nothing_left()
    assert.equal("700", scratch.shell(("stat -c %%a %s/run/moonpool"):format(folder)))
    assert.equal("700", scratch.shell(("stat -c %%a %s%s"):format(folder, state)))
  end)

  it("is shared by all programs of a user, until the last one ends", function()
    local first = start_sub "a"
    local second = start_sub "a"
    assert.equal(1, #servers())
    assert.equal("600", scratch.shell(("stat -c %%a %s%s"):format(folder, socket)))
    assert.equal("2\n", run({ "pub", "a", "hi" }).stdout)
    first:expect '"payload":"hi"'
    second:expect '"payload":"hi"'
    first:signal "TERM"
    assert.equal(0, first:wait())
    assert.equal("1\n", run({ "pub", "a", "hi" }).stdout)
    second:signal "INT"
    assert.equal(0, second:wait())
    assert_nothing_left()
  end)

  it("is one for 20 programs that start at once, and gone after the last", function()
    local subs = {}
    for index = 1, 20 do subs[index] = start { "sub", "--json", "--count", "1", "go" } end
    for _, sub in ipairs(subs) do sub:expect('"event":"subscribe"') end
    assert.equal(1, #servers())
    assert.equal("20\n", run({ "pub", "go", "now" }).stdout)
    for _, sub in ipairs(subs) do
      assert.equal(0, sub:wait())
      assert.equal("", sub:errors())
    end
    assert_nothing_left()
  end)

  it("survives 20 programs that come and go at once", function()
    local root = scratch.shell "pwd"
    local result = program.run {
      "sh", "-c", ("for i in $(seq 20); do lua5.4 %s/bin/moonpool pub a $i & done; wait"):format(
        root),
      env = environment(), seconds = 120,
    }
    assert.equal(("0\n"):rep(20), result.stdout)
    assert.equal("", result.stderr)
    assert_nothing_left()
    -- Each start wrote its line into the log; two servers at a time would have told of it.
    local log = scratch.read(folder .. state .. "/redis.log")
    local is_up = false
    for line in log:gmatch "[^\n]+" do
      if line:find "Server initialized" then
        assert.is_false(is_up, log)
        is_up = true
      elseif line:find "bye bye" then
        is_up = false
      end
    end
  end)

  it("keeps what was stored", function()
    local sub = start_sub "a"
    cli("SET", "key", "value")
    sub:signal "TERM"
    assert.equal(0, sub:wait())
    start_sub "a"
    assert.equal("value", cli("GET", "key"))
  end)

  it("is stopped by the next one when its last user was killed", function()
    local sub = start_sub "a"
    sub:signal "KILL"
    sub:wait()
    assert.equal(1, #servers())
    assert.equal("0\n", run({ "pub", "a", "hi" }).stdout)
    assert_nothing_left()
  end)

  it("is started anew when it was killed; those who use it come back", function()
    local sub = start_sub "a"
    scratch.shell(("kill -KILL %d"):format(servers()[1].pid))
    scratch.wait_until(function() return #servers() == 0 end, nil, "the server's end")
    local other = start_sub "b"
    sub:expect('"event":"reconnect"')
    assert.equal(1, #servers())
    assert.equal("1\n", run({ "pub", "a", "again" }).stdout)
    sub:expect '"payload":"again"'
    for _, each in ipairs { sub, other } do
      each:signal "TERM"
      assert.equal(0, each:wait())
    end
    assert_nothing_left()
  end)

  it("leaves nothing when it was killed and nobody starts it again", function()
    local sub = start_sub "a"
    scratch.shell(("kill -KILL %d"):format(servers()[1].pid))
    scratch.wait_until(function() return #servers() == 0 end, nil, "the server's end")
    sub:signal "TERM"
    assert.equal(0, sub:wait())
    assert_nothing_left()
  end)

  it("is one for logins with different runtime folders", function()
    scratch.shell(("mkdir -m 700 %s/other"):format(folder))
    local sub = start_sub "a"
    assert.equal("1\n", run({ "pub", "a", "hi", env = environment "other" }).stdout)
    assert.equal(1, #servers())
    sub:expect '"payload":"hi"'
  end)

  it("is left alone by programs that name a Redis", function()
    local result = run { "pub", "--redis", "redis://127.0.0.1:1", "a", "hi" }
    assert.equal(1, result.status)
    assert.is_nil(scratch.read(folder .. state .. "/start.lock"))
  end)

  it("stops in order while it is being started", function()
    local sub = start { "sub", "a" }
    sub:signal "TERM"
    local status = sub:wait()
    assert.is_true(status == 0 or status == 143, status) -- 143: before it had set up its signals
    scratch.wait_until(function() return #scratch.processes(folder) == 0 end, nil, "its end")
    assert.equal("", scratch.shell(("find %s -type s"):format(folder)))
  end)

  -- Redis forgets a SIGTERM that comes before it has set itself up.
  it("stops in order as soon as its process is there", function()
    for _ = 1, 5 do
      local sub = start { "sub", "a" }
      scratch.wait_until(function() return scratch.read(folder .. state .. "/redis.pid") end, 10,
        "redis-server")
      sub:signal "TERM"
      assert.equal(0, sub:wait())
      assert.same({}, servers())
    end
  end)

  it("tells when there is no redis-server", function()
    local root = scratch.shell "pwd"
    local result = program.run {
      "env", "PATH=" .. folder, scratch.shell "command -v lua5.4", root .. "/bin/moonpool",
      "pub", "a", "hi", env = environment(),
    }
    assert.equal(1, result.status)
    assert.matches("^moonpool pub: there is no redis%-server .* install it %(package redis%-server",
      result.stderr)
    assert_nothing_left()
  end)

  it("tells why the server ended, in its own words", function()
    scratch.shell(("mkdir -p -m 700 %s%s; touch %s%s/appendonlydir"):format(
      folder, state, folder, state))
    local result = run { "pub", "a", "hi" }
    assert.equal(1, result.status)
    assert.matches("^moonpool pub: the private Redis ended before it answered; the end of "
      .. "%S+/redis%.log:\n.*append%-only", result.stderr)
    assert_nothing_left()
  end)

  it("refuses a socket path that is too long, and names it", function()
    local long = ("x"):rep(100)
    scratch.shell(("mkdir -m 700 %s/%s"):format(folder, long))
    local result = run { "pub", "a", "hi", env = environment(long) }
    assert.equal(1, result.status)
    assert.matches("^moonpool pub: the socket's path is too long %(%d+ bytes, the system allows "
      .. "107%): " .. folder:gsub("%p", "%%%0") .. "/" .. long .. "/moonpool/redis%.sock",
      result.stderr)
  end)

  it("refuses a state folder that others can open", function()
    scratch.shell(("mkdir -p %s%s; chmod 755 %s%s"):format(folder, state, folder, state))
    local result = run { "pub", "a", "hi" }
    assert.equal(1, result.status)
    assert.matches("redis is open to other users %(mode 755%); chmod 700 it", result.stderr)
  end)
end)
