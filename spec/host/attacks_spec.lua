-- What scripts may try, each in an isolate of its own: to go on for ever, to keep the error that
-- ends them, to take memory, to get at what is not theirs, to crash the process. What goes on
-- inside one function of Lua's in C is stopped by nothing; of that the alarm tells, on which the
-- supervisor ends the process. Those run in a child.
local isolate_box = require "spec.support.isolate_box"
local program = require "spec.support.program"

local BUDGET = 0.01   -- seconds, of those that are to be killed
local LONG = 1        -- seconds, of the others
local MAX_CPU = 2     -- seconds of this process: a bound for a loaded machine
local MAX_GROWTH = 96 -- MiB, of the process over all attacks; a leak would be more

-- For rows: a table whose metatable is this, and a chain of tables that is looked through at each
-- element.
local PRELUDE = [[
  local function meta(mt) return setmetatable({}, mt) end
  local function forever() while true do end end
  local function liar() -- a length that grows when nobody looks
    local n = 0
    return function() n = n + 1 return n == 1 and 0 or 1 << 50 end
  end
  local function chain()
    local t = {}
    for _ = 1, 1900 do t = setmetatable({}, { __index = t, __newindex = t }) end
    return t
  end
]]

local KILLED = { "killed", "cpu" }

local function fails(pattern) return { "error", pattern } end
local function gives(...) return { "done", ... } end

