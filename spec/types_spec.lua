-- lua/moonpool/types.lua says what editors are told of the library: each public function that C or
-- Lua registers is in it, and nothing else is.
local core = require "moonpool.core"
local moonpool = require "moonpool"
local scratch = require "spec.support.scratch"

-- Redis commands that have types of their own; any command is a method.
local COMMANDS = { publish = true, pubsub = true }

-- { name = { member = true } } of "function name:member(" and "function name.member("
local function annotated_in(text)
  local found = {}
  for name, member in text:gmatch "\nfunction ([%w_]+)[.:]([%w_]+)%(" do
    found[name] = found[name] or {}
    found[name][member] = true
  end
  return found
end

local function functions_of(...)
  local found = {}
  for _, members in ipairs { ... } do
    for name, value in pairs(members) do
      if type(value) == "function" then found[name] = true end
    end
  end
  return found
end

-- The methods of a metatable: its __index, or a table among its upvalues.
local function methods_of(name)
  local index = debug.getregistry()[name].__index
  if type(index) == "table" then return functions_of(index) end
  for number = 1, 4 do
    local _, value = debug.getupvalue(index, number)
    if type(value) == "table" then return functions_of(value) end
  end
end

local function registered()
  return {
    core = functions_of(moonpool), json = functions_of(moonpool.json),
    pool = functions_of(moonpool.pool),
    client = functions_of(core.methods.client), view = functions_of(core.methods.view),
    room = functions_of(core.methods.room), rooms = functions_of(core.methods.rooms),
    task = methods_of "moonpool.task", timer = methods_of "moonpool.timer",
    subscription = methods_of "moonpool.subscription", script = methods_of "moonpool.script",
    recorder = methods_of "moonpool.recorder",
  }
end

-- What the annotations lack, and what they have too much.
local function differences(annotations, members_by_name)
  local found = {}
  for name, members in pairs(members_by_name) do
    local told = annotations[name] or {}
    for member in pairs(members) do
      local is_inherited = name == "client" and annotations.view[member]
      if not told[member] and not is_inherited then
        found[#found + 1] = ("%s:%s has no annotation"):format(name, member)
      end
    end
    for member in pairs(told) do
      if not members[member] and not COMMANDS[member] then
        found[#found + 1] = ("%s:%s is annotated, and not there"):format(name, member)
      end
    end
  end
  table.sort(found)
  return found
end

local text = scratch.read "lua/moonpool/types.lua"

describe("the library's types", function()
  it("are those of all public functions and methods, and no others", function()
    assert.same({}, differences(annotated_in(text), registered()))
  end)

  it("are missed when a function is registered without them", function()
    for name, member in pairs { core = "fly", room = "burn", task = "cancel", pool = "drain" } do
      local more = registered()
      more[name][member] = true
      assert.same({ ("%s:%s has no annotation"):format(name, member) },
        differences(annotated_in(text), more))
    end
  end)

  it("are too many when a function is gone", function()
    for name, member in pairs { core = "spawn", rooms = "list", timer = "close", json = "array" } do
      local less = registered()
      assert.is_true(less[name][member])
      less[name][member] = nil
      assert.same({ ("%s:%s is annotated, and not there"):format(name, member) },
        differences(annotated_in(text), less))
    end
    assert.same({ "room:say has no annotation" },
      differences(annotated_in((text:gsub("\nfunction room:say%(", "\nfunction room_say("))),
        registered()))
  end)
end)
