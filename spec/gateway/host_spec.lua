local annotated = require "spec.support.annotated"
local gateway_run = require "spec.support.gateway_run"
local program = require "spec.support.program"
local scratch = require "spec.support.scratch"
local system = require("moonpool.core").system
local websocket = require "spec.support.websocket"

local ECHO = [[
bot:on("publish", function(message)
  if not message.bot then message:reply("re: " .. message.text) end
end)
]]

local RULES = [[
policy:on("publish", function(request)
  assert(request.via == "gateway" or request.bot, request.via)
  if request.text == "who am I" then
    return policy.rewrite(request.user .. " in " .. request.room .. " at " .. request.address)
  end
  if request.text:find "spam" then return policy.reject("no spam, " .. request.user) end
  if request.text == "fail" then error "oops" end
end)
policy:on("subscribe", function(request)
  if request.room == "staff" then return policy.reject "staff only" end
end)
]]

describe("a host with a gateway", function()
  local run

  after_each(function()
    if run then run:close() end
    run = nil
  end)

  local function start(options)
    run = gateway_run.open(options)
    return run
  end

  it("carries what users and bots say, and what policies say of it", function()
    start { scripts = { ["echo.lua"] = ECHO, ["rules.lua"] = RULES },
      config = [[gateway = { listen = LISTEN } bots = { "echo.lua" } policies = { "rules.lua" }]] }
    local ann, bob = run:open { user = "ann" }, run:open { user = "bob" }
    assert.equal("ok", ann:ask({ op = "join", room = "chatty" }).op)
    assert.equal("ok", bob:ask({ op = "join", room = "chatty" }).op)
    local said = ann:ask { op = "say", room = "chatty", text = "hello" }
    assert.equal("ok", said.op)
    for _, ws in ipairs { ann, bob } do
      assert.equal(said.id, ws:expect("message", { text = "hello", user = "ann" }).id)
      ws:expect("message", { text = "re: hello", user = "echo" })
    end
    local rejected = ann:ask { op = "say", room = "chatty", text = "spam!" }
    assert.same({ "error", "EREJECTED", "no spam, ann" },
      { rejected.op, rejected.code, rejected.reason })
    local refused = bob:ask { op = "join", room = "staff" }
    assert.same({ "EREJECTED", "staff only" }, { refused.code, refused.reason })
    local failed = ann:ask { op = "say", room = "chatty", text = "fail" }
    assert.equal("policy rules failed", failed.reason)
    assert.equal("ok", ann:ask({ op = "say", room = "chatty", text = "who am I" }).op)
    bob:expect("message", { text = "ann in chatty at 127.0.0.1" })

    local metrics = websocket.get(run.address, "/metrics")
    for _, line in ipairs {
      'moonpool_policy_verdicts_total{event="publish",verdict="rejected",policy="rules"} 2',
      'moonpool_policy_verdicts_total{event="publish",verdict="rewritten",policy=""} 1',
      'moonpool_policy_verdicts_total{event="subscribe",verdict="allowed",policy=""} 2',
      'moonpool_script_errors_total{script="rules",kind="policy"} 1', "moonpool_gateway_sockets 2",
    } do
      assert.is_truthy(metrics:find("\n" .. line .. "\n", 1, true), line .. "\n" .. metrics)
    end
    local figures = run:workers()
    assert.same({ 1, 1, 2, 1 },
      { #figures, figures[1].worker, figures[1].sockets, figures[1].rooms })
    assert.matches("\nGATEWAY +PID +SOCKETS.*\n1 +%d+ +2 ", run:command("ps").stdout)
  end)

  it("listens on a Unix socket beside its configuration, and removes it", function()
    start { config = [[gateway = { listen = { LISTEN, "unix:gateway.sock" } }]] }
    local path = run.folder .. "/gateway.sock"
    assert.equal("socket", system.stat(path).type)
    assert.same({ run.address, "unix:" .. path }, run:ps().gateway.addresses)
    run.host:signal "TERM"
    assert.equal(0, run.host:wait())
    assert.is_nil((system.stat(path)))
  end)

  it("closes a user's sockets when that is asked for", function()
    start {}
    local ann, bob = run:open { user = "ann" }, run:open { user = "bob" }
    local result = run:command("revoke", "ann", "that is enough")
    assert.same({ "closed 1 connection of ann\n", 0 }, { result.stdout, result.status })
    assert.same({ 4403, "that is enough" }, { ann:closed() })
    assert.equal("ok", bob:ask({ op = "ping" }).op)
  end)

  it("says goodbye with 1012, and only then ends its bots", function()
    start { scripts = { ["last.lua"] = 'bot:on("stop", function() bot:say("chatty", "bye") end)' },
      config = [[gateway = { listen = LISTEN } bots = { "last.lua" }]] }
    local ann = run:open { user = "ann" }
    ann:ask { op = "join", room = "chatty" }
    run.host:signal "TERM"
    assert.equal(1012, (ann:closed()))
    assert.equal(0, run.host:wait())
    for _, push in ipairs(ann.pushes) do assert.not_equal("message", push.op) end
  end)

  it("loses and doubles nothing when a worker is killed and its clients come back", function()
    start { scripts = { ["echo.lua"] = ECHO },
      config = [[gateway = { listen = LISTEN } bots = { "echo.lua" }]] }
    local ann, bob = run:open { user = "ann" }, run:open { user = "bob" }
    ann:ask { op = "join", room = "chatty" }
    bob:ask { op = "join", room = "chatty" }
    assert(ann:ask({ op = "say", room = "chatty", text = "1" }).id)
    local last = bob:expect("message", { text = "re: 1" }).id
    system.kill(run:workers()[1].pid, "SIGKILL")
    assert.equal(1006, (bob:closed()))
    ann = run:open { user = "ann" } -- waits in the backlog for the next worker
    for number = 2, 20 do
      assert(ann:ask({ op = "say", room = "chatty", text = tostring(number) }).id)
    end
    bob = run:open { user = "bob" }
    bob:ask { op = "join", room = "chatty", since = last }
    local seen, echoed = 1, 1
    while seen < 20 or echoed < 20 do
      local message = bob:expect("message").message
      if message.user == "ann" then
        seen = seen + 1
        assert.equal(tostring(seen), message.text)
      else
        echoed = echoed + 1
        assert.equal("re: " .. echoed, message.text)
      end
    end
  end)

  it("has several workers at one address, which are reloaded and asked together", function()
    start { scripts = { ["echo.lua"] = ECHO, ["rules.lua"] = RULES },
      config = [[gateway = { listen = LISTEN, workers = 2 }
        bots = { "echo.lua" } policies = { "rules.lua" }]] }
    scratch.wait_until(function() return #run:workers() == 2 end, nil, "two workers")
    local sockets, first = {}, run:workers()[1].pid
    local function open(user) sockets[#sockets + 1] = run:open { user = user } end
    open "ann"
    system.kill(first, "SIGSTOP") -- who comes now comes to the other one
    scratch.wait_until(function()
      return scratch.read(("/proc/%d/stat"):format(first)):find ") T"
    end)
    open "bob"
    system.kill(first, "SIGCONT")
    open "cyd"
    local figures = run:workers()
    assert.equal(3, figures[1].sockets + figures[2].sockets)
    assert.is_true(figures[2].sockets > 0)
    for _, ws in ipairs(sockets) do ws:ask { op = "join", room = "chatty" } end
    sockets[1]:ask { op = "say", room = "chatty", text = "all" }
    for _, ws in ipairs(sockets) do
      ws:expect("message", { text = "re: all" })
      assert.equal("EREJECTED", ws:ask({ op = "say", room = "chatty", text = "spam" }).code)
    end
    scratch.write(run.folder .. "/rules.lua", "")
    assert.equal(0, run:command("reload").status)
    for _, ws in ipairs(sockets) do
      assert.equal("ok", ws:ask({ op = "say", room = "chatty", text = "spam" }).op)
    end
    system.kill(first, "SIGKILL") -- with the bot; who is at the other one notices nothing else
    local bob = sockets[2]
    assert.equal("ok", bob:ask({ op = "say", room = "chatty", text = "after" }).op)
    bob:expect("message", { text = "re: after" })
    local function workers_without(pid)
      local now = run:workers()
      return #now == 2 and now[1].pid ~= pid and now[2].pid ~= pid and now
    end
    local now = scratch.wait_until(function() return workers_without(first) end, nil,
      "another first worker")
    assert.equal("closed 1 connection of bob\n", run:command("revoke", "bob").stdout)
    assert.equal(4403, (bob:closed()))
    system.kill(now[2].pid, "SIGKILL")
    scratch.wait_until(function() return workers_without(now[2].pid) end, nil,
      "another second worker")
    run.host:signal "TERM"
    assert.equal(0, run.host:wait())
  end)

  it("asks a script who its users are", function()
    start { scripts = { ["auth.lua"] = [[
      auth:on("authenticate", function(request)
        if request.token == "broken" then return 7 end
        if request.token == "fields" then
          local names = {}
          for name in pairs(request) do names[#names + 1] = name end
          return nil, table.concat(names, " ")
        end
        if request.token ~= auth.options.word then return nil, "wrong word" end
        return request.user or "guest", { "chatty", "pub-*" }, auth.time() + 3600
      end)]] },
      config = [[gateway = { listen = LISTEN, authenticate = { "auth.lua", word = "sesame" } }]] }
    local ann = run:open { hello = { token = "sesame", user = "ann" } }
    assert.equal("ann", ann.user)
    assert.equal("ok", ann:ask({ op = "join", room = "pub-1" }).op)
    assert.equal("EPERM", ann:ask({ op = "join", room = "staff" }).code)
    local eve = websocket.open(run.address)
    local refused = eve:ask { op = "hello", token = "guess" }
    assert.same({ "EAUTH", "wrong word" }, { refused.code, refused.reason })
    local broken = websocket.open(run.address):ask { op = "hello", token = "broken" }
    assert.same({ "ESCRIPT", "internal error" }, { broken.code, broken.reason })
    run.host:expect_error "a user's name, or nil and a reason, is needed, not a number"
    local fields = websocket.open(run.address):ask { op = "hello", token = "fields", user = "ann" }
    local known = { origin = true } -- of browsers
    for name in fields.reason:gmatch "%S+" do known[name] = true end
    assert.same({}, annotated.differences("request",
      annotated.class("moonpool.auth_request", "fields"), known))
    scratch.write(run.folder .. "/auth.lua", 'auth:on("authenticate", function() return "any" end)')
    assert.equal(0, run:command("reload").status)
    assert.equal("any", run:open({ hello = { token = "guess" } }).user)
    assert.is_nil(run.host:errors():find("start it anew", 1, true))
    local file = run.folder .. "/moonpool.conf.lua"
    scratch.write(file, (scratch.read(file):gsub("listen =", "idle = 50, listen =")))
    assert.equal(0, run:command("reload").status)
    run.host:expect_error "the gateway's settings have changed: start it anew for them"
  end)

  it("takes tokens of a secret that nobody sees", function()
    local secret = ("s3cret"):rep(8)
    start { scripts = { secret = secret .. "\n" },
      config = [[gateway = { listen = LISTEN, secret_file = "secret" }]] }
    local old = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjF9."
      .. scratch.shell(("printf %%s eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjF9 | "
        .. "openssl dgst -sha256 -hmac %s -binary | basenc --base64url | tr -d ="):format(secret))
    local answer = websocket.open(run.address):ask { op = "hello", token = old }
    assert.same({ "error", "EAUTH" }, { answer.op, answer.code })
    assert.matches("expired", answer.reason)
    local processes = scratch.shell "ps -eo args"
    assert.is_nil(processes:find(secret, 1, true))
    assert.is_nil(run.host:errors():find(secret, 1, true))
    assert.is_nil(run.host:errors():find(old, 1, true))
  end)

  it("tells what is wrong with its configuration", function()
    local folder = scratch.folder()
    local function problems(text, ...)
      scratch.write(folder .. "/moonpool.conf.lua", text)
      local result = program.run_moonpool { "run", "--check", "--config",
        folder .. "/moonpool.conf.lua", ... }
      assert.equal(78, result.status)
      return result.stderr
    end
    local found = problems [[
      gateway = { listen = 8080, sceret = "x", secret = "short", overflow = { { "*", "drop" } },
        workers = 0, idle = "1", origins = { 1 }, authenticate = "none.lua" }]]
    for _, text in ipairs {
      "gateway.listen: an address, or a list of addresses, is needed, not number",
      "gateway.sceret: unknown; did you mean secret?",
      "gateway.secret: a secret of 32 bytes or more is needed", "gateway.overflow: a list of {",
      "gateway.workers: a whole number from 1 to 64 is needed, not 0",
      "gateway.idle: a number of seconds is needed, not string",
      "gateway.origins: a list of strings is needed", "none.lua: No such file or directory",
    } do
      assert.is_truthy(found:find(text, 1, true), text .. "\n" .. found)
    end
    assert.is_nil(found:find("short", 1, true))
    assert.matches("gateway: listen is needed", problems "gateway = { idle = 5 }")
    assert.matches("%-%-workers: a whole number from 1 to 64 is needed, not 100",
      problems("", "--listen", "127.0.0.1:0", "--workers", "100"))
    scratch.write(folder .. "/auth.lua", "auth:on('publish', print)")
    assert.matches('auth:on: unknown event "publish"; there are authenticate',
      problems [[gateway = { listen = "127.0.0.1:0", authenticate = "auth.lua" }]])
  end)
end)