-- { what it is, text, outcome }
local attacks = {
  -- ---- going on for ever ---------------------------------------------------------------------
  { "a loop", "while true do end", KILLED },
  { "a loop that calls", "while true do math.random(1 << 62) end", KILLED },
  { "a loop of pieces", "for _ = 1, math.huge do for _ in pairs { 1 } do end end", KILLED },
  { "tail calls", "local function f() return f() end f()", KILLED },
  { "goto", "::again:: goto again", KILLED },
  { "an iterator", "for _ in function() return 1 end do end", KILLED },
  { "a callback of gsub", "string.gsub('x', 'x', forever)", KILLED },
  { "a comparator of sort", "table.sort({ 1, 2, 3 }, forever)", KILLED },
  { "__index", "return meta({ __index = forever }).x", KILLED },
  { "__newindex", "meta({ __newindex = forever }).x = 1", KILLED },
  { "__eq", "local mt = { __eq = forever } return meta(mt) == meta(mt)", KILLED },
  { "__lt in sort", "local mt = { __lt = forever } table.sort { meta(mt), meta(mt) }", KILLED },
  { "__concat", "return meta { __concat = forever } .. 'x'", KILLED },
  { "__len", "return #meta { __len = forever }", KILLED },
  { "__call", "meta({ __call = forever })()", KILLED },
  { "__pairs", "for _ in pairs(meta { __pairs = forever }) do end", KILLED },
  { "__unm", "return -meta { __unm = forever }", KILLED },
  { "__tostring in tostring", "tostring(meta { __tostring = forever })", KILLED },
  { "__tostring in format", "string.format('%s', meta { __tostring = forever })", KILLED },
  { "__tostring of an error", "error(meta { __tostring = forever })",
    fails "^error object: table" },
  { "__close", "local x <close> = meta { __close = forever }", KILLED },
  { "__close after an error", "local x <close> = meta { __close = forever } error 'x'", KILLED },
  { "__index of itself", "local t = meta {} getmetatable(t).__index = t " ..
    "while true do pcall(function() return t.x end) end", KILLED },
  { "a reader of load", "while true do load(('x = 1 '):rep(1000)) end", KILLED },
  { "steps that take long", "local s = ('a'):rep(4000000) while true do s = s:upper() end",
    KILLED },
  { "numbers of many digits", "local s = ('1'):rep(4000000) while true do local _ = s + 1 end",
    KILLED },
  { "long strings compared", "local a = ('a'):rep(3000000) local b, c = a .. 1, a .. 2 " ..
    "while true do local _ = b < c end", KILLED },

  -- ---- keeping the error ---------------------------------------------------------------------
  { "pcall", "while true do pcall(forever) end", KILLED },
  { "nested pcalls", "local function f() while true do pcall(f) end end f()", KILLED },
  { "pcall of pcall", "while true do pcall(pcall, pcall, pcall, forever) end", KILLED },
  { "pcall of error", "while true do pcall(error) end", KILLED },
  { "a handler that loops", "xpcall(error, forever)", KILLED },
  { "a handler that fails", "local function h() return xpcall(error, h) end h()", KILLED },
  { "a handler of the kill", "xpcall(forever, forever) forever()", KILLED },
  { "try", "while true do tools.try(forever) end", KILLED },
  { "a coroutine", "while true do coroutine.resume(coroutine.create(forever)) end", KILLED },
  { "a wrapped coroutine", "while true do pcall(coroutine.wrap(forever)) end", KILLED },
  { "short coroutines", "while true do coroutine.resume(coroutine.create(ipairs)) end", KILLED },
  { "a tree of coroutines", "local function f() while true do pcall(coroutine.wrap(f)) end end " ..
    "f()", KILLED },
  { "coroutines in turn", "local f = coroutine.wrap(function() while true do coroutine.yield() " ..
    "end end) while true do f() end", KILLED },
  { "the closing of a coroutine", [[
    local co = coroutine.create(function()
      local x <close> = meta { __close = forever }
      coroutine.yield()
    end)
    coroutine.resume(co)
    while true do coroutine.close(co) end
  ]], KILLED },
  { "the closing of a coroutine that failed", [[
    while true do
      pcall(coroutine.wrap(function()
        local x <close> = meta { __close = forever }
        error "x"
      end))
    end
  ]], KILLED },
  { "closing on the way out", [[
    for _ = 1, 3 do
      local x <close> = meta { __close = forever }
      local y <close> = meta { __close = function() pcall(forever) end }
      pcall(forever)
    end
  ]], KILLED },
  { "closing inside of closing", [[
    local mt = {}
    function mt.__close() for _ = 1, 2 do local x <close> = meta(mt) end end
    while true do pcall(function() local x <close> = meta(mt) end) end
  ]], KILLED },
  { "many variables to be closed, where nothing can be left", [[
    local x = meta { __close = function() pcall(forever) end }
    local function f(n)
      local a <close>, b <close>, c <close>, d <close> = x, x, x, x
      if n > 0 then return (f(n - 1)) end
      forever()
    end
    string.gsub("x", "x", function() f(5000) end)
  ]], KILLED, allows_several = true },
  { "pcall in a callback", "local function f() pcall(string.gsub, 'xx', 'x', f) end " ..
    "while true do f() end", KILLED },
  { "pcall in a comparator", "while true do pcall(table.sort, { 1, 2 }, function() " ..
    "pcall(forever) end) end", KILLED },
  { "pcall in a metamethod", "while true do pcall(tostring, meta { __tostring = function() " ..
    "while true do pcall(forever) end end }) end", KILLED },
  { "__gc", "meta { __gc = forever }", fails "__gc is not available to scripts" },
  { "__gc that is set later", [[
    local mt = {}
    for _ = 1, 1000 do meta(mt) end
    mt.__gc = function() kept.was_called = true end
    for _ = 1, 1000 do pcall(meta, mt) end
    for i = 1, 100 do local s = ("x"):rep(100000) end
    return kept.was_called
  ]], gives(nil) },
  { "__gc of the library's metatables", [[
    for _, x in ipairs { tools.json.array {}, tools.json.decode "\91]", "" } do
      local mt = getmetatable(x)
      if mt then mt.__gc = forever end
    end
    if tools.json.array_mt then tools.json.array_mt.__gc = forever end
    for _ = 1, 10000 do tools.json.array {} end
    return getmetatable(tools.json.array {}), getmetatable ""
  ]], gives(false, false) },

  -- ---- loops in C ----------------------------------------------------------------------------
  { "table.move over a huge range", "table.move({}, 1, 1 << 50, 2)", KILLED },
  { "table.move over a chain", "table.move(chain(), 1, 999999, 1, {})", KILLED },
  { "table.move to a chain", "table.move({}, 1, 999999, 1, chain())", KILLED },
  { "table.insert with __len", "table.insert(meta { __len = function() return 1 << 50 end }, " ..
    "1, 1)", KILLED },
  { "table.insert with a __len that lies", "local t = meta { __len = liar() } " ..
    "table.insert(t, 1, 1) table.insert(t, 1, 1)", KILLED },
  { "table.remove with a __len that lies", "local t = meta { __len = liar() } " ..
    "table.remove(t, 1) table.remove(t, 1)", KILLED },
  { "table.concat with a __len that lies", "local t = meta { __len = liar(), __index = " ..
    "function() return '' end } table.concat(t) table.concat(t)", KILLED },
  { "table.concat of what a function of Lua's gives", "table.concat(meta { __index = rawlen }, " ..
    "'', 1, 1 << 50)", KILLED },
  { "table.unpack of a chain", "table.unpack(chain(), 1, 200000)", KILLED },
  { "table.unpack of too much", "table.unpack({}, 1, 1 << 50)",
    fails "too many results to unpack" },
  { "table.sort of long strings", "local s, t = ('a'):rep(3000000), {} for i = 1, 1000 do " ..
    "t[i] = s end table.sort(t)", KILLED },
  { "table.sort of much", "local t = {} for i = 1, 30000 do t[i] = -i end " ..
    "while true do table.sort(t) end", KILLED },
  { "gsub with a chain", "string.gsub(('x'):rep(200000), 'x', chain())", KILLED },
  { "a plain search", "return ('a'):rep(6000000):find(('a'):rep(3000000) .. 'b', 1, true)",
    gives(nil) },
  { "long patterns", "string.find('x', ('x'):rep(1025))",
    fails "pattern is longer than 1024 bytes" },
  { "patterns on long texts", "string.find(('x'):rep(262145), 'x')",
    fails "text is longer than 262144 bytes" },
  { "a text that takes the compiler long", "load('return ' .. ('a and '):rep(170000) .. 'a')",
    KILLED },
  { "a chain of elseif", "load('if a then ' .. ('elseif a then '):rep(70000) .. 'end')", KILLED },
  { "names in deep functions", [=[
    local text = {}
    for i = 1, 180 do
      local names = {}
      for j = 1, 190 do names[j] = "v" .. i .. "_" .. j end
      text[i] = "local " .. table.concat(names, ",") .. " local function f() "
    end
    load(table.concat(text) .. ("a=a "):rep(100000) .. ("end "):rep(180))
  ]=], KILLED },
  { "JSON of a table many times over", [[
    local wide, t = {}, {}
    for i = 1, 100000 do wide[i] = 1 end
    for i = 1, 100000 do wide[i] = nil end
    for i = 1, 49000 do t[i] = wide end
    for _ = 1, 100 do tools.json.encode(t) end
  ]], KILLED },
  { "handing out a table many times over", [[
    local wide, t = {}, {}
    for i = 1, 100000 do wide[i] = 1 end
    for i = 1, 100000 do wide[i] = nil end
    for i = 1, 190000 do t[i] = wide end
    return t
  ]], KILLED },
  { "tracebacks of deep stacks", "local function f(n) if n == 0 then error 'x' end " ..
    "return (f(n - 1)) end while true do tools.try(f, 50000) end", KILLED },
  { "tracebacks with many names", "for i = 1, 100000 do string['f' .. i] = i end " ..
    "while true do tools.try(error, 'x') end", KILLED },

  -- ---- recursion -----------------------------------------------------------------------------
  { "recursion", "local function f() return 1 + f() end f()", fails "stack overflow\n*.*|memory" },
  { "recursion, caught", "local function f() pcall(f) end while true do f() end", KILLED },
  { "recursion in C", "local function f() return (string.gsub('x', 'x', f)) end f()",
    fails "C stack overflow" },
  { "recursion of metamethods", "local t = meta {} getmetatable(t).__index = function(_, k) " ..
    "return t[k] end return t.x", fails "C stack overflow" },
  { "recursion of tostring", "local mt = {} function mt.__tostring() return tostring(meta(mt)) " ..
    "end tostring(meta(mt))", fails "C stack overflow" },
  { "coroutines in coroutines", "local function f() return coroutine.wrap(f)() end f()",
    fails "C stack overflow" },
  { "coroutines that close each other", [[
    local co
    for _ = 1, 9000 do
      local inner = co
      co = coroutine.create(function()
        local x <close> = meta { __close = function()
          if inner then coroutine.close(inner) end
        end }
        coroutine.yield()
      end)
      coroutine.resume(co)
    end
    return coroutine.close(co)
  ]], gives(true) },
  { "deeply nested code", "return load(('('):rep(100000))", gives(nil, "C stack overflow") },
  { "deeply nested JSON", "return select('#', tools.json.decode(('\91'):rep(40000)))", gives(3) },
  { "growing arguments", "local function f(...) return f(1, ...) end f()", KILLED,
    allows_several = true },

  -- ---- memory --------------------------------------------------------------------------------
  { "string.rep", "local s = 'x' while true do s = s:rep(1000) end", fails "longer than 67108864" },
  { "string.rep below its limit", "return ('x'):rep(60000000)", fails "not enough memory" },
  { "concat", "local s = 'x' while true do s = s .. s end", fails "not enough memory" },
  { "tables", "local t = {} while true do t = { t } end", fails "not enough memory" },
  { "a table that grows", "local t = {} for i = 1, math.huge do t[i] = i end",
    fails "not enough memory" },
  { "coroutines", "local t = {} while true do t[#t + 1] = coroutine.wrap(ipairs) end",
    fails "not enough memory" },
  { "memory, caught", "while true do pcall(string.rep, 'x', 15000000) end", KILLED },
  { "string.pack", "while true do pcall(string.pack, 'c2000000000', 'x') end", KILLED },
  { "string.format", "return string.format('%99999d', 1)", fails "invalid conversion" },
  { "gsub", "return (('x'):rep(200000):gsub('x', ('y'):rep(1000)))", fails "not enough memory" },
  { "a long message", "error(('x'):rep(16000000), 0)", fails "^not enough memory|^xxx", },
  { "a long name", "while true do pcall(string.rep, meta { __name = ('x'):rep(1000000) }) end",
    KILLED },
  { "JSON of many objects", "return select(2, tools.json.decode('\91' .. " ..
    "('{},'):rep(60000) .. '{}]'))",
    gives("JSON: the text has more than 50000 values", "ETOOBIG") },
  { "JSON of a long text", "return select(2, tools.json.decode((' '):rep(1048577)))",
    gives("JSON: the text is longer than 1048576 bytes", "ETOOBIG") },
  { "JSON that grows", "return select(2, tools.json.encode(('\1'):rep(1048577)))",
    gives("JSON: more than 1 MiB of text", "EARG") },
  { "JSON that memory is not enough for", [[
    local s, keep = ("\1"):rep(1000000), { ("x"):rep(5000000), ("x"):rep(5000001) }
    local failures = 0
    for _ = 1, 5 do
      if not pcall(tools.json.encode, s) then failures = failures + 1 end
    end
    return failures, #keep
  ]], gives(5, 2) },
  { "resuming when there is no memory left", [[
    local none = {}
    for i = 1, 300 do none[i] = false end
    local kept, n, deepest = {}, 0, 0
    for i = 1, 4000 do kept[i] = false end
    local function probe() return "d" .. n .. "aaa" end
    local function keep(size)
      local s = ("x"):rep(size)
      n = n + 1
      kept[n] = s
    end
    local cos = {}
    for i = 1, 250 do
      cos[i] = coroutine.create(function()
        coroutine.yield()
        deepest = i
        if i % 30 == 0 then none[i] = pcall(probe) end
        local _, problem = coroutine.resume(cos[i + 1])
        return problem
      end)
      coroutine.resume(cos[i])
    end
    for _, size in ipairs { 100000, 10000, 1000, 500, 100, 50, 41 } do
      while pcall(keep, size) do end
    end
    for size = 40, 1, -1 do pcall(keep, size) end
    coroutine.resume(cos[1])
    return deepest
  ]], "any", memory = 1 << 20 },

  -- ---- what is not the script's --------------------------------------------------------------
  { "addresses by %p", "return string.format('%p', {})", fails "'%%p' is not available" },
  { "addresses by %p after a NUL", "return string.format('\\0%5p', {})",
    fails "'%%p' is not available" },
  { "addresses by tostring", "return tostring({}), tostring(ipairs), tostring(tools.null), " ..
    "tostring(coroutine.create(ipairs)), ('%s'):format({})",
    gives("table", "function", "userdata", "thread", "table") },
  { "addresses in messages", "return select(2, pcall(string.rep, {})), " ..
    "select(2, pcall(function() return {} < {} end)):match ': (.*)', " ..
    "select(2, pcall(error, {})) == nil",
    gives("bad argument #1 to 'string.rep' (string expected, got table)",
      "attempt to compare two table values", false) },
  { "addresses by the seed", "return math.randomseed()", gives() },
  { "code that is compiled", "return load('\\27Lua')",
    gives(nil, "attempt to load a binary chunk (mode is 't')") },
  { "the strings' metatable", "return getmetatable '', pcall(setmetatable, '', {})",
    gives(false, false,
      "bad argument #1 to 'setmetatable' (table expected, got string)") },
  { "what is not there", "return io, os, debug, package, require, dofile, loadfile, " ..
    "collectgarbage, string.dump, print, warn", gives() },
  { "the host's coroutine", "kept.host = coroutine.running() return pcall(coroutine.close, " ..
    "kept.host), coroutine.resume(kept.host)",
    gives(false, false, "cannot resume non-suspended coroutine") },
}

