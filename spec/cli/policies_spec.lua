-- Policies of a running host, on all ways into a room: say, chat, its bots.
local scratch = require "spec.support.scratch"
local new_session = require "spec.support.session"

local CONFIG = [[
policies = {
  { "mute", moderators = { "mod" } }, { "length", characters = 20, priority = 1 }, "caps",
  { "words", words = { "bad" }, name = "rude" }, { "members_only", rooms = { "crew" } },
  "calm.lua",
}
bots = { "parrot.lua" }
]]

local CALM = [[
policy:on("publish", function(request)
  if request.text:find "!!" then return policy.rewrite((request.text:gsub("!+", "."))) end
  if request.text == "boom" then error "bang" end
end)
policy:on("subscribe", function(request)
  if request.user == "eve" then return policy.reject "not you" end
end)]]

local PARROT = [[
bot:on("publish", function(message)
  local id, reason, code = message:reply(message.text .. " " .. message.text)
  if not id then bot:say(message.room, code .. " " .. #reason) end
end)]]

describe("policies of moonpool run", function()
  local session = new_session(before_each, after_each)
  local folder, host

  before_each(function()
    folder = scratch.folder()
    local config = scratch.write(folder .. "/moonpool.conf.lua", CONFIG)
    scratch.write(folder .. "/calm.lua", CALM)
    scratch.write(folder .. "/parrot.lua", PARROT)
    host = session.start { "run", "--config", config, "--control", folder .. "/control",
      env = { REDIS_URL = session.server.url } }
    host:expect_error "moonpool: ready"
  end)

  local function with_host(command)
    command.env = { REDIS_URL = session.server.url, MOONPOOL_CONTROL = folder .. "/control" }
    return command
  end

  local function run(...) return session.run(with_host { ... }) end

  -- What is said in a room, without ids, times and the bot.
  local function said(room)
    local texts = {}
    for line in run("history", room, "--json").stdout:gmatch "[^\n]+" do
      local user, text = line:match '"user":"(.-)"', line:match '"text":"(.-)"'
      if user ~= "parrot" then texts[#texts + 1] = text end
    end
    return texts
  end

  it("judge what is said, and tell why not", function()
    local result = run("say", "pool", "hello", "--as", "ann")
    assert.same({ 0, "" }, { result.status, result.stderr })
    assert.equal(0, run("say", "pool", "SO BAD, REALLY!!!", "--as", "ann").status)
    result = run("say", "pool", ("x"):rep(21), "--as", "ann")
    assert.same({ 1, "", "moonpool say: too long: 21 characters, 20 are allowed\n" },
      { result.status, result.stdout, result.stderr })
    result = run("say", "crew", "hi", "--as", "ann")
    assert.same({ 1, "moonpool say: the room is for members only\n" },
      { result.status, result.stderr })
    result = run("say", "pool", "boom", "--as", "ann")
    assert.same({ 1, "moonpool say: policy calm failed\n" }, { result.status, result.stderr })
    assert.same({ "hello", "so ***, really." }, said "pool")
    assert.same({}, said "crew")

    host:expect_error "info caps: rewritten room=pool user=ann"
    host:expect_error 'info length: rejected room=pool user=ann .*reason="too long: 21 characters'
    host:expect_error 'info members_only: rejected room=crew user=ann .*for members only"'
    host:expect_error "error calm: .*calm.lua:3: bang"
    host:expect_error 'error calm: policy failed room=pool user=ann .*calm.lua:3: bang"$'
  end)

  it("obey moderators", function()
    assert.equal(0, run("say", "pool", "!mute ann 1h", "--as", "mod").status)
    local result = run("say", "pool", "hi", "--as", "ann")
    assert.matches("^moonpool say: you are muted for another 1h\n$", result.stderr)
    assert.equal(0, run("say", "pool", "!unmute ann", "--as", "mod").status)
    assert.equal(0, run("say", "pool", "hi", "--as", "ann").status)
  end)

  it("judge who enters by chat, and what is said there", function()
    local result = run("chat", "pool", "--as", "eve")
    assert.same({ 1, "moonpool chat: cannot enter pool: not you\n" },
      { result.status, result.stderr })
    local ann = session.start(with_host { "chat", "pool", "--as", "ann", stdin = "pipe" })
    ann:write(("x"):rep(21) .. "\nHELLO EVERYBODY\n")
    ann:expect_error "not sent: too long: 21 characters"
    ann:expect "<parrot> EREJECTED"
    assert.same({ "hello everybody" }, said "pool")
  end)

  it("judge bots", function()
    local follow = session.start { "follow", "pool", "--json" }
    follow:expect '"event":"live"'
    assert.equal(0, run("say", "pool", "twelve bytes", "--as", "ann").status)
    follow:expect '"text":"twelve bytes"'
    follow:expect '"user":"parrot","text":"EREJECTED %d+"'
  end)

  it("explain", function()
    local result = run("explain", "pool", "--as", "ann", "SO BAD, REALLY!!!")
    assert.equal([[
mute: allow
length: allow
calm: rewrite: SO BAD, REALLY.
caps: rewrite: so bad, really.
rude: rewrite: so ***, really.
mute (again): allow
length (again): allow
calm (again): allow
caps (again): allow
]], result.stdout)
    assert.equal(0, result.status)
    result = run("explain", "crew", "--as", "eve")
    assert.equal("members_only: reject: the room is for members only\ncalm: reject: not you\n",
      result.stdout)
    assert.equal(1, result.status)
    result = run("explain", "pool", "--as", "mod", "!mute ann")
    assert.equal(0, result.status)
    assert.equal(0, run("say", "pool", "hi", "--as", "ann").status)
    assert.same({ "hi" }, said "pool")
  end)
end)
