local guest_box = require "spec.support.guest_box"

local function problem_of(script, options)
  local ok, problem = pcall(guest_box.bot, script, options)
  assert.is_false(ok)
  return (problem:match "^[^\n]*")
end

describe("guest environment", function()
  after_each(guest_box.close_all)

  it("has what is safe of Lua's library, and its own globals", function()
    guest_box.bot [[
      for _, name in ipairs { "io", "os", "debug", "package", "dofile", "loadfile",
        "collectgarbage", "policy", "arg", "warn" } do
        assert(_G[name] == nil, name)
      end
      assert(string.dump == nil)
      assert(_G._G == _G and _ENV == _G)
      x = 1
      assert(_G.x == 1)
      local names = {}
      for name in pairs(_G) do names[#names + 1] = name end
      table.sort(names)
      assert(table.concat(names, " ") == "_G _VERSION assert bot coroutine error getmetatable " ..
        "ipairs load math next pairs pcall print rawequal rawget rawlen rawset require select " ..
        "setmetatable string table tonumber tostring type utf8 x xpcall", table.concat(names, " "))
      function string.twice(s) return s .. s end
      assert(("a"):twice() == "aa")
    ]]
  end)

  it("loads text, with the script's globals or others", function()
    guest_box.bot [[
      y = 2
      assert(load("return y")() == 2)
      assert(load("return y", "=x", "t", { y = 3 })() == 3)
      local pieces = { "return ", "y", nil }
      local index = 0
      assert(load(function() index = index + 1 return pieces[index] end)() == 2)
      local chunk, message = load("return +", "=words")
      assert(chunk == nil and message:find("words:1:", 1, true))
      assert(select(2, load "nonsense"):find('[string "nonsense"]:1:', 1, true))
      assert(select(2, load("return 1", "=x", "b")) == "load: there are chunks of text only")
      assert(load("\27Lua") == nil)
      assert(not pcall(load, 1))
      assert(not pcall(load, "return 1", "=x", "t", 1))
    ]]
  end)

  describe("require", function()
    it("runs a file once, with the script's globals", function()
      local box = guest_box.bot([[
        list = require "words"
        assert(require "words" == list and list[1] == "a")
        assert(require "nothing" == true)
        assert(require "name" == "name")
      ]], { files = { words = "return { 'a' }", nothing = "z = list", name = "return ..." } })
      assert.same({ words = 1, nothing = 1, name = 1 }, box.required)
    end)

    it("names what is missing, broken, or in a loop", function()
      local files = {
        syntax = "\nreturn (", fails = "\nerror 'no'", a = "require 'b'", b = "require 'a'",
      }
      local function problem(name)
        return problem_of("require '" .. name .. "'", { files = files })
      end
      assert.equal("script.lua:1: require: module 'other' not found", problem "other")
      assert.equal("syntax.lua:2: unexpected symbol near <eof>", problem "syntax")
      assert.equal("fails.lua:2: no", problem "fails")
      assert.equal("b.lua:1: require: the module 'a' is being loaded: a loop", problem "a")
      assert.equal("script.lua:1: require: a name is needed, not nil", problem_of "require()")
    end)

    it("works in functions that run later, and tries again after a failure", function()
      local files = {}
      local box = guest_box.bot([[
        bot:on("publish", function(m)
          local ok, words = pcall(require, "words")
          m:reply(ok and words[1] or "none")
        end)
      ]], { files = files })
      box:say("ann", "x")
      files.words = "return { 'a' }"
      box:say("ann", "x")
      box:say("ann", "x")
      assert.same({ "none", "a", "a" }, box:texts())
    end)
  end)

  -- All that a script can reach is broken; then everything is used.
  local SABOTAGE = [[
    local names = {}
    for name, value in pairs(_G) do
      if type(value) == "table" and name ~= "_G" and name ~= "bot" and name ~= "policy" then
        for key in pairs(value) do value[key] = function() return nil end end
      end
      names[#names + 1] = name
    end
    local object = bot or policy
    object.json.encode, object.json.decode = nil, nil
    local globals = _G
    for index = 1, #names do globals[ names[index] ] = nil end
  ]]

  it("is not the guest's: a bot goes on whatever its script breaks", function()
    local box = guest_box.bot([[
      local bot, fail, tostring = bot, error, tostring
      bot.rooms = { "pool", "p*" }
      bot:on("publish", function(m) m:reply("heard " .. m.text) end, 1)
      bot:on("publish", function(m) m.nothing.x = 1 end)
      bot:on("pattern", "x:*", function(payload) bot:say("a", payload) end)
      local nothing
      bot:command("count", { usage = "[N]", help = "counts" }, function(m, args)
        bot.store.list = bot.store.list or {}
        bot.store.list[1] = args[1]
        m:store().seen = m.user
        bot:every(1, function() bot:say("a", "tick") end)
        bot:at(1, function() bot:say("a", "at") end)
        bot:on("pattern", "y:*", function() end)
        bot:command("later", { aliases = { "l" } }, function(more) more:reply "later" end)
        bot.log("one", 2)
        bot:who("pool", { limit = 1 })
      end)
      bot:command("misuse", function() bot:on("nope") end)
      bot:command("late", function() bot.rooms = {} end)
    ]] .. SABOTAGE, { stores = { [false] = { other = "[1]" } } })
    box:say("ann", '!count "a b"')
    assert.same({ ["own.list"] = '["a b"]', ["pool.seen"] = '"ann"' }, box:commit())
    box:event("timer", 1)
    box:event("timer", 2)
    box:event("pattern", 1, "payload", "x:1")
    box:say("ann", "!l")
    box:say("ann", "!help")
    box:say("ann", "!help count")
    box:say("ann", "!misuse")
    box:say("ann", "!late")
    assert.same({ 'heard !count "a b"', "tick", "at", "payload", "heard !l", "later",
      "heard !help", "!count [N]: counts; !late; !later; !misuse", "heard !help count",
      "!count [N]: counts", "heard !misuse", "heard !late" }, box:texts())
    assert.same({ "info: one 2" }, box.log)
    assert.equal(8, #box.failures)
    assert.matches("unknown event \"nope\"; there are gap", box.failures[6], 1, true)
    box:event("upgrade", { a = 1 })
    assert.same({ a = 1 }, box:event "state")
  end)

  it("is not the guest's: a policy goes on whatever its script breaks", function()
    local box = guest_box.policy([[
      local policy = policy
      policy:on("publish", function(request)
        if request.text == "bad" then return policy.reject "no" end
        if request.text == "fail" then return 7 end
        policy:room_store(request.room).last = request.text
        return policy.rewrite(request.text .. "!")
      end)
    ]] .. SABOTAGE)
    assert.same({ "reject", "no", false }, { box:judge "bad" })
    assert.same({ "rewrite", "x!", true }, { box:judge "x" })
    assert.same({ ["pool.last"] = '"x"' }, box:commit())
    assert.equal("failed", (box:judge "fail"))
  end)

  it("hands out nothing by which the guest could be reached", function()
    guest_box.bot [[
      for _, value in ipairs { bot, bot.store, bot:room_store "x" } do
        assert(getmetatable(value) == false)
      end
      assert(getmetatable "" == false)
      assert(not pcall(setmetatable, bot, {}))
      local ok, message = pcall(bot.on, bot, "publish", setmetatable({}, { __call = print }))
      assert(not ok and message:find("a function is needed", 1, true))
      bot:on("publish", function(m) assert(getmetatable(m) == false) end)
      -- What is read once is read without calling anything of the script's.
      bot.rooms = setmetatable({ "pool" }, {
        __index = function() error "called" end, __len = function() error "called" end,
        __pairs = function() error "called" end,
      })
      bot.state = setmetatable({}, { __index = error, __pairs = error })
    ]]
  end)
end)
