local program = require "spec.support.program"

local COMMANDS = {
  "run", "ps", "reload", "revoke", "explain", "chat", "follow", "say", "history", "who", "rooms",
  "watch", "delete", "clear", "destroy", "replay", "sub", "pub", "version",
}

local function run(...)
  return program.run_moonpool { ... }
end

local function assert_usage_error(message, ...)
  local result = run(...)
  assert.equal("", result.stdout)
  assert.matches("^Usage: moonpool", result.stderr)
  assert.matches("\n`moonpool[%l ]* %-%-help` tells more%.\n$", result.stderr)
  assert.is_truthy(result.stderr:find(message, 1, true), result.stderr)
  assert.equal(2, result.status)
end

describe("moonpool", function()
  it("asks for a command", function()
    assert_usage_error "a command is required"
  end)

  it("answers wrong usage with the usage on standard error, and exit status 2", function()
    assert_usage_error("unknown command 'dance'", "dance")
    assert_usage_error("unknown option '--wat'", "sub", "--wat", "a")
    assert_usage_error("`moonpool sub --help` tells more.", "sub", "--wat", "a")
    assert_usage_error("argument 'about' must be one of 'run', 'ps'", "help", "dance")
    assert_usage_error("a CHANNEL or a --pattern is needed", "sub")
    assert_usage_error("a whole number above 0 is needed, not '0'", "sub", "--count", "0", "a")
    assert_usage_error("a whole number above 0 is needed, not 'x'", "sub", "--count", "x", "a")
    assert_usage_error("missing argument 'channel'", "pub")
    assert_usage_error("too many arguments", "pub", "a", "b", "c")
    assert_usage_error("missing option '--as'", "chat", "lobby")
    assert_usage_error("bad room name: a brace", "chat", "--as", "ann", "lob{by")
    assert_usage_error("control characters", "chat", "--as", "a\27[1mnn", "lobby")
    assert_usage_error("a name is needed", "chat", "--as", "", "lobby")
  end)

  it("explains itself", function()
    local result = run "--help"
    assert.equal(0, result.status)
    for _, command in ipairs(COMMANDS) do
      assert.matches("\n +" .. command .. " +%S", result.stdout)
      local help = run(command, "--help")
      assert.equal(0, help.status)
      assert.matches("^Usage: moonpool " .. command, help.stdout)
      assert.equal("", help.stderr)
      assert.same({ 0, help.stdout }, { run("help", command).status, run("help", command).stdout })
    end
    assert.same({ 0, result.stdout }, { run("help").status, run("help").stdout })
    assert.matches("REDIS_URL", result.stdout)
  end)

  it("takes --redis wherever it connects, and only there", function()
    for _, command in ipairs(COMMANDS) do
      local connects = run(command, "--help").stdout:find("%-%-redis URL") ~= nil
      assert.equal(command ~= "version", connects, command)
    end
    assert_usage_error("unknown option '--redis'", "version", "--redis", "redis://localhost")
  end)

  it("names the address that it cannot reach, and exits with 1", function()
    local result = run("pub", "--redis", "redis://127.0.0.1:1", "a", "b")
    assert.equal(1, result.status)
    assert.equal("", result.stdout)
    assert.matches("^moonpool pub: .*127%.0%.0%.1:1", result.stderr)
    result = run("pub", "--redis", "gopher://localhost", "a", "b")
    assert.equal(1, result.status)
    assert.matches("^moonpool pub: .*gopher", result.stderr)
  end)

  it("takes $REDIS_URL, but --redis before it", function()
    local env = { REDIS_URL = "redis://127.0.0.1:1" }
    local result = program.run_moonpool { "pub", "a", "b", env = env }
    assert.matches("127%.0%.0%.1:1", result.stderr)
    result = program.run_moonpool { "pub", "--redis", "redis://127.0.0.1:2", "a", "b", env = env }
    assert.matches("127%.0%.0%.1:2", result.stderr)
  end)

  it("finds its tree through a symbolic link, from any folder", function()
    local scratch = require "spec.support.scratch"
    local folder = scratch.folder()
    scratch.shell(("ln -s %s/bin/moonpool %s/pool"):format(scratch.shell "pwd", folder))
    local result = program.run {
      "lua5.4", "./pool", "version", cwd = folder, env = { LUA_PATH = false, LUA_CPATH = false },
    }
    assert.equal(0, result.status, result.stderr)
    assert.matches("^moonpool %d", result.stdout)
  end)

  it("does without standard streams", function()
    local root = require("spec.support.scratch").shell "pwd"
    local result = program.run {
      "sh", "-c", ("lua5.4 %s/bin/moonpool version <&- >&- 2>&-"):format(root),
    }
    assert.equal(0, result.status)
  end)
end)
