local policy_box = require "spec.support.policy_box"

describe("the policy flood", function()
  local box

  local function load(options) box = policy_box.load("flood", options) end
  local function allows(request) assert.same({ "allow" }, { box:judge(request) }) end
  local function rejects(reason, request)
    assert.same({ "reject", reason }, { box:judge(request) })
  end

  after_each(function()
    assert.same({}, box.failures)
    box:close()
  end)

  it("does not hear who says the same again and again", function()
    load { repeats = 2, quiet = 30 }
    allows "hi"
    allows "Hi"
    rejects("flood: the same again and again; wait 30s", "hi ")
    box:pass(10)
    rejects("flood: wait 20s", "something else")
    allows { user = "bob", text = "hi" }
    allows { room = "other", text = "hi" }
    box:pass(20)
    allows "something else"
  end)

  it("counts what is the same within a time, with nothing else between", function()
    load { repeats = 2, within = 60, burst = 100 }
    for _ = 1, 3 do
      allows "hi"
      allows "hi"
      allows "no"
    end
    allows "hi"
    allows "hi"
    box:pass(60)
    allows "hi"
  end)

  it("does not hear bursts", function()
    load { burst = 3, burst_seconds = 5, quiet = 10 }
    for index = 1, 3 do allows("line " .. index) end
    rejects("flood: too many messages at once; wait 10s", "line 4")
    box:pass(10)
    for index = 1, 20 do
      allows("line " .. index)
      box:pass(2)
    end
  end)

  it("counts nothing twice, and nothing that is only explained", function()
    load { repeats = 1, quiet = 10 }
    allows { text = "hi", is_explained = true }
    allows "hi"
    allows { text = "hi", is_again = true }
    allows { text = "hi", is_explained = true }
    rejects("flood: the same again and again; wait 10s", "hi")
    rejects("flood: wait 10s", { text = "hi", is_explained = true })
  end)

  it("knows a limited number of users", function()
    load { users = 100, quiet = 1000, repeats = 1 }
    allows { user = "loud", text = "hi" }
    rejects("flood: the same again and again; wait 16m40s", { user = "loud", text = "hi" })
    box:pass(60)
    for index = 1, 99 do allows { user = "u" .. index, text = "hi" } end
    box:pass(60)
    for index = 100, 150 do allows { user = "u" .. index, text = "hi" } end
    rejects("flood: wait 14m40s", { user = "loud", text = "hi" })
    local before = box.instance:stats().memory
    for index = 1, 5000 do allows { user = "v" .. index, text = "hi" } end
    assert.is_true(box.instance:stats().memory < before + 200000)
  end)
end)
