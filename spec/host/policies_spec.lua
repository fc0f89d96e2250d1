local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local policies = require "moonpool.host.policies"

describe("a chain of policies", function()
  local REQUEST = { room = "chatty", user = "ann", text = "hi", bot = false, via = "say" }

  local function request(fields)
    local all = {}
    for key, value in pairs(REQUEST) do all[key] = value end
    for key, value in pairs(fields or {}) do all[key] = value end
    return all
  end

  -- A policy whose verdict is fn(request, event, id); its answers are counted.
  local function policy(name, fn, fields)
    local made = { name = name, asked = 0 }
    for key, value in pairs(fields or {}) do made[key] = value end
    function made:judge(event, asked, id)
      self.asked = self.asked + 1
      return fn(asked, event, id)
    end
    return made
  end

  local function allow() return "allow" end
  local function lower(asked) return "rewrite", asked.text:lower() end
  local function no_links(asked)
    if asked.text:find "http://" then return "reject", "no links" end
    return "allow"
  end

  -- chain:judge in a loop.
  local function judge(list, fields, event, options)
    local verdict
    loop.run(function()
      verdict = policies.new(list, options):judge(event or "publish", request(fields))
    end)
    return verdict
  end

  local function explain(list, fields, options)
    local opinions, verdict
    loop.run(function()
      opinions, verdict = policies.new(list, options):explain("publish", request(fields))
    end)
    return opinions, verdict
  end

  local function new_log()
    local log = { lines = {} }
    function log:write(level, text, fields)
      fields.level, fields.text = level, text
      self.lines[#self.lines + 1] = fields
    end
    return log
  end

  it("allows what nobody rejects", function()
    assert.same({ verdict = "allow", text = "hi", is_rewritten = false }, judge {})
    assert.same({ verdict = "allow", text = "hi", is_rewritten = false },
      judge { policy("a", allow), policy("b", allow) })
  end)

  it("asks by priority, then by name, and no more after a rejection", function()
    local order = {}
    local function named(name, priority, verdict)
      return policy(name, function()
        order[#order + 1] = name
        return verdict or "allow", "because"
      end, { priority = priority })
    end
    local verdict = judge { named("d"), named("c", -1), named("b", 5), named("a"), named("e", 5),
      named("da", nil, "reject") }
    assert.equal("b e a d da", table.concat(order, " "))
    assert.same({ verdict = "reject", policy = "da", reason = "because", is_rewritten = false },
      verdict)
  end)

  it("asks those whose rooms, events and patterns match", function()
    local function asked(fields, more, event)
      local one = policy("a", allow, fields)
      judge({ one }, more, event)
      return one.asked == 1
    end
    assert.is_true(asked({ rooms = { "room:*" } }))
    assert.is_true(asked({ rooms = { "games", "chat*" } }))
    assert.is_true(asked({ rooms = { "room:chatty" } }))
    assert.is_false(asked({ rooms = { "games", "chat" } }))
    assert.is_false(asked({ rooms = {} }))
    assert.is_true(asked({ events = { publish = true } }))
    assert.is_false(asked({ events = { publish = true } }, nil, "subscribe"))
    local watcher = { rooms = { "x" }, patterns = { { id = 7, pattern = "metrics:*" } } }
    assert.is_true(asked(watcher, { channel = "metrics:cpu" }, "pattern"))
    assert.is_false(asked(watcher, { channel = "other" }, "pattern"))
    assert.is_false(asked({}, { channel = "metrics:cpu" }, "pattern"))
  end)

  it("asks those with patterns of what is said in rooms", function()
    local got = {}
    local one = policy("a", function(asked, event, id)
      got[#got + 1] = ("%s %s %s"):format(event, asked.channel, id)
      return "allow"
    end, { patterns = { { id = 1, pattern = "room:ch*" }, { id = 2, pattern = "x" },
      { id = 3, pattern = "*" } } })
    judge { one }
    judge({ one }, nil, "subscribe")
    assert.same({ "publish room:chatty nil", "pattern room:chatty 1", "pattern room:chatty 3",
      "subscribe room:chatty nil" }, got)
  end)

  it("tells a policy the event, the request and the id of its pattern", function()
    local got
    local one = policy("a", function(asked, event, id)
      got = { asked, event, id }
      return "allow"
    end, { patterns = { { id = 1, pattern = "x" }, { id = 2, pattern = "m*" } } })
    judge({ one }, { channel = "m", room = false }, "pattern")
    assert.same({ request { channel = "m", room = false }, "pattern", 2 }, got)
  end)

  describe("and rewrites", function()
    it("hand the new text on, and leave the caller's request alone", function()
      local seen
      local asked = request { text = "HI" }
      loop.run(function()
        local verdict = policies.new({
          policy("a", lower), policy("b", function(r)
            seen = r.text
            return "rewrite", r.text .. "!"
          end),
        }):judge("publish", asked)
        assert.same({ verdict = "allow", text = "hi!", is_rewritten = true }, verdict)
      end)
      assert.equal("hi", seen)
      assert.same(request { text = "HI" }, asked)
    end)

    it("have earlier policies judge the text that came out", function()
      local caps = policy("caps", lower)
      local links = policy("links", no_links, { priority = 1 })
      local verdict = judge({ links, caps }, { text = "HTTP://X" })
      assert.same({ verdict = "reject", policy = "links", reason = "no links",
        is_rewritten = true }, verdict)
      assert.equal(2, links.asked)
      assert.equal(1, caps.asked)
    end)

    it("tell these that they have been asked before", function()
      local flags = {}
      local first = policy("a", function(r)
        flags[#flags + 1] = r.is_again or false
        return "allow"
      end)
      judge({ first, policy("b", lower) }, { text = "HI" })
      assert.same({ false, true }, flags)
    end)

    it("are judged again by nobody when they come first, or change nothing", function()
      local after = policy("b", allow)
      judge({ policy("a", lower), after }, { text = "HI" })
      assert.equal(1, after.asked)
      local before = policy("a", allow)
      local verdict = judge({ before, policy("b", lower) })
      assert.equal(1, before.asked)
      assert.is_false(verdict.is_rewritten)
    end)

    it("are judged again by all before the last one", function()
      local one, two, three = policy("1", allow), policy("2", lower), policy("3", allow)
      local four = policy("4", function(r) return "rewrite", (r.text:gsub("!", "")) end)
      local five = policy("5", allow)
      local verdict = judge({ one, two, three, four, five }, { text = "HI!" })
      assert.equal("hi", verdict.text)
      assert.same({ 2, 2, 2, 1, 1 },
        { one.asked, two.asked, three.asked, four.asked, five.asked })
    end)

    it("are rejected when the policies do not agree on a text", function()
      local log = new_log()
      local adds = policy("adds", function(r) return "rewrite", r.text .. "!" end)
      local verdict = judge({ adds, policy("lower", lower) }, { text = "HI" }, nil, { log = log })
      assert.same({ verdict = "reject", policy = "adds", is_rewritten = true,
        reason = "the policies adds and lower do not agree on a text" }, verdict)
      assert.equal("rejected", log.lines[3].text)
    end)

    it("of a join are a failure", function()
      local verdict = judge({ policy("a", lower) }, { text = "X" }, "subscribe")
      assert.equal("policy a failed", verdict.reason)
    end)
  end)

  describe("rejects when a policy", function()
    -- What a failing policy's user reads, and the operator.
    local function assert_failure(expected, fn, options)
      options = options or {}
      options.log = new_log()
      local after = policy("b", allow)
      local verdict = judge({ policy("a", fn), after }, nil, nil, options)
      assert.same({ "reject", "policy a failed", "a", 0 },
        { verdict.verdict, verdict.reason, verdict.policy, after.asked })
      assert.equal(1, #options.log.lines)
      local line = options.log.lines[1]
      assert.matches(expected, line.reason)
      line.reason = nil
      assert.same({ level = "error", text = "policy failed", script = "a", event = "publish",
        room = "chatty", user = "ann" }, line)
    end

    it("fails", function()
      assert_failure("killed: cpu", function() return nil, "killed: cpu" end)
      assert_failure("it gave no answer", function() end)
    end)

    it("raises", function() assert_failure("spec.lua:%d+: oh", function() error "oh" end) end)

    it("answers nonsense", function()
      assert_failure('its answer is "maybe"', function() return "maybe" end)
      assert_failure("its reason is a table", function() return "reject", {} end)
      assert_failure("its new text is a nil", function() return "rewrite" end)
    end)

    it("takes too long, and its late answer is dropped", function()
      local is_answered = false
      assert_failure("no answer within 0.02 s", function()
        moonpool.sleep(0.1)
        is_answered = true
        return "allow"
      end, { policy_timeout = 0.02 })
      assert.is_true(is_answered)
    end)
  end)

  it("asks nobody else, and logs no more, when a policy hangs", function()
    local log, after = new_log(), policy("b", allow)
    judge({ policy("a", function()
      moonpool.sleep(0.1)
      return "rewrite", "late"
    end), after }, nil, nil, { policy_timeout = 0.02, log = log })
    assert.equal(0, after.asked)
    assert.equal(1, #log.lines)
  end)

  it("waits for policies that await", function()
    local function slow(asked)
      moonpool.sleep(0.001)
      if asked.text:find "!" then return "reject", asked.text end
      return "rewrite", asked.text .. "!"
    end
    assert.equal("hi!", judge({ policy("a", slow), policy("b", slow) }).reason)
  end)

  it("judges many requests at once", function()
    local latch = require("moonpool.core").system.latch()
    local waiting, verdicts = 0, {}
    local chain = policies.new { policy("a", function(r)
      waiting = waiting + 1
      if waiting == 3 then latch:open() end
      latch:wait()
      return "reject", r.user
    end) }
    loop.run(function()
      local tasks = {}
      for index = 1, 3 do
        tasks[index] = moonpool.spawn(function()
          verdicts[index] = chain:judge("publish", request { user = "u" .. index }).reason
        end)
      end
      for _, task in ipairs(tasks) do task:await() end
    end)
    assert.same({ "u1", "u2", "u3" }, verdicts)
  end)

  it("cuts reasons between characters", function()
    local verdict = judge { policy("a", function() return "reject", "x" .. ("é"):rep(400) end) }
    assert.equal("x" .. ("é"):rep(249) .. "…", verdict.reason)
    assert.equal("rejected", judge({ policy("a", function() return "reject" end) }).reason)
  end)

  it("logs rejections and rewrites", function()
    local log = new_log()
    judge({ policy("a", allow), policy("b", lower), policy("c", no_links) },
      { text = "HTTP://x" }, nil, { log = log })
    local place = { event = "publish", room = "chatty", user = "ann", level = "info" }
    local function line(fields)
      for key, value in pairs(place) do fields[key] = value end
      return fields
    end
    assert.same({
      line { script = "b", text = "rewritten" },
      line { script = "c", text = "rejected", reason = "no links" },
    }, log.lines)
  end)

  describe("explains", function()
    it("what each policy says, also after a rejection", function()
      local log = new_log()
      local flags = {}
      local opinions, verdict = explain({
        policy("links", no_links, { priority = 1 }), policy("caps", lower),
        policy("never", function(r)
          flags[#flags + 1] = r.is_explained
          return "reject", "never"
        end),
        policy("wrong", function() return nil, "oh" end),
      }, { text = "HTTP://x" }, { log = log })
      assert.same({
        { policy = "links", verdict = "allow", is_again = false },
        { policy = "caps", verdict = "rewrite", text = "http://x", is_again = false },
        { policy = "never", verdict = "reject", reason = "never", is_again = false },
        { policy = "wrong", verdict = "reject", reason = "policy wrong failed", failure = "oh",
          is_again = false },
        { policy = "links", verdict = "reject", reason = "no links", is_again = true },
      }, opinions)
      assert.same({ verdict = "reject", policy = "never", reason = "never", is_rewritten = true },
        verdict)
      assert.same({ true }, flags)
      assert.same({}, log.lines)
    end)

    it("what the others say when one hangs", function()
      local opinions = explain({
        policy("hangs", function()
          moonpool.sleep(0.1)
          return "allow"
        end, { priority = 1 }), policy("other", allow),
      }, nil, { policy_timeout = 0.02 })
      assert.same({
        { policy = "hangs", verdict = "reject", reason = "policy hangs failed",
          failure = "no answer within 0.02 s", is_again = false },
        { policy = "other", verdict = "allow", is_again = false },
      }, opinions)
    end)

    it("an empty chain, too", function()
      local opinions, verdict = explain {}
      assert.same({}, opinions)
      assert.same({ verdict = "allow", text = "hi", is_rewritten = false }, verdict)
    end)
  end)

  it("takes other policies, in their order", function()
    local old, new = policy("old", allow), policy("new", allow, { priority = 1 })
    local chain = policies.new { old }
    chain:replace { old, new }
    assert.same({ new, old }, chain:order())
    loop.run(function() chain:judge("publish", REQUEST) end)
    assert.same({ 1, 1 }, { old.asked, new.asked })
  end)
end)
