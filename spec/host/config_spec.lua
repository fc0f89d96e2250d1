local config = require "moonpool.host.config"
local scratch = require "spec.support.scratch"

describe("host.config", function()
  local folder

  before_each(function()
    folder = scratch.folder()
    scratch.shell(("mkdir -p %s/bots %s/empty"):format(folder, folder))
    scratch.write(folder .. "/bots/dice.lua", "")
    scratch.write(folder .. "/bots/ants.lua", "")
    scratch.write(folder .. "/bots/notes.txt", "")
    scratch.write(folder .. "/calm.lua", "")
  end)

  local function write(text) return scratch.write(folder .. "/moonpool.conf.lua", text) end

  local function load(text, flags)
    return config.read(write(text), flags or {})
  end

  -- The messages without their file's name.
  local function problems(text, flags)
    local found, messages = load(text, flags)
    assert.is_nil(found)
    local list = {}
    for index, message in ipairs(messages) do
      list[index] = message:gsub(folder:gsub("%p", "%%%0") .. "/", "")
    end
    return list
  end

  local function without_lines(messages)
    for index, message in ipairs(messages) do
      messages[index] = message:gsub("^moonpool.conf.lua:?%d*: ", "")
    end
    return messages
  end

  local function names(scripts)
    local list = {}
    for index, script in ipairs(scripts) do list[index] = script.name end
    return table.concat(list, " ")
  end

  describe("fills in", function()
    it("what is not said", function()
      local all = assert(load 'bots = { "bots" }')
      assert.same({ "main", 3600, nil, nil, nil },
        { all.name, all.catch_up, all.redis, all.control, all.seed })
      assert.same({ memory = 16 << 20, budget = 0.1, slice = 0.001, grace = 1, queue = 10000,
        policy_timeout = 1, stop = 5 }, all.limits)
      assert.same({ format = "text", level = "info", repeats = 10, within = 10 }, all.log)
      assert.equal(5, all.restart.max_failures)
    end)

    it("what is said, numbers of bytes as whole ones", function()
      local all = assert(load [[
        redis, name, catch_up, seed = "redis://chat.example", "lab", 60, 7.0
        control = "run/control.sock"
        limits = { memory = 2^20, budget = 0, queue = 5.0 }
        log = { format = "json", level = "debug" }
        bots = { "bots/dice.lua" }
      ]])
      assert.same({ "redis://chat.example", "lab", 60, 7, folder .. "/run/control.sock" },
        { all.redis, all.name, all.catch_up, all.seed, all.control })
      assert.same({ "integer", "integer" },
        { math.type(all.limits.memory), math.type(all.limits.queue) })
      assert.same({ 1 << 20, 0, 5 }, { all.limits.memory, all.limits.budget, all.limits.queue })
      assert.same({ "json", "debug", 10 }, { all.log.format, all.log.level, all.log.repeats })
    end)

    it("what a script has of its own", function()
      local all = assert(load [[
        seed = 3
        local quick = 0.05
        bots = { { "bots/dice.lua", name = "croupier", rooms = { "room:games", "x-*" },
          options = { sides = { 6, 20 } }, memory = 2^21, redis = true },
          { "bots/ants.lua", budget = quick } }
        policies = { { "calm.lua", priority = 5, most = 3, options = { least = 1 } } }
      ]])
      local dice, ants, calm = all.bots[1], all.bots[2], all.policies[1]
      assert.same({ "bot", "croupier", folder .. "/bots/dice.lua", 1 << 21, 0.1, 3 },
        { dice.kind, dice.name, dice.path, dice.memory, dice.budget, dice.seed })
      assert.same({ { "games", "x-*" }, { sides = { 6, 20 } }, { redis = true } },
        { dice.rooms, dice.options, dice.grants })
      assert.same({ "ants", 0.05, 16 << 20, {}, {} },
        { ants.name, ants.budget, ants.memory, ants.options, ants.grants })
      assert.same({ "policy", "calm", 5, { most = 3, least = 1 } },
        { calm.kind, calm.name, calm.priority, calm.options })
    end)
  end)

  describe("finds", function()
    it("the scripts of a folder, by name", function()
      local all = assert(load 'bots = { "bots/" }')
      assert.equal("ants dice", names(all.bots))
      assert.equal(folder .. "/bots/ants.lua", all.bots[1].path)
      assert.same({ folder .. "/moonpool.conf.lua", folder .. "/bots/" }, all.watched)
    end)

    it("a folder's script once when something is said of it, with what is said", function()
      local all = assert(load 'bots = { "bots", { "bots/../bots/dice.lua", name = "croupier" } }')
      assert.equal("ants croupier", names(all.bots))
    end)

    it("a script twice by two names", function()
      local all = assert(load
        'bots = { { "bots/dice.lua", name = "one" }, { "bots/dice.lua", name = "two" } }')
      assert.equal("one two", names(all.bots))
    end)

    it("what is said of all in a folder", function()
      local all = assert(load 'bots = { { "bots", memory = 2^22, rooms = { "games" } } }')
      assert.same({ 1 << 22, 1 << 22 }, { all.bots[1].memory, all.bots[2].memory })
      assert.same({ "games" }, all.bots[2].rooms)
    end)

    it("the library's policies by name, wherever moonpool is", function()
      local path = package.path
      scratch.shell(("mkdir -p %s/lua/moonpool/policies"):format(folder))
      scratch.write(folder .. "/lua/moonpool/policies/no_shouting.lua", "")
      finally(function() package.path = path end)
      package.path = folder .. "/lua/?.lua;" .. path
      local all = assert(load
        'policies = { { "no_shouting", most = 3 }, { "no_shouting", name = "again" } }')
      assert.equal("no_shouting again", names(all.policies))
      assert.equal(folder .. "/lua/moonpool/policies/no_shouting.lua", all.policies[1].path)
      assert.is_true(all.policies[1].is_library)
      assert.same({ folder .. "/moonpool.conf.lua" }, all.watched)
      local missing = problems 'policies = { "no_shoutin", "unheard_of_at_all" }'
      assert.matches("^moonpool.conf.lua:1: policies%[1%]: there is no policy 'no_shoutin' in the "
        .. "library, did you mean no_shouting%?; it has .*no_shouting", missing[1])
      assert.matches("no policy 'unheard_of_at_all' in the library; it has .*no_shouting",
        missing[2])
    end)
  end)

  describe("lets the command line", function()
    it("say otherwise", function()
      local all = assert(load([[
        name, control, limits = "lab", "a.sock", { memory = 1, queue = 5 }
        bots = { "bots/dice.lua", { "bots/ants.lua", memory = 7 } }
      ]], { name = "other", control = false, memory = 2 << 20, budget = 0.5, log = "json" }))
      assert.same({ "other", false, 2 << 20, 0.5, 5, "json" }, { all.name, all.control,
        all.limits.memory, all.limits.budget, all.limits.queue, all.log.format })
      assert.same({ 2 << 20, 7 }, { all.bots[1].memory, all.bots[2].memory })
    end)

    it("add scripts, with paths of its own", function()
      local all = assert(load('bots = { "bots/dice.lua" }',
        { files = { folder .. "/bots/ants.lua" }, policies = { folder .. "/calm.lua" } }))
      assert.equal("dice ants", names(all.bots))
      assert.equal("calm", names(all.policies))
      assert.same({ folder .. "/moonpool.conf.lua", folder .. "/bots/dice.lua",
        folder .. "/bots/ants.lua", folder .. "/calm.lua" }, all.watched)
    end)

    it("do without a file", function()
      local all = assert(config.merge(nil, { files = { folder .. "/bots" } }))
      assert.equal("ants dice", names(all.bots))
      assert.is_nil(all.file)
    end)
  end)

  describe("names", function()
    it("unknown settings, and which is nearest", function()
      assert.same({
        "moonpool.conf.lua:1: botz: unknown; did you mean bots?",
        "moonpool.conf.lua:2: limits.memroy: unknown; did you mean memory?",
        "moonpool.conf.lua:3: log.colour: unknown; there are format, level, repeats, within",
        "moonpool.conf.lua:4: polices: unknown; did you mean policies?",
        "moonpool.conf.lua:5: weather: unknown; there are bots, catch_up, control, gateway, "
          .. "limits, log, name, policies, redis, restart, seed",
      }, problems [[
        botz = {}
        limits = { memroy = 1 }
        log = { colour = true }
        polices = {}
        weather = "fine"
      ]])
    end)

    it("the types that are needed", function()
      assert.same({
        "moonpool.conf.lua:4: bots: a list of paths is needed, not string",
        "moonpool.conf.lua:7: catch_up: a number of seconds is needed, not -1",
        "moonpool.conf.lua:5: control: the path of a socket, or false, is needed, not number",
        "moonpool.conf.lua:1: limits.memory: a number of bytes (0: no limit) is needed, not string",
        "moonpool.conf.lua:2: log: a table is needed, not string",
        "moonpool.conf.lua:3: name: a name of letters, digits, _, - and . that begins with none "
          .. 'of the last two is needed, not "a b␊"',
        "moonpool.conf.lua:6: restart.max_failures: a whole number from 1 on is needed, not 1.5",
      }, problems [[limits = { memory = "16M" }
        log = "json"
        name = "a b\n"
        bots = "bots"
        control = 5
        restart = { max_failures = 1.5 }
        catch_up = -1
      ]])
      assert.same({ 'moonpool.conf.lua:1: log.format: one of "text", "json" is needed, not "xml"' },
        problems 'log = { format = "xml" } bots = { "bots" }')
      assert.same({ "moonpool.conf.lua: restart.backoff_max: at least backoff_min, 400, is needed, "
        .. "not 300" }, problems 'restart = { backoff_min = 400 } bots = { "bots" }')
    end)

    it("what is wrong about a script", function()
      scratch.write(folder .. "/a.lua", "")
      scratch.write(folder .. "/b.lua", "")
      assert.same({
        "bots[1]: a path, or a table that begins with one, is needed, not number",
        "bots[2]: a path, or a table that begins with one, is needed, not a table without",
        "bots[3].nmae: unknown; did you mean name?",
        "bots[4].options.greet: an option is a text, number, boolean or table, not a function",
        "bots[5].rooms[2]: bad room name: a brace at byte 1",
        "bots[6].rooms: a list of rooms' names and patterns is needed, not string",
        "bots[7]: missing.lua: No such file or directory",
        "bots[8]: empty: no *.lua in this folder",
        "bots[9].name: a folder's scripts cannot have one name",
      }, without_lines(problems [[bots = { 5, {}, { "calm.lua", nmae = "x" },
        { "bots/dice.lua", options = { greet = function() end } },
        { "a.lua", rooms = { "a", "{b}" } }, { "b.lua", rooms = "a" }, "missing.lua", "empty",
        { "bots", name = "all" } }
      ]]))
    end)

    it("an option that contains itself", function()
      local found = problems 'local o = {} o.o = o bots = { { "calm.lua", options = o } }'
      assert.equal(1, #found)
      assert.matches("more than 16 tables in each other", found[1])
    end)

    it("what is said outside of a script's braces", function()
      assert.same({ "moonpool.conf.lua:1: bots.rooms: a list is needed; what is said of one script "
        .. "goes into braces with its path" }, problems 'bots = { "bots/dice.lua", rooms = {} }')
    end)

    it("two scripts of one name, with both files", function()
      scratch.write(folder .. "/dice.lua", "")
      assert.same({ "dice.lua: two scripts are named 'dice', bots/dice.lua besides; name one of "
        .. 'them with { "dice.lua", name = "…" }' }, problems 'bots = { "bots", "dice.lua" }')
      assert.same({ "calm.lua: two scripts are named 'calm', it twice; name one of "
        .. 'them with { "calm.lua", name = "…" }' },
        problems 'bots = { "calm.lua" } policies = { "calm.lua" }')
    end)

    it("the line of an error in it", function()
      assert.same({ "moonpool.conf.lua:2: unexpected symbol near '='" },
        problems "bots = {\n= }\n")
      assert.same({ "moonpool.conf.lua:2: attempt to index a nil value (local 'x')" },
        problems "local x\nredis = x.y\n")
    end)

    it("what it has not: a library, other globals", function()
      assert.same({ "moonpool.conf.lua:2: there is no global 'os': a configuration has only those "
        .. "that it sets itself" }, problems "\nredis = os.getenv 'X'")
      assert.same({ "moonpool.conf.lua:1: there is no global 'error': a configuration has only "
        .. "those that it sets itself" }, problems "error {}")
    end)

    it("bytecode", function()
      local code = string.dump(function() end)
      assert.matches("attempt to load a binary chunk", problems(code)[1])
    end)

    it("an endless loop, with its line", function()
      assert.same({ "moonpool.conf.lua:2: after 10000000 steps it has not ended" },
        problems "\nwhile true do end")
      assert.same({ "moonpool.conf.lua:1: after 10000000 steps it has not ended" },
        problems "name = ('x'):gsub('x', function() repeat until false end)")
    end)

    it("a file that is not there, or is a folder", function()
      local _, missing = config.load "/nonexistent/conf.lua"
      assert.same({ "/nonexistent/conf.lua: No such file or directory" }, missing)
      local _, no_file = config.load(folder)
      assert.same({ folder .. ": Is a directory" }, no_file)
    end)

    it("what is wrong with file and flags at once", function()
      assert.same({ "moonpool.conf.lua:1: botz: unknown; did you mean bots?",
        "--budget: a number of seconds (0: no limit) is needed, not -1",
        "/nonexistent.lua: No such file or directory" },
        problems("botz = {}", { budget = -1, files = { "/nonexistent.lua" } }))
    end)

    it("a file that names no script", function()
      assert.same({ "moonpool.conf.lua: neither bots nor policies are named" }, problems "")
      local _, messages = config.read(nil, {})
      assert.same({ "no FILE is given, and there is no ./moonpool.conf.lua" }, messages)
    end)
  end)

  it("takes what docs/config.md shows", function()
    local path = package.path
    scratch.shell(("mkdir -p %s/lua/moonpool/policies %s/policies"):format(folder, folder))
    scratch.write(folder .. "/lua/moonpool/policies/rate_limit.lua", "")
    scratch.write(folder .. "/policies/quiet.lua", "")
    finally(function() package.path = path end)
    package.path = folder .. "/lua/?.lua;" .. path
    local all = assert(load(scratch.read("docs/config.md"):match "```lua\n(.-)```"))
    assert.same({ "ants croupier", "quiet rate_limit" }, { names(all.bots), names(all.policies) })
    assert.same({ { messages = 5, seconds = 10 }, 10, 32 << 20 },
      { all.policies[2].options, all.policies[2].priority, all.limits.memory })
  end)

  it("tells what is wrong without the scripts of the command line, too", function()
    local found, messages = config.load(write "botz = {}")
    assert.is_nil(found)
    assert.same({ folder .. "/moonpool.conf.lua:1: botz: unknown; did you mean bots?" }, messages)
    assert.is_truthy(config.load(write ""))
  end)
end)
