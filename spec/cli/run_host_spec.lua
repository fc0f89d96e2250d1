local scratch = require "spec.support.scratch"
local new_session = require "spec.support.session"

local ECHO = 'bot:command("echo", function(m, args) m:reply("heard " .. args.text) end)'
local STUCK = [[
bot:command("stick", function() return ("a"):rep(30000):find((".-"):rep(6) .. "b") end)
]]

describe("moonpool run and its commands", function()
  local session = new_session(before_each, after_each)
  local folder, env

  before_each(function()
    folder = scratch.folder()
    scratch.shell(("mkdir -m 700 %s/run"):format(folder))
    env = { REDIS_URL = session.server.url, XDG_RUNTIME_DIR = folder .. "/run",
      MOONPOOL_CONTROL = false }
  end)

  local function start_host(settings, ...)
    for name, text in pairs { echo = ECHO, stuck = STUCK } do
      scratch.write(("%s/%s.lua"):format(folder, name), text)
    end
    local config = scratch.write(folder .. "/moonpool.conf.lua",
      'bots = { "echo.lua", "stuck.lua" } ' .. settings)
    local host = session.start { "run", "--config", config, env = env, ... }
    host:expect_error "^moonpool: ready"
    return host
  end

  local function run(...) return session.run { env = env, ... } end

  it("have the host judge what is said", function()
    start_host 'policies = { "caps" }'
    assert.equal("caps: rewrite: quiet please everybody\n",
      run("explain", "pool", "--as", "ann", "QUIET PLEASE EVERYBODY").stdout)
    local said = run("say", "pool", "--as", "ann", "QUIET PLEASE EVERYBODY")
    assert.same({ 0, "" }, { said.status, said.stderr })
    assert.matches("<ann> quiet please everybody\n$", run("history", "pool").stdout)
  end)

  it("tell of the script that the worker was killed for, twice for a message", function()
    local host = start_host("limits = { grace = 0.2 }", "--log", "json")
    local follow = session.start { "follow", "pool", env = env }
    run("say", "pool", "--as", "ann", "!stick")
    host:expect_error '"level":"warning","script":"stuck","message":"stuck for more than 0.2 s; '
    host:expect_error "^moonpool: ready"
    assert.matches("\nstuck +bot +set aside .* it was stuck; again in %d+ s\n", run("ps").stdout)
    run("say", "pool", "--as", "ann", "!echo you")
    follow:expect "<echo> heard you$"
    assert.equal("reloaded stuck\n", run("reload", "stuck").stdout)
    host:expect_error "stuck for more than 0.2 s; worker %d+ was killed; going on without it for 20"
    host:expect_error "^moonpool: ready"
    assert.equal("reloaded stuck\n", run("reload", "stuck").stdout)
    scratch.wait_until(function() return run("ps").stdout:match "\nstuck +bot +running +[1-9]" end)
    run("say", "pool", "--as", "ann", "!echo again")
    follow:expect "<echo> heard again$"
    assert.equal(2, select(2, host:errors():gsub("stuck for more", "")))
    assert.is_nil(host:errors():find("attempt to index", 1, true))
  end)

  it("find a host with a name of its own", function()
    start_host('name = "second"')
    assert.equal(1, run("ps").status)
    assert.matches("^SCRIPT", run("ps", "--host", "second").stdout)
  end)
end)
