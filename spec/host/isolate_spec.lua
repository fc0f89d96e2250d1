local core = require "moonpool.core"
local guest_code = require "moonpool.host.guest_code"
local isolate_box = require "spec.support.isolate_box"

local isolate, null = core.isolate, core.null
local ID = "1795365705683-2-9f3a7c1e00000001"

describe("isolate", function()
  local box

  before_each(function() box = isolate_box.open() end)
  after_each(isolate_box.close_all)

  -- A table in a table in a table…
  local function nested(depth)
    local value = {}
    for _ = 2, depth do value = { value } end
    return value
  end

  local function message(body, is_transient)
    return (core.room.message("pool", not is_transient and ID or nil, core.json.encode(body)))
  end

  -- ---- its life --------------------------------------------------------------------------------

  describe("new", function()
    it("names what is wrong", function()
      for options, pattern in pairs {
        [{ memory = -1 }] = "'memory' must be a number from 0 to 1e+15",
        [{ memory = "1" }] = "'memory' must be a number from 0 to 1e+15",
        [{ budget = 0 / 0 }] = "'budget' must be a number from 0 to 1000000000.0",
        [{ seed = 1.5 }] = "'seed' must be a whole number",
        [{ name = 5 }] = "'name' must be a string",
        [{ limit = 5 }] = "unknown option 'limit'",
        [{ 5 }] = "unknown option 'number'",
      } do
        local ok, problem = pcall(isolate.new, options)
        assert.is_false(ok)
        assert.matches(pattern, problem, 1, true)
      end
      assert.is_false(pcall(isolate.new))
    end)

    it("answers a failure when the memory is too small for Lua's library", function()
      local own, problem, code = isolate.new { memory = 10000 }
      assert.is_nil(own)
      assert.matches("no memory", problem)
      assert.equal("ENOMEM", code)
    end)

    it("is not called without a guest", function()
      local own <close> = isolate.new {}
      assert.has_error(function() own:start "x" end, "the isolate has no guest")
    end)
  end)

  describe("boot", function()
    local function boot(code)
      local own <close> = isolate.new {}
      return own:boot(code, "=guest")
    end

    it("runs the guest's code, as text and compiled", function()
      assert.equal("done", (boot "return function() end"))
      assert.equal("done", (boot(string.dump(assert(load "return function() end"), true))))
    end)

    it("answers what is wrong with it", function()
      local outcome, problem = boot "no code"
      assert.equal("error", outcome)
      assert.matches("^guest:1: syntax error", problem)
      outcome, problem = boot "return 1"
      assert.equal("error", outcome)
      assert.matches("the guest returned no function", problem)
      outcome, problem = boot "error 'here'"
      assert.equal("error", outcome)
      assert.matches("^guest:1: here\nstack traceback:", problem)
    end)

    it("may wait for the host", function()
      local own <close> = isolate.new {}
      local outcome, call, op = own:boot("local ask = ... local n = ask 'n'\n" ..
        "return function() return n end", "=guest")
      assert.same({ "ask", "n" }, { outcome, op })
      assert.equal("done", (own:answer(call, 7)))
      assert.same({ "done", 7 }, { own:start() })
    end)

    it("has modules that the host gives, each once", function()
      local own <close> = isolate.new {}
      own:boot([[
        local ask, tools = ...
        return function(name) return tools.module(name), tools.module(name) end
      ]], "=guest")
      local outcome, call, op, name = own:start "half"
      assert.same({ "ask", "module", "half" }, { outcome, op, name })
      outcome, call, op, name = own:answer(call, "return (...) or 21")
      assert.same({ "done", 21, 21 }, { outcome, call, op, name })
      outcome, call = own:start "missing"
      assert.equal("ask", outcome)
      outcome, call = own:answer(call, nil)
      assert.equal("error", outcome)
      assert.matches("the guest has no module 'missing'", call)
    end)

    it("runs moonpool's guest", function()
      local own <close> = isolate.new {}
      assert.equal("done", (own:boot(guest_code.boot(), "=guest")))
    end)
  end)

  it("answers calls after close with an error", function()
    box.isolate:close()
    box.isolate:close()
    for _, name in ipairs { "start", "stats", "collect", "boot", "answer", "set_clock" } do
      assert.has_error(function() box.isolate[name](box.isolate, "x") end,
        "the isolate is closed")
    end
  end)

  it("is closed by the collector, with a call that waits", function()
    do
      local own = isolate.new {}
      own:boot("local ask = ... return function() ask 'x' end", "=guest")
      assert.equal("ask", (own:start()))
    end
    collectgarbage()
    collectgarbage()
    assert.equal(3, box:value "return 1 + 2")
  end)

  -- ---- calls -----------------------------------------------------------------------------------

  describe("ask", function()
    it("hands what is asked to the host, and its answer back", function()
      local outcome, call, op, a, b = box:start "return 'got', ask('add', 1, nil)"
      assert.same({ "ask", "add", 1 }, { outcome, op, a })
      assert.is_nil(b)
      local results = table.pack(box.isolate:answer(call, nil, { x = 1 }, nil))
      assert.same({ "done", "got", nil, { x = 1 }, nil, n = 5 }, results)
    end)

    it("goes through pcall, coroutines and their like, however they are nested", function()
      local outcome, call, op = box:start [[
        local function deep(n)
          if n == 0 then return ask("bottom", n) end
          local inner = coroutine.wrap(function() return pcall(deep, n - 1) end)
          local _, result = xpcall(function() return select(-1, inner()) end, error)
          return result
        end
        local list = {}
        for _, item in ipairs { deep(12), deep(3) } do list[#list + 1] = item end
        return list
      ]]
      assert.same({ "ask", "bottom" }, { outcome, op })
      outcome, call = box.isolate:answer(call, "first")
      assert.equal("ask", outcome)
      assert.same({ "done", { "first", "second" } }, { box.isolate:answer(call, "second") })
    end)

    it("goes through metamethods, iterators and generators of the script's", function()
      local outcome, call = box:start [[
        local lazy = setmetatable({}, { __index = function(_, key) return ask(key) end })
        local numbers = coroutine.wrap(function()
          coroutine.yield(1)
          coroutine.yield(ask "two")
        end)
        return lazy.one, numbers(), numbers()
      ]]
      assert.equal("ask", outcome)
      outcome, call = box.isolate:answer(call, "uno")
      assert.equal("ask", outcome)
      assert.same({ "done", "uno", 1, "due" }, { box.isolate:answer(call, "due") })
    end)

    it("says so where nothing can be awaited", function()
      for _, text in ipairs {
        "return pcall(string.gsub, 'x', 'x', function() ask 'x' end)",
        "return pcall(table.sort, { 2, 1 }, function() ask 'x' end)",
        "return pcall(string.gsub, 'x', 'x', coroutine.wrap(function() ask 'x' end))",
        "local c = coroutine.create(ask) return coroutine.close(coroutine.create(function()" ..
          " end)), select(2, pcall(string.gsub, 'x', 'x', function() " ..
          "assert(coroutine.resume(c, 'x')) end))",
      } do
        local outcome, _, problem = box:start(text)
        assert.equal("done", outcome)
        assert.matches("cannot wait here: inside a function of Lua's library", problem)
      end
    end)

    it("lets other calls run meanwhile, and is answered in any order", function()
      local calls = {}
      for i = 1, 40 do
        local outcome, call = box:start("return ..., ask 'x'", i)
        assert.equal("ask", outcome)
        calls[i] = call
      end
      for i = 40, 1, -1 do
        assert.same({ "done", i, "to " .. i }, { box.isolate:answer(calls[i], "to " .. i) })
      end
    end)

    it("is answered once, with a call that has asked", function()
      local _, call = box:start "ask 'x'"
      box.isolate:answer(call)
      for _, number in ipairs { call, 0, -1, 99, math.maxinteger } do
        assert.error_matches(function() box.isolate:answer(number) end, "no call that has asked")
      end
    end)

    it("is nothing that a script can answer", function()
      local _, call = box:start [[
        kept.co = coroutine.create(function() return ask "secret" end)
        kept.host = coroutine.running()
        return coroutine.resume(kept.co)
      ]]
      assert.same({ false,
        "this coroutine waits for the host, nobody else can resume it" },
        { box:value "return coroutine.resume(kept.co, 'mine')" })
      assert.is_false((box:value "return coroutine.resume(kept.host, 'mine')"))
      assert.same({ "done", true, "theirs" }, { box.isolate:answer(call, "theirs") })
    end)

    it("may be closed while it waits", function()
      local _, call = box:start [[
        kept.co = coroutine.create(function() return ask "x" end)
        return coroutine.resume(kept.co)
      ]]
      assert.is_true(box:value "return coroutine.close(kept.co)")
      assert.same({ "done", false, "cannot resume dead coroutine" },
        { box.isolate:answer(call, "late") })
    end)
  end)

  describe("coroutines", function()
    it("are as in Lua", function()
      assert.same({ false, true, "suspended", "running", "dead" }, { box:value [[
        local co = coroutine.create(function(a) coroutine.yield(a) end)
        local before, inside = coroutine.status(co)
        local _, is_main = coroutine.running()
        coroutine.wrap(function()
          local me, is_main_too = coroutine.running()
          inside = coroutine.status(me)
          assert(not is_main_too and coroutine.isyieldable())
        end)()
        assert(is_main and not coroutine.isyieldable())
        assert(select(2, coroutine.resume(co, 5)) == 5 and coroutine.resume(co))
        return coroutine.resume(co), select("#", coroutine.resume(co)) == 2, before, inside,
          coroutine.status(co)
      ]] })
    end)

    it("tell an error as Lua's do", function()
      assert.same({ false, "script:1: no", false, "script:2: too", "table" },
        { box:value [[local a, b = coroutine.resume(coroutine.create(function() error "no" end))
          local c, d = pcall(coroutine.wrap(function() error "too" end))
          local _, e = pcall(coroutine.wrap(function() error {} end))
          return a, b, c, d, type(e) ]] })
    end)

    it("cannot be yielded from outside of one, nor closed while they run", function()
      assert.same({ "attempt to yield from outside a coroutine",
        "cannot close a running coroutine" }, { box:value [[
          local _, a = pcall(coroutine.yield)
          local _, b = pcall(coroutine.close, (coroutine.running()))
          return a, b ]] })
    end)

    it("close their variables", function()
      assert.same({ true, "closed", false, "script:4: no" }, { box:value [[
        local said
        local function hold(on_close) return setmetatable({}, { __close = on_close }) end
        local function go(f) local x <close> = hold(f) coroutine.yield() end
        local a, b = coroutine.create(go), coroutine.create(go)
        coroutine.resume(a, function() said = "closed" end)
        coroutine.resume(b, function() error("script:4: no", 0) end)
        return coroutine.close(a), said, coroutine.close(b)
      ]] })
    end)
  end)

  -- ---- values ----------------------------------------------------------------------------------

  describe("values", function()
    local function echo(...) return box:value("return ...", ...) end

    it("cross as they are", function()
      local values = { true, false, 0, -1, math.maxinteger, math.mininteger, 0.5, 1 / 0, -1 / 0,
        2 ^ 53, "", "text", "\0\255", ("x"):rep(100000), null }
      for _, value in ipairs(values) do
        assert.equal(value, (echo(value)))
        assert.equal(math.type(value), math.type((echo(value))))
      end
      local nan = echo(0 / 0)
      assert.is_true(nan ~= nan)
      assert.equal(4, select("#", echo(nil, nil, 1, nil)))
      assert.equal(0, select("#", echo()))
    end)

    it("are copies: tables with all their keys, without metatables", function()
      local given = setmetatable({ 1, 2, { x = null, [true] = "yes", [1.5] = {} } },
        { __index = error, __pairs = error, __len = error })
      local got = echo(given)
      assert.same({ 1, 2, { x = null, [true] = "yes", [1.5] = {} } }, got)
      assert.is_nil(getmetatable(got))
      assert.is_false(rawequal(given, got))
      local shared = {}
      got = echo { shared, shared }
      assert.is_false(rawequal(got[1], got[2]))
    end)

    it("say why they cannot go in", function()
      local loop = {}
      loop[1] = loop
      for _, case in ipairs {
        { print, "a function" }, { coroutine.create(print), "a coroutine" },
        { io.stdout, "a userdata" }, { { { print } }, "a function" },
        { { [{}] = 1 }, "a key that is neither a string, a number nor a boolean" },
        { loop, "tables nested deeper than 32" }, { nested(33), "tables nested deeper than 32" },
      } do
        assert.has_error(function() echo("first", case[1]) end,
          ("argument 3: %s cannot go into an isolate"):format(case[2]))
      end
      assert.same(nested(32), echo(nested(32)))
    end)

    it("say why they cannot leave", function()
      for text, problem in pairs {
        ["return 1, print or ask"] = "a function", ["return coroutine.create(ask)"] = "a coroutine",
        ["return { { [ask] = 1 } }"] = "a key that is neither a string, a number nor a boolean",
        ["local t = {} t.t = t return t"] = "tables nested deeper than 32",
        ["ask(ask)"] = "a function",
        ["local t = {} for i = 1, 200000 do t[i] = i end return t"] = "more than 200000 values",
        ["local s = ('x'):rep(1000000) local t = {} for i = 1, 17 do t[i] = s end return t"] =
          "more than 16 MiB of text",
      } do
        local outcome, message_ = box:start(text)
        assert.equal("error", outcome)
        assert.matches(problem .. " cannot leave the script", message_, 1, true)
      end
      assert.equal(1, box:value "return 1")
    end)
  end)

  describe("messages", function()
    it("have the fields that they have outside", function()
      local outside = message { user = "ann", text = "h\u{e9}!", to = "ben", mood = { 1 } }
      local text = [[
        local m = ...
        return m.id, m.at, m.room, m.type, m.user, m.text, m.to, m.bot, m.mood, m.nothing, m:json()
      ]]
      local script = assert(load(text))
      assert.same(table.pack(script(outside)), table.pack(box:value(text, outside)))
      assert.equal("ann", outside.user) -- decoded: fields cross all the same
      assert.same(table.pack(script(outside)), table.pack(box:value(text, outside)))
    end)

    it("are handed over beside other values, also those that are no JSON", function()
      local plain = core.room.message("pool", nil, "no JSON \255")
      assert.same({ 1, "no JSON \u{fffd}", "x", "typing" }, { box:value(
        "local n, a, s, b = ... return n, a.text, s, b.type", 1, plain, "x",
        message({ type = "typing", user = "ann" }, true)) })
    end)

    it("have the methods that the guest adds, which do not hide their fields", function()
      box:value [[
        function tools.message_methods:shout() return self.user:upper() .. "!" end
        function tools.message_methods.user() error "no" end
      ]]
      assert.same({ "ANN!", "ann" }, { box:value("local m = ... return m:shout(), m.user",
        message { user = "ann", text = "x" }) })
    end)

    it("hide their metatable, cannot be changed and do not leave", function()
      local given = message { user = "ann", text = "x" }
      assert.is_false(box:value("return getmetatable(...)", given))
      local outcome, problem = box:start("local m = ... m.user = 'ben'", given)
      assert.equal("error", outcome)
      assert.matches("attempt to index a userdata value", problem)
      outcome, problem = box:start("return ...", given)
      assert.equal("error", outcome)
      assert.matches("a userdata cannot leave the script", problem)
    end)
  end)

  -- ---- failures --------------------------------------------------------------------------------

  describe("errors", function()
    it("are told with their traceback", function()
      local outcome, problem = box:start "local function f()\n  error 'no'\nend\nf()"
      assert.equal("error", outcome)
      assert.matches("^script:2: no\nstack traceback:\n\t%[C%]: in function 'error'\n" ..
        "\tscript:2: in local 'f'\n\tscript:4: in main chunk\n", problem)
    end)

    it("that are no text are named, and their metamethods are not called", function()
      for value, problem in pairs {
        ["nil"] = "nil", ["{}"] = "table", ["5"] = "number", ["ask"] = "function",
        ["setmetatable({}, { __tostring = function() while true do end end })"] = "table",
      } do
        local outcome, text = box:start("error(" .. value .. ")")
        assert.equal("error", outcome)
        assert.matches("^error object: " .. problem .. "\n", text)
      end
    end)

    it("leave everything else as it was", function()
      for _ = 1, 50 do
        assert.equal("error", (box:start "kept.n = (kept.n or 0) + 1 error 'no'"))
      end
      assert.equal(50, box:value "return kept.n")
    end)

    it("run handlers of xpcall and close variables", function()
      assert.same({ false, "handled: script:1: no", "closed" }, { box:value [[
        local said
        local function f()
          local x <close> = setmetatable({}, { __close = function() said = "closed" end })
          error("script:1: no", 0)
        end
        local ok, problem = xpcall(f, function(e) return "handled: " .. e end)
        return ok, problem, said
      ]] })
      box:start [[
        local x <close> = setmetatable({}, { __close = function() kept.closed = true end })
        error "no"
      ]]
      assert.is_true(box:value "return kept.closed")
    end)

    it("are caught with their traceback by the guest's try", function()
      local ok, problem = box:value "return tools.try(function(a) return a.b.c end, {})"
      assert.is_false(ok)
      assert.matches("^script:1: attempt to index a nil value.*stack traceback:.*script:1: in",
        problem)
      assert.same({ true, 1, nil, 3 },
        { box:value "return tools.try(function() return 1, nil, 3 end)" })
    end)
  end)

  -- ---- limits ----------------------------------------------------------------------------------

  describe("memory", function()
    it("is bounded", function()
      box = isolate_box.open { memory = 1 << 20 }
      for _ = 1, 3 do
        local outcome, problem = box:start [[
          kept.t = kept.t or {}
          while true do kept.t[#kept.t + 1] = {} end
        ]]
        assert.equal("error", outcome)
        assert.matches("not enough memory", problem)
      end
      local stats = box.isolate:stats()
      assert.is_true(stats.memory > 700000 and stats.memory <= 1 << 20)
      assert.is_true(stats.memory_peak <= 2 << 20) -- what the host does in it is not the script's
    end)

    it("is had again when it is used no more", function()
      box = isolate_box.open { memory = 1 << 20 }
      local before = box.isolate:collect()
      assert.equal("error", (box:start "local t = {} while true do t[#t + 1] = {} end"))
      assert.equal("done", (box:start "local t = {} for i = 1, 5000 do t[i] = {} end"))
      assert.is_true(box.isolate:collect() < before + 5000)
    end)

    it("may end anywhere", function()
      local script = [[
        local given, data = ...
        local function hold(f) return setmetatable({}, { __close = f }) end
        local said = given.text:upper() .. tostring(given.mood)
        local first = coroutine.wrap(function()
          local x <close> = hold(function() kept.closed = true end)
          return pcall(ask, "first", { said, data })
        end)
        local _, answer = first()
        local back = tools.json.decode(tools.json.encode { answer, data, said })
        local list = {}
        for i = 1, 20 do list[i] = ("%d %s"):format(i, said):gsub("%d", { ["1"] = "one" }) end
        table.sort(list)
        table.insert(list, 1, table.concat(list, ",", 2, 8))
        local dead = coroutine.create(error)
        coroutine.resume(dead)
        local _, problem = tools.try(function() return coroutine.resume(dead), list.x.y end)
        local cos = {}
        for i = 1, 205 do
          cos[i] = coroutine.create(function()
            coroutine.yield()
            return coroutine.resume(cos[i + 1])
          end)
          coroutine.resume(cos[i])
        end
        coroutine.resume(cos[1])
        ask("second", list, problem)
        local y <close> = hold(function() pcall(error, "in close" .. #list) end)
        error("the end" .. #list)
      ]]
      local given, ends = message { user = "ann", text = "h\u{e9}!", mood = { 1 } }, {}

      local function conclude(own, outcome, call, ...)
        if outcome ~= "ask" then
          ends[outcome == "error" and call:match "^[^\n]*" or outcome] = true
          return
        end
        return conclude(own, own:answer(call, { "answer", ... }, given))
      end

      for memory = 12000, 330000, 3001 do
        local own = isolate.new { memory = memory }
        local is_booted = own and own:boot(isolate_box.BOOT, "=boot") == "done"
        for _ = 1, is_booted and 2 or 0 do conclude(own, own:start(script, given, { 1, { 2 } })) end
        if own then own:close() end
      end
      assert.is_true(ends["not enough memory"])
      assert.is_true(ends["script:28: the end21"])
    end)

    it("can be caught", function()
      box = isolate_box.open { memory = 1 << 20 }
      assert.same({ false, "not enough memory" },
        { box:value "return pcall(string.rep, 'x', 2e6)" })
    end)

    it("is without a limit when that is 0", function()
      box = isolate_box.open { memory = 0, budget = 0 }
      assert.equal(20000000, box:value "return #('x'):rep(20000000)")
    end)
  end)

  describe("budget", function()
    it("ends what goes on for too long, and tells where", function()
      box = isolate_box.open { budget = 0.02 }
      assert.same({ "killed", "cpu", "script:2" }, { box:start "\nwhile true do end" })
      assert.same({ "killed", "cpu", "script:2" }, { box:start "return 1" })
      assert.equal("number", type(box.isolate:collect()))
    end)

    it("begins anew when a call has waited", function()
      box = isolate_box.open { budget = 0.1 }
      local outcome, call = box:start [[
        for _ = 1, 25 do
          for _ = 1, 1000000 do end
          ask "x"
        end
      ]]
      while outcome == "ask" do
        box.isolate:rested(call)
        outcome, call = box.isolate:answer(call)
      end
      assert.equal("done", outcome)
    end)

    it("is that of all slices between which it has not waited", function()
      box = isolate_box.open { budget = 0.05 }
      local outcome, call = box:start [[
        while true do
          for _ = 1, 200000 do end
          ask "x"
        end
      ]]
      local slices = 0
      while outcome == "ask" and slices < 10000 do
        slices = slices + 1
        outcome, call = box.isolate:answer(call)
      end
      assert.same({ "killed", "cpu" }, { outcome, call })
      assert.is_true(slices > 1)
    end)

    it("is without a limit when it is 0", function()
      box = isolate_box.open { budget = 0 }
      assert.equal("done", (box:start "for _ = 1, 3000000 do end"))
    end)

    it("ends calls that wait, too", function()
      box = isolate_box.open { budget = 0.02 }
      local _, call = box:start "ask 'x'"
      box:start "while true do end"
      assert.equal("killed", (box.isolate:answer(call)))
    end)
  end)

  -- ---- pauses -----------------------------------------------------------------------------------

  -- What a text returns when it is paused after each slice, and how often it was.
  local function with_pauses(text, options)
    options = options or {}
    options.slice, options.budget = 0.0005, options.budget or 60
    local paused = isolate_box.open(options)
    local results = table.pack(paused:start(text))
    local pauses = 0
    while results[1] == "pause" do
      pauses = pauses + 1
      results = table.pack(paused.isolate:resume())
    end
    return pauses, table.unpack(results, 1, results.n)
  end

  -- Each takes some ten milliseconds in every way in which code can be interrupted.
  local LONG = {
    plain = "local sum = 0 for i = 1, 3000000 do sum = sum + i % 7 end return sum",
    ["calls with several results"] = [[
      local function some(i) return i, i + 1, i + 2 end
      local function count(...) return select("#", ...), (select(2, ...)) end
      local sum = 0
      for i = 1, 300000 do
        local n, second = count(some(i), some(i))
        sum = (sum + n * second + #{ some(i), some(i) }) % 1000003
      end
      return sum]],
    ["protected calls"] = [[
      local sum = 0
      for i = 1, 200000 do
        local ok, problem = pcall(function() if i % 3 == 0 then error({ i }) end return i end)
        sum = sum + (ok and problem or problem[1])
      end
      return sum]],
    ["coroutines in coroutines"] = [[
      local function walk(n)
        return coroutine.wrap(function()
          if n == 0 then for i = 1, 2000 do coroutine.yield(i) end return end
          for _ = 1, 3 do for value in walk(n - 1) do coroutine.yield(value) end end
        end)
      end
      local sum, count = 0, 0
      for value in walk(4) do sum, count = sum + value, count + 1 end
      return sum, count]],
    metamethods = [[
      local mt = {}
      function mt.__add(a, b) local v = 0 for i = 1, 5 do v = v + a.n + i end
        return setmetatable({ n = (v + (type(b) == "table" and b.n or b)) % 10007 }, mt) end
      function mt.__index(_, key) local v = 0 for i = 1, 5 do v = v + i * key end return v end
      function mt.__lt(a, b) return a.n < b.n end
      function mt.__concat(a, b) return tostring(a.n or a) .. tostring(b.n or b) end
      local sum = setmetatable({ n = 1 }, mt)
      for i = 1, 100000 do
        sum = sum + (i < 3 and i or sum) + sum[i] % 5
        if sum < sum then error "less than itself" end
        if i % 100 == 0 then sum = sum + #(sum .. sum) end
      end
      return sum.n]],
    closing = [[
      local closed = 0
      for _ = 1, 100000 do
        local _ <close> = setmetatable({}, { __close = function()
          for _ = 1, 5 do closed = closed + 1 end
        end })
      end
      return closed]],
    ["callbacks of the library, which cannot yield"] = [[
      local list, sum = {}, 0
      for i = 1, 30000 do list[i] = (i * 7919) % 30011 end
      table.sort(list, function(a, b) return coroutine.wrap(function() return a < b end)() end)
      local text = ("abc"):rep(30000):gsub("b", function(b) sum = sum + 1 return b:upper() end)
      for i = 1, 3000000 do sum = sum + i % 7 end
      return list[1], list[30000], #text, sum]],
  }

  for name, text in pairs(LONG) do
    it("pauses long calls, which do not notice: " .. name, function()
      local expected = table.pack(isolate_box.open({ budget = 60 }):start(text))
      local found = table.pack(with_pauses(text))
      assert.equal("done", expected[1])
      assert.is_true(found[1] > 0)
      assert.same(expected, table.pack(table.unpack(found, 2, found.n)))
    end)
  end

  it("counts the budget over all pauses", function()
    for _, text in ipairs {
      "while true do end",
      "coroutine.wrap(function() while true do pcall(error) end end)()",
      "local function f() return pcall(f) end while true do f() end",
    } do
      local pauses, outcome, why = with_pauses(text, { budget = 0.05 })
      assert.same({ "killed", "cpu" }, { outcome, why })
      assert.is_true(pauses > 3)
    end
  end)

  it("runs nothing else while a call is paused, and what it asks for after it", function()
    local paused = isolate_box.open { slice = 0.0005, budget = 60 }
    local text = "for i = 1, 5000000 do kept.i = i end return ask('then', kept.i)"
    assert.equal("pause", (paused:start(text)))
    assert.error_matches(function() paused:start "return 1" end, "a call is paused")
    local results = { "pause" }
    while results[1] == "pause" do results = { paused.isolate:resume() } end
    assert.same({ "ask", "then", 5000000 }, { results[1], results[3], results[4] })
    assert.error_matches(function() paused.isolate:resume() end, "no call is paused")
    assert.same({ "done", "answered" }, { paused.isolate:answer(results[2], "answered") })
    paused:start(text)
    paused.isolate:close() -- in the middle of it
  end)

  it("is not paused when no slice is set", function()
    assert.equal("done", (isolate_box.open({ budget = 60 }):start(LONG.plain)))
  end)

  -- ---- what is given ---------------------------------------------------------------------------

  it("has random numbers that a seed repeats", function()
    local text = "return math.random(1 << 53), math.random()"
    local function draw(seed)
      return { isolate_box.open({ seed = seed }):value(text) }
    end
    assert.same(draw(42), draw(42))
    assert.is_not.same(draw(42), draw(43))
    assert.is_not.same(draw(nil), draw(nil))
    assert.same({}, { box:value "return math.randomseed(), math.randomseed(1)" })
  end)

  it("has clocks that can be fixed", function()
    local text = "return tools.now(), tools.time()"
    local before = os.time()
    local now, time = box:value(text)
    assert.is_true(time >= before and time < before + 3600 and now > 0)
    box.isolate:set_clock(5, 1000.25)
    assert.same({ 5.0, 1000.25 }, { box:value(text) })
    assert.has_error(function() box.isolate:set_clock(7) end)
    assert.same({ 5.0, 1000.25 }, { box:value(text) })
    box.isolate:set_clock(nil)
    assert.is_true(select(2, box:value(text)) >= before)
  end)

  it("has statistics", function()
    local before = box.isolate:stats()
    box:value "for _ = 1, 100000 do end"
    local _, call = box:start "ask 'x'"
    box.isolate:answer(call)
    local after = box.isolate:stats()
    assert.equal(before.slices + 3, after.slices)
    assert.is_true(after.cpu > before.cpu and after.cpu < 60)
    assert.is_true(after.memory > 10000 and after.memory <= after.memory_peak)
  end)

  it("has of Lua's library what is safe", function()
    local names = box:value [[
      local names = {}
      for _, name in ipairs { "_G", "coroutine", "string", "table", "math", "utf8" } do
        for field in pairs(_G[name]) do names[#names + 1] = name .. "." .. field end
      end
      for name in pairs(getmetatable(_G).__index) do names[#names + 1] = "_G." .. name end
      return names
    ]]
    local seen = {}
    for _, name in ipairs(names) do seen[name] = true end
    for name in pairs(_G) do
      local safe = "assert error getmetatable ipairs next pairs pcall rawequal rawget rawlen "
        .. "rawset select setmetatable tonumber tostring type xpcall coroutine string table math "
        .. "utf8 _G _VERSION load "
      local is_safe = safe:find(name .. " ", 1, true) ~= nil
      if is_safe then assert.is_true(seen["_G." .. name], name) end
      if not is_safe then assert.is_nil(seen["_G." .. name], name) end
    end
    assert.is_true(seen["string.gsub"] and seen["table.move"] and seen["math.random"])
    assert.is_nil(seen["string.dump"])
  end)
end)
