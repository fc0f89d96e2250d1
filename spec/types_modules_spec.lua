-- What editors are told of the other modules, and of what scripts are given, is what these have.
local annotated = require "spec.support.annotated"
local gateway = require "moonpool.gateway"
local guest_box = require "spec.support.guest_box"
local loop = require "spec.core.loop"
local luacats = require "spec.support.luacats"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"
local testing = require "moonpool.testing"

local WRONG = io.stdout -- of no type that an option has

local assert_same, upvalue = annotated.assert_same, annotated.upvalue

local function functions_of(object)
  local found = {}
  for name, value in pairs(object) do
    if type(value) == "function" then found[name] = true end
  end
  return found
end

-- The functions of a class of objects; `texts` is the module's own.
local function methods_of(mt)
  local found = functions_of(mt.__index)
  local inherited = getmetatable(mt.__index)
  for name in pairs(inherited and functions_of(inherited.__index) or {}) do found[name] = true end
  found.texts = nil
  return found
end

local function modules()
  return {
    ["moonpool.gateway.module"] = functions_of(gateway),
    ["moonpool.gateway"] = methods_of(upvalue(gateway.open, "mt")),
    ["moonpool.testing"] = functions_of(testing),
    ["moonpool.testing.bot"] = methods_of(upvalue(testing.bot, "bot_mt")),
    ["moonpool.testing.policy"] = methods_of(upvalue(testing.policy, "policy_mt")),
    ["moonpool.irc"] = functions_of(require "moonpool.irc"),
  }
end

