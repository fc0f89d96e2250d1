-- The commands that pages have their readers type, typed as they stand there: in a folder that has
-- what this one has, with a home of its own.
local block_of = require("spec.support.page").block
local program = require "spec.support.program"
local scratch = require "spec.support.scratch"
local websocket = require "spec.support.websocket"

describe("commands in the pages", function()
  local folder, env, running

  before_each(function()
    folder, running = scratch.folder(), {}
    scratch.shell(("mkdir -m 700 %s/run"):format(folder))
    for _, name in ipairs { "bin", "lua", "build", "examples" } do
      scratch.shell(('ln -s "$PWD/%s" %s'):format(name, folder))
    end
    env = { HOME = folder, XDG_RUNTIME_DIR = folder .. "/run", XDG_STATE_HOME = folder .. "/state",
      REDIS_URL = false, LUA_PATH = false, LUA_CPATH = false, MOONPOOL_CONTROL = false }
  end)
  after_each(function()
    for index = #running, 1, -1 do running[index]:stop() end
    scratch.wait_until(function() return #scratch.processes(folder) == 0 end, nil, "no process")
  end)

  -- A program that runs until it is stopped, as the shell is told to start it.
  local function start(command, options)
    options = options or {}
    local started = program.start { "bash", "-c", "exec " .. command, cwd = folder, env = env,
      tty = options.tty, stdin = options.stdin }
    running[#running + 1] = started
    return started
  end

  local function run(commands)
    return program.run { "bash", "-c", "set -e\n" .. commands, cwd = folder, env = env }
  end

  it("of docs/getting-started.md run a bot that is talked with", function()
    local page = "docs/getting-started.md"
    scratch.write(folder .. "/tally.lua", block_of(page, "lua", "bot:command"))
    start(block_of(page, "sh", "moonpool run")):expect_error "ready"
    local transcript = block_of(page, "", "!drink")
    local chat = start(block_of(page, "sh", "moonpool chat"), { tty = true, stdin = "pipe" })
    chat:expect "^%-%- you are ann in tally"
    for line in transcript:gmatch "[^\n]+" do
      if line:find "^<" then
        chat:expect("^" .. line:gsub("%p", "%%%0") .. "$")
      else
        chat:write(line .. "\n")
      end
    end
    chat:write "\4"
    assert.equal(0, chat:wait())
    assert.equal(transcript, (chat:output():gsub("\r", ""):gsub("^%-%-[^\n]*\n", "")))
  end)

  it("of docs/gateway.md serve the chat", function()
    local command, count = block_of("docs/gateway.md", "sh", "moonpool run --listen")
      :gsub("127%.0%.0%.1:8080", "127.0.0.1:0")
    assert.equal(1, count)
    local host = start((command:gsub("^moonpool", "bin/moonpool")))
    local _, address = host:expect_error "^listening: (.+)$"
    host:expect_error "^moonpool: ready"
    local ann = websocket.open(address, { user = "ann" })
    ann:ask { op = "join", room = "chatty" }
    assert.equal("EREJECTED",
      ann:ask({ op = "say", room = "chatty", text = "http://example.com" }).code)
    ann:ask { op = "say", room = "chatty", text = "!roll 1d1" }
    ann:expect("message", { user = "dice" })
    ann:close()
    local page, status = websocket.get(address, "/")
    assert.equal(200, status)
    assert.matches("<!doctype html>", page)
  end)

  it("of docs/install.md have other programs find the modules of this folder", function()
    local block = block_of("docs/install.md", "sh", "export LUA_PATH")
    local use = [[lua5.4 -e 'require "moonpool.testing" print(require("moonpool").version)']]
    local result = run(block .. use)
    assert.same({ 0, "" }, { result.status, result.stderr })
    assert.matches("^%d+%.%d+%.%d+\n$", result.stdout)
  end)

  it("of docs/testing.md play a conversation, twice the same", function()
    local block = block_of("docs/testing.md", "sh", "replay"):gsub("^moonpool", "bin/moonpool")
    local first, second = run(block), run(block)
    assert.equal(0, first.status, first.stderr)
    assert.matches("\n%S+ <?dice", first.stdout)
    assert.equal(first.stdout, second.stdout)
  end)

  it("of docs/operating.md explain what policies say", function()
    local policies = assert(scratch.read("docs/operating.md"):match "; here with `(%-%-p[^`]*)`")
    start("bin/moonpool run " .. policies):expect_error "ready"
    local block = block_of("docs/operating.md", "", "explain lobby")
    local command, printed = block:match "^%$ (moonpool [^\n]+)\n(.*)$"
    local result = run("bin/" .. command)
    assert.same({ printed, "" }, { result.stdout, result.stderr })
  end)

  it("of docs/operating.md tell what runs, and close what a user has open", function()
    local host = start "bin/moonpool run --listen 127.0.0.1:0 examples/bots/dice.lua"
    local _, address = host:expect_error "^listening: (.+)$"
    host:expect_error "^moonpool: ready"
    local sockets = { websocket.open(address, { user = "mallory" }),
      websocket.open(address, { user = "mallory" }) }
    local block = block_of("docs/operating.md", "", "revoke mallory")
    local ps, gateway, revoke, revoked =
      block:match "^%$ (moonpool [^\n]+)\n…\n(GATEWAY[^\n]*)\n.-%$ (moonpool [^\n]+)\n(.*)$"
    local scripts = block_of("docs/operating.md", "", "SCRIPT"):match "\n(SCRIPT[^\n]*)"
    local function words(line) return (line:gsub(" +", " ")) end
    local shown = words(run("bin/" .. ps).stdout)
    assert.is_truthy(shown:find(words(scripts) .. "\n", 1, true), shown)
    assert.is_truthy(shown:find("\n" .. words(gateway) .. "\n", 1, true), shown)
    assert.matches("\ndice bot running %d+ %d+ [%d.]+ s %d+ KiB %d+ %d+\n", shown)
    assert.same({ status = 0, stdout = revoked, stderr = "" }, run("bin/" .. revoke))
    for _, ws in ipairs(sockets) do
      assert.same({ 4403, revoke:match '"(.-)"' }, { ws:closed() })
    end
  end)

  it("of docs/policies.md load the policies of a configuration", function()
    scratch.write(folder .. "/moonpool.conf.lua", block_of("docs/policies.md", "lua", '"mute"'))
    local result = run "bin/moonpool run --check"
    assert.equal(0, result.status, result.stderr)
    for _, name in ipairs { "mute", "rate_limit", "links", "ops_limit" } do
      assert.matches(name, result.stdout)
    end
  end)
end)
