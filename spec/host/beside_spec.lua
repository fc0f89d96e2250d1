-- Scripts that will not stop, each in its isolate beside nine honest bots, in the worker as it is
-- shipped. MOONPOOL_DELAYS=SECONDS prints what each attack costs the others, measured for so long.
local host_run = require "spec.support.host_run"
local moonpool = require "moonpool"
local scratch = require "spec.support.scratch"

local HONEST = {}
for number = 1, 9 do HONEST[number] = "honest" .. number end

-- What is stopped by the isolate.
local ATTACKS = {
  loop = "while true do end",
  pcalls = "local function f() while true do pcall(f) end end f()",
  handlers = "while true do xpcall(error, function() while true do end end) end",
  coroutines = [[
    local function tree(n)
      if n == 0 then return end
      for _ = 1, 3 do coroutine.resume(coroutine.create(tree), n - 1) end
    end
    while true do tree(6) end]],
  closing = [[
    while true do
      local _ <close> = setmetatable({}, { __close = function() while true do end end })
    end]],
  texts = [[
    while true do tostring(setmetatable({}, { __tostring = function() while true do end end })) end
  ]],
  memory = "local t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) end",
}

-- One that no hook stops.
local STUCK = '("a"):rep(30000):find((".-"):rep(6) .. "b")'

local function scripts_with(attackers)
  local scripts = {}
  for _, name in ipairs(HONEST) do scripts[name .. ".lua"] = host_run.ECHO end
  for name, text in pairs(attackers) do
    scripts[name .. ".lua"] = ('bot:command("%s", function()\n%s\nend)'):format(name, text)
  end
  return scripts
end

describe("a script that will not stop", function()
  local run
  after_each(function() run:close() end)

  it("is stopped and named, and nothing of the others' is lost", function()
    run = host_run.open { scripts = scripts_with(ATTACKS), "--budget", "0.05" }
    moonpool.run(function()
      for name in pairs(ATTACKS) do
        run:say(10)
        run:command("!" .. name)
        run:say(10)
      end
      run:await_answers(HONEST)
    end)
    local scripts
    scratch.wait_until(function()
      scripts = run:ps()
      for name in pairs(ATTACKS) do
        if scripts[name].errors == 0 then return false end
      end
      return true
    end)
    for name in pairs(ATTACKS) do
      assert.matches("over its budget of CPU", scripts[name].last_error, name)
      assert.is_true(scripts[name].restarts > 0 or scripts[name].state == "set aside", name)
    end
    for _, name in ipairs(HONEST) do assert.equal(0, scripts[name].errors) end
  end)

  it("lets the others answer while it computes", function()
    run = host_run.open { scripts = scripts_with { loop = ATTACKS.loop }, "--budget", "4" }
    moonpool.run(function()
      run:say(5)
      run:await_answers(HONEST)
      run:command "!loop"
      run:say(20)
      run:await_answers(HONEST)
    end)
    local loop = run:ps().loop
    assert.same({ 0, 0, "running", 1 }, { loop.errors, loop.restarts, loop.state, loop.queue })
  end)

  it("inside one function of Lua's costs its worker, and nothing of the others' is lost", function()
    run = host_run.open { scripts = scripts_with { stuck = STUCK }, "--budget", "0.05" }
    moonpool.run(function()
      run:say(50)
      run:await_answers(HONEST)
      local worker = run:worker()
      run:command "!stuck"
      run:say(50)
      run.host:expect_error "stuck"
      run:say(50)
      run:await_answers(HONEST)
      assert.not_equal(worker, run:worker())
    end)
    assert.equal("set aside", run:ps().stuck.state)
  end)

  it("is no matter when the worker is killed by others: bots go on where they were", function()
    run = host_run.open { scripts = scripts_with {} }
    moonpool.run(function()
      for _ = 1, 3 do
        run:say(100)
        require("moonpool.core").system.kill(run:worker(), "SIGKILL")
        run:say(100)
      end
      run:await_answers(HONEST)
    end)
  end)

  -- Says 200 messages a second for so long, and returns the delays of one bot's answers to them.
  local function delays_of(seconds)
    local first = run.said + 1
    local till = moonpool.now() + seconds
    while moonpool.now() < till do
      run:burst(2)
      moonpool.sleep(0.01)
    end
    run:await_answers(HONEST)
    return run:delays(HONEST[1], first)
  end

  local function show(list)
    return ("p50 %.1f ms, p99 %.1f ms, longest %.0f ms"):format(list[#list // 2] * 1000,
      list[math.ceil(#list * 0.99)] * 1000, list[#list] * 1000)
  end

  local seconds = tonumber(os.getenv "MOONPOOL_DELAYS")
  if not seconds then return end

  local attackers = { stuck = STUCK }
  for name, text in pairs(ATTACKS) do attackers[name] = text end
  for name, text in pairs(attackers) do
    it("costs others some time: " .. name, function()
      run = host_run.open { scripts = scripts_with { [name] = text } }
      moonpool.run(function()
        delays_of(1)
        local without = delays_of(seconds)
        run:command("!" .. name)
        print(("%-10s without: %s; with: %s"):format(name, show(without), show(delays_of(seconds))))
      end)
    end)
  end
end)
