-- lua/moonpool/script_types.lua says what editors are told of what scripts have.
local guest_box = require "spec.support.guest_box"
local scratch = require "spec.support.scratch"

local SOURCES = { bot_object = { "bot", "speech" }, policy_object = { "policy" },
  auth_object = { "auth" }, base = { "common" } }

local function names_of(text, pattern)
  local found = {}
  for name in text:gmatch(pattern) do found[name] = true end
  return found
end

local function told_of(object, text)
  return names_of(text, "\nfunction " .. object .. "[.:]([%w_]+)%(")
end

-- The functions that are defined and not told.
local function missing(text, more)
  local found = {}
  for object, files in pairs(SOURCES) do
    local told = told_of(object, text)
    for _, file in ipairs(files) do
      local source = scratch.read("lua/moonpool/guest/" .. file .. ".lua") .. (more or "")
      for name in pairs(names_of(source, "\n%s*function fields[.:]([%w_]+)%(")) do
        if not told[name] then found[#found + 1] = object .. "." .. name end
      end
    end
  end
  table.sort(found)
  return found
end

-- The functions that are told and that a script does not have.
local function absent(kind, names)
  local list = {}
  for name in pairs(names) do list[#list + 1] = ("%q"):format(name) end
  local box = guest_box[kind](([[
for _, name in ipairs { %s } do
  if type(%s[name]) ~= "function" then %s.log("no " .. name) end
end]]):format(table.concat(list, ", "), kind, kind))
  return #box.log
end

describe("the types of scripts", function()
  local text = scratch.read "lua/moonpool/script_types.lua"

  it("are those of all functions", function()
    assert.same({}, missing(text))
  end)

  it("are of functions that scripts have", function()
    finally(guest_box.close_all)
    assert.equal(0, absent("bot", told_of("bot_object", text)))
    assert.equal(0, absent("bot", told_of("base", text)))
    assert.equal(0, absent("policy", told_of("policy_object", text)))
    assert.equal(0, absent("policy", told_of("base", text)))
  end)

  it("are missed, and too many, when functions come and go", function()
    finally(guest_box.close_all)
    assert.equal(1, absent("bot", { say = true, fly = true }))
    assert.same({ "auth_object.fly", "base.fly", "bot_object.fly", "bot_object.fly",
      "policy_object.fly" }, missing(text, "\n  function fields:fly(room)\n"))
  end)
end)