-- Inside one function in C, or one instruction: { name, text }; budget: what comes before it takes
-- long.
local stuck = {
  { "pattern", 'string.find(("a"):rep(30000), (".-"):rep(6) .. "b")' },
  { "caught", [[
    while true do
      pcall(coroutine.wrap(string.find), ("a"):rep(30000), (".-"):rep(6) .. "b")
    end
  ]] },
  -- All its keys get the same place when it grows, each behind all others.
  { "rehash", "local t = {} for i = 1, 131073 do t[i * 262143] = true end",
    budget = 0.3 },
  -- Each round of the collector finds few of them, since the next lies anywhere.
  { "ephemerons", [[
    local keys = {}
    for i = 1, 50000 do keys[i] = {} end
    for i = 50000, 2, -1 do
      local j = math.random(i)
      keys[i], keys[j] = keys[j], keys[i]
    end
    kept.t, kept.first = setmetatable({}, { __mode = "k" }), keys[1]
    for i = 1, 49999 do kept.t[keys[i] ] = keys[i + 1] end
    keys = nil
    while true do local x = {} end
  ]], budget = 0.3 },
  { "calls", "local t = setmetatable({}, {}) getmetatable(t).__call = t t()" },
}

local function resident()
  for line in io.lines "/proc/self/status" do
    local kilobytes = line:match "^VmRSS:%s*(%d+)"
    if kilobytes then return tonumber(kilobytes) // 1024 end
  end