local function module_differences(known)
  local found = {}
  for class, functions in pairs(known) do
    local told = annotated.class(class, "methods")
    for _, each in ipairs(annotated.differences(class, told, functions)) do
      found[#found + 1] = each
    end
  end
  table.sort(found)
  return found
end

local PUBLIC = {}
for _, name in ipairs { "types", "script_types", "gateway", "testing", "irc" } do
  PUBLIC["lua/moonpool/" .. name .. ".lua"] = true
end

-- ---- scripts -----------------------------------------------------------------------------------

local SCRIPTS = { -- by kind: what makes each field be there
  bot = "", policy = 'policy.rooms = { "a" }',
  auth = 'auth:on("authenticate", function() return "ann" end)',
}

local LOOK = [[
local found = {}
for _, word in ipairs(KIND.options.words) do
  if KIND[word] ~= nil then found[#found + 1] = word end
end
KIND.log(table.concat(found, " "))
]]

-- The words that the object of a script has.
local function had_by(kind)
  local box = guest_box[kind](SCRIPTS[kind] .. "\n" .. LOOK:gsub("KIND", kind), {
    options = { words = annotated.words }, grants = { redis = kind ~= "policy" }, budget = 10,
    memory = 32 * 1024 * 1024,
  })
  local found = {}
  for word in box.log[1]:gsub("^info: ", ""):gmatch "%S+" do found[word] = true end
  return found
end

-- The names in "there are a, b" of the error that a script's call raises.
local function told_by(kind, call)
  local box = guest_box[kind](("%s\nlocal ok, message = pcall(function() %s end)\n%s.log(message)")
    :format(SCRIPTS[kind], call, kind))
  local found = {}
  for name in box.log[1]:match("; there are (.*)$"):gmatch "[%w_]+" do found[name] = true end
  return found
end

-- The arguments of public functions of which nothing is told.
local function untold(read)
  local found = {}
  for class_name, class in pairs(read.classes) do
    for name, method in pairs(PUBLIC[class.path] and class.methods or {}) do
      for _, argument in ipairs(method.arguments) do
        if not method.params[argument] and argument ~= "..." then
          found[#found + 1] = ("%s.%s: %s"):format(class_name, name, argument)
        end
      end
    end
  end
  table.sort(found)
  return found
end

describe("the types of modules", function()
  after_each(guest_box.close_all)

  it("are those of all their functions", function()
    assert.same({}, module_differences(modules()))
  end)

  it("are missed, and too many, when functions come and go", function()
    local known = modules()
    known["moonpool.irc"].fly, known["moonpool.testing.bot"].says = true, nil
    known["moonpool.gateway"].revoke = nil
    assert.same({
      "moonpool.gateway: revoke is annotated, and not there",
      "moonpool.irc: fly is not annotated",
      "moonpool.testing.bot: says is annotated, and not there",
    }, module_differences(known))
  end)

  it("are those of what adapters of hosts are asked for", function()
    local used = {}
    local source = scratch.read("lua/moonpool/hosted.lua"):gsub("%-%-[^\n]*", "")
    for name in source:gmatch "%f[%w_]host%.([%a_]+)" do used[name] = true end
    for name in source:gmatch "%f[%w_]new%.([%a_]+)" do used[name] = true end
    assert_same("host", annotated.class("moonpool.hosted.host", "fields"), used)
    assert.equal(require "moonpool", require "moonpool.host.poll")
  end)

  it("tell each argument", function()
    assert.same({}, untold(annotated.read))
    local text = scratch.read("lua/moonpool/types.lua"):gsub("%-%-%-@param channel [^\n]*\n", "", 1)
    assert.same({ "moonpool.client.publish: channel" },
      untold(luacats.read { ["lua/moonpool/types.lua"] = text }))
  end)

  it("are those of what scripts have", function()
    for kind in pairs(SCRIPTS) do
      assert_same(kind, annotated.class("moonpool." .. kind), had_by(kind))
    end
  end)

  it("are those of scripts' events and options", function()
    for kind in pairs(SCRIPTS) do
      assert_same(kind .. ":on", annotated.events("moonpool." .. kind, "on"),
        told_by(kind, kind .. ':on("fly", print)'))
    end
    assert_same("say", annotated.options("moonpool.bot", "say"),
      told_by("bot", 'bot:say("a", "b", { fly = 1 })'))
    assert_same("command", annotated.options("moonpool.bot", "command", "about"),
      told_by("bot", 'bot:command("a", { fly = 1 }, function() end)'))
    for _, name in ipairs { "history", "who" } do
      assert_same(name, annotated.options("moonpool.script.base", name),
        told_by("bot", ('bot:%s("a", { fly = 1 })'):format(name)))
    end
  end)

  it("are those of the messages that bots get", function()
    local box = guest_box.bot([[
      bot:on("rename", function(message)
        local found = {}
        for _, word in ipairs(bot.options.words) do
          if message[word] ~= nil then found[#found + 1] = word end
        end
        bot.log(table.concat(found, " "))
      end)]], { options = { words = annotated.words }, budget = 10, memory = 32 * 1024 * 1024 })
    box:event("rename", box:message { type = "rename", user = "ann", text = "a", to = "b",
      target = "c" })
    local had = {}
    for word in box.log[1]:gsub("^info: ", ""):gmatch "%S+" do had[word] = true end
    assert_same("message", annotated.class "moonpool.bot.message", had)
  end)

  it("are those of gateways' options and figures", function()
    local known = annotated.known(function(word) gateway.open { [word] = WRONG, redis = WRONG } end)
    known.ready = nil -- the module's own
    assert_same("gateway.open", annotated.class("moonpool.gateway.options", "fields"), known)
    local server = redis_server.start()
    finally(function() server:stop() end)
    loop.run(function()
      local opened = assert(gateway.open {
        redis = server.url, listen = "unix:" .. scratch.folder() .. "/g",
      })
      local figures = {}
      for name in pairs(opened:stats()) do figures[name] = true end
      assert_same("gateway:stats", annotated.class("moonpool.gateway.stats", "fields"), figures)
      opened:close()
    end)
  end)

  it("are those of the testing module's settings and events", function()
    local settings = {}
    for name in pairs(upvalue(upvalue(upvalue(testing.bot, "new"), "split"), "OF_TEST")) do
      settings[name] = true
    end
    local schema = require "moonpool.host.config_schema"
    for _, kind in ipairs { "bot", "policy" } do
      for name in pairs(schema[kind]) do settings[name] = true end
    end
    assert_same("settings", annotated.class("moonpool.testing.settings", "fields"), settings)
    local box = testing.bot(scratch.write(scratch.folder() .. "/quiet.lua", "\n"))
    finally(function() box:close() end)
    assert_same("event", annotated.events("moonpool.testing.bot", "event", "kind"),
      annotated.known(function(word) box:event(word, { room = "test" }) end))
    box:says("ann", "hi")
  end)
end)
