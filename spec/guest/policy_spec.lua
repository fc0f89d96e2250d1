local guest_box = require "spec.support.guest_box"

local function problem_of(script)
  local ok, problem = pcall(guest_box.policy, script)
  assert.is_false(ok)
  return (problem:match "^[^\n]*")
end

describe("guest policy", function()
  after_each(guest_box.close_all)

  it("tells what it is", function()
    local box = guest_box.policy([[
      assert(policy.name == "calm" and policy.options.most == 5)
      policy.priority, policy.rooms = 10, { "pool" }
      policy:on("publish", function() end)
      policy:on("pattern", "ops:*", function() end)
    ]], { name = "calm", options = { most = 5 } })
    assert.same({
      name = "calm", priority = 10, rooms = { "pool" }, events = { publish = true },
      patterns = { { id = 1, pattern = "ops:*" } },
    }, box.description)
    assert.same({ name = "script", priority = 0, events = {}, patterns = {} },
      guest_box.policy("").description)
  end)

  it("allows, rejects, rewrites", function()
    local box = guest_box.policy [[
      policy:on("publish", function(request)
        if request.text == "nil" then return nil end
        if request.text == "true" then return true end
        if request.text == "reject" then return policy.reject "no" end
        if request.text == "rewrite" then return policy.rewrite "better" end
      end)
      policy:on("subscribe", function(request)
        if request.user == "bob" then return policy.reject "not you" end
      end)
      policy:on("pattern", "a", function() return policy.reject "first" end)
      policy:on("pattern", "b", function() return policy.reject "second" end)
    ]]
    assert.same({ "allow", nil, false }, { box:judge "x" })
    assert.equal("allow", (box:judge "nil"))
    assert.equal("allow", (box:judge "true"))
    assert.same({ "reject", "no", false }, { box:judge "reject" })
    assert.same({ "rewrite", "better", false }, { box:judge "rewrite" })
    assert.equal("not you", select(2, box:judge({ user = "bob", room = "pool" }, "subscribe")))
    assert.equal("allow", (box:judge({ user = "ann", room = "pool" }, "subscribe")))
    assert.equal("second", select(2, box:judge({ channel = "b" }, "pattern", 2)))
  end)

  it("asks its functions by priority; a rewrite goes on, a rejection ends it", function()
    local box = guest_box.policy [[
      policy:on("publish", function(request)
        if request.text == "bad" then return policy.reject "bad" end
        return policy.rewrite(request.text .. "3")
      end)
      policy:on("publish", function(request)
        if request.text:find "^stop" then return policy.rewrite "bad" end
        return policy.rewrite(request.text .. "2")
      end, 1)
      policy:on("publish", function(request) request.text = "ignored" end, -1)
    ]]
    assert.same({ "rewrite", "a23", false }, { box:judge "a" })
    assert.same({ "reject", "bad", false }, { box:judge "stop" })
  end)

  it("that answers something else has failed", function()
    local box = guest_box.policy [[
      policy:on("publish", function(request)
        local answers = {
          f = false, n = 7, s = "reject", t = { "reject", "x" }, r = policy.reject,
        }
        if request.text == "pair" then return nil, "too long" end
        return answers[request.text]
      end)
    ]]
    local wanted = "publish: a policy returns nil, true, policy.reject(reason) or "
      .. "policy.rewrite(text), not "
    for text, shown in pairs { f = "false", n = "a number", s = "a string", t = "a table",
      r = "a function" } do
      assert.equal("failed", (box:judge(text)))
      assert.equal(wanted .. shown, table.remove(box.failures))
    end
    assert.equal("failed", (box:judge "pair"))
    assert.equal("publish: a policy returned nil and a string; to reject, return "
      .. "policy.reject(reason)", table.remove(box.failures))
  end)

  it("that raises has failed; functions after it are not asked", function()
    local box = guest_box.policy [[
      policy:on("publish", function() error "broken" end)
      policy:on("publish", function() print "asked" end)
    ]]
    assert.equal("failed", (box:judge "x"))
    assert.matches("^publish: script.lua:1: broken\nstack traceback:", box.failures[1])
    assert.same({}, box.log)
  end)

  it("takes tokens of the host's", function()
    local box = guest_box.policy [[
      policy:on("publish", function(request)
        local ok, wait = policy:take("user:" .. request.user, 5, 10)
        if not ok then return policy.reject("wait " .. wait) end
        policy:take("room", 5, 1, 2)
      end)
    ]]
    box.answer = function(_, key) return key == "room" or nil, "no link", "ECONN" end
    assert.equal("failed", (box:judge "x"))
    assert.matches("script.lua:2: policy:take: no link (ECONN)", box.failures[1], 1, true)
    box.answer = function() return false, 1.5 end
    assert.same({ "reject", "wait 1.5", false }, { box:judge "x" })
    box.answer, box.asked = function() return true, 0 end, {}
    assert.equal("allow", (box:judge "x"))
    assert.same({ { "take", "user:ann", 5, 10, 1 }, { "take", "room", 5, 1, 2 } }, box.asked)
  end)

  it("tells misuse with the script's line", function()
    for script, wanted in pairs {
      ['policy:on("start", print)'] =
        'policy:on: unknown event "start"; there are pattern, publish, subscribe',
      ['policy:on("publish")'] = "policy:on: function: a function is needed, not nil",
      ['policy:on("pattern", print)'] = "policy:on: pattern: a string is needed, not function",
      ["policy.reject()"] = "policy.reject: reason: a string is needed, not nil",
      ["policy.rewrite(7)"] = "policy.rewrite: text: a string is needed, not number",
      ['policy:take("x", 0, 1)'] = "policy:take: capacity: more than 0 is needed, not 0",
      ["policy.prority = 1"] = "policy.prority cannot be set; what can be is name, priority, rooms",
    } do
      assert.equal("script.lua:2: " .. wanted, problem_of("\n" .. script))
    end
    assert.equal("policy.priority: a number is needed", problem_of "policy.priority = 'high'")
    assert.equal("policy.rooms: a list of strings is needed, not string",
      problem_of "policy.rooms = 'x'")
  end)
end)