end

local function is_sanitized()
  local maps = assert(io.open "/proc/self/maps"):read "a"
  return maps:find("libasan", 1, true) ~= nil
end

local function matches_one(text, patterns)
  for pattern in patterns:gmatch "[^|]+" do
    if text:find(pattern) then return true end
  end
  return false
end

local function check(attack, outcome)
  local expected = attack[3]
  if expected == "any" or (attack.allows_several and outcome[1] == "error") then return end
  assert.equal(expected[1], outcome[1], tostring(outcome[2]))
  if expected[1] == "error" then
    assert.is_true(matches_one(outcome[2], expected[2]), outcome[2])
  elseif expected[1] == "killed" then
    assert.equal("cpu", outcome[2])
    assert.is_true(outcome[3] == nil or outcome[3]:find "^%a+:%d+$" ~= nil)
  else
    for index = 2, #expected do assert.equal(expected[index], outcome[index]) end
  end
end

describe("attack:", function()
  local honest, before

  setup(function()
    honest = isolate_box.open { name = "honest" }
    before = resident()
  end)
  teardown(isolate_box.close_all)

  for _, attack in ipairs(attacks) do
    it(attack[1], function()
      local box = isolate_box.open {
        name = "evil", budget = attack[3] == KILLED and BUDGET or LONG, memory = attack.memory,
      }
      local began = os.clock()
      local outcome = table.pack(box:start(PRELUDE .. attack[2]))
      local used = os.clock() - began
      check(attack, outcome)
      assert.is_true(used < MAX_CPU, ("%.3f s"):format(used))
      box.isolate:close()
      assert.equal(42, honest:value "return 42")
    end)
  end

  it("the memory is given back after all of them", function()
    collectgarbage()
    local most = is_sanitized() and 10 * MAX_GROWTH or MAX_GROWTH -- it keeps what is freed
    assert.is_true(resident() - before < most, ("%d → %d MiB"):format(before, resident()))
  end)

  describe("in C:", function()
    local child

    after_each(function() child:stop() end)

    local function start(name, text, budget)
      child = program.start {
        "lua5.4", "-e", ([[
          local isolate_box = require "spec.support.isolate_box"
          require("moonpool.core").isolate.set_alarm(1)
          local box = isolate_box.open { name = %q, budget = %s }
          io.stderr:write((box:start(%q)), "\n")
        ]]):format(name, budget or BUDGET, text), pipe = true,
        env = {
          LUA_PATH = "./lua/?.lua;./lua/?/init.lua;./?.lua;;", LUA_CPATH = "./build/lua/?.so;;",
        },
      }
    end

    for _, attack in ipairs(stuck) do
      it(attack[1], function()
        start(attack[1], attack[2], attack.budget)
        child:expect("^stuck " .. attack[1] .. "$")
        assert.is_true(child:is_running())
      end)
    end

    it("what ends after all is told, too", function()
      start("slow", 'string.find(("a"):rep(13000), ".-b")')
      child:expect "^stuck slow$"
      child:expect "^free slow$"
      child:expect_error "^killed$"
      assert.equal(0, child:wait())
    end)
  end)
end)
