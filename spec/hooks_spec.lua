local hooks = require "moonpool.hooks"

local function order(list)
  local names = {}
  for index, entry in ipairs(list) do names[index] = entry.fn() end
  return table.concat(names, " ")
end

local function named(name)
  return function() return name end
end

describe("hooks", function()
  it("sort by priority, then by insertion", function()
    local events = hooks.new()
    events:add("say", named "a")
    events:add("say", named "b")
    events:add("say", named "late", -1)
    events:add("say", named "early", 10)
    events:add("say", named "c")
    assert.equal("early a b c late", order(events:list "say"))
  end)

  it("are separate by event", function()
    local events = hooks.new()
    events:add("say", named "a")
    assert.equal("", order(events:list "other"))
    assert.equal("", order(events:list "add"))
  end)

  it("can be taken out again, once", function()
    local events = hooks.new()
    local fn = named "twice"
    local remove = events:add("say", fn)
    events:add("say", fn)
    remove()
    remove()
    assert.equal("twice", order(events:list "say"))
  end)

  it("keep a list that is being fired as it was", function()
    local events = hooks.new()
    local remove
    local list
    events:add("say", function()
      remove()
      events:add("say", named "new")
      return "first"
    end)
    remove = events:add("say", named "second")
    list = events:list "say"
    assert.equal("first second", order(list))
    assert.equal(2, #events:list "say")
  end)
end)
