local checker = require "spec.chaos.checker"
local fact_mutants = require "spec.chaos.fact_mutants"
local ids = require "spec.chaos.ids"
local random = require "spec.chaos.random"

-- Entry `seq` of a branch of history; other branches have other tags.
local function entry(seq, branch)
  local user = "w" .. seq % 3
  return { id = ("%d-%d-%s%015x"):format(1000 + seq // 2, seq, branch or "a", seq), user = user,
    text = ("%s says %d on %s"):format(user, seq, branch or "a") }
end

local function message(one)
  return { event = "message", id = one.id, user = one.user, text = one.text }
end

local function entries(first, last, branch)
  local list = {}
  for seq = first, last do list[#list + 1] = entry(seq, branch) end
  return list
end

local function join(...)
  local all = {}
  for _, list in ipairs { ... } do table.move(list, 1, #list, #all + 1, all) end
  return all
end

local function messages(list)
  local all = {}
  for place, one in ipairs(list) do all[place] = message(one) end
  return all
end

local function writers_of(list)
  local writers = { w0 = { says = {} }, w1 = { says = {} }, w2 = { says = {} } }
  for _, one in ipairs(list) do
    local says = writers[one.user].says
    says[#says + 1] = { text = one.text, user = one.user, id = one.id, ended = true, late = -1 }
  end
  return writers
end

local function gap(reason, from, to, missing)
  return { event = "gap", reason = reason, from = from.id or from, to = to and to.id or nil,
    missing = missing }
end

local function plain_facts()
  local log = entries(1, 30)
  return {
    log = log, writers = writers_of(log),
    followers = {
      all = { from = ids.ORIGIN, events = messages(log) },
      later = { from = log[10].id, events = messages(entries(11, 30)) },
      live = { sees = log[12].id, events = messages(entries(12, 30)) },
    },
  }
end

-- After entry 20, ten messages were lost with a master.
local function forked_facts()
  local lost, log = entries(21, 30), join(entries(1, 20), entries(21, 40, "b"))
  local writers = writers_of(join(log, {}))
  for name, writer in pairs(writers_of(lost)) do
    writers[name].says = join(writer.says, writers[name].says)
  end
  local fork = gap("forked", log[20], log[21])
  return {
    log = log, writers = writers, may_fork = true,
    followers = {
      all = { from = ids.ORIGIN, events = join(messages(entries(1, 20)), messages(lost), { fork },
        messages(entries(21, 40, "b"))) },
      few = { from = log[19].id, events = join(messages { log[20], lost[1] },
        { gap("forked", log[20]), { event = "reconnect" } }, messages(entries(21, 40, "b"))) },
      late = { from = log[19].id, events = join(messages { log[20] },
        messages(entries(21, 40, "b"))) },
    },
  }
end

-- The log lost its first ten, and one follower had come to the third.
local function trimmed_facts()
  local all = entries(1, 30)
  return {
    log = entries(11, 30), writers = writers_of(all), may_trim = true,
    followers = {
      all = { from = ids.ORIGIN, events = messages(all) },
      behind = { from = ids.ORIGIN, events = join(messages(entries(1, 3)),
        { gap("trimmed", all[3], all[11], 7) }, messages(entries(11, 30))) },
      unknown = { from = all[2].id, events = join({ gap("trimmed", all[2], all[11]) },
        messages(entries(11, 30))) },
    },
  }
end

local FACTS = { plain = plain_facts, forked = forked_facts, trimmed = trimmed_facts }

-- The one fault that the changed facts have, as "kind who".
local function fault_of(facts)
  local faults = checker.check(facts).faults
  assert(#faults > 0, "the checker found nothing")
  return faults[1].kind .. " " .. faults[1].who
end

describe("the checker of the chaos run", function()
  for name, make in pairs(FACTS) do
    it("finds nothing in good facts: " .. name, function()
      assert.equal("", checker.describe(checker.check(make()).faults))
    end)

    it("names each falsification of facts: " .. name, function()
      local count = 0
      for mutant in fact_mutants.each(make(), random.new(1), math.maxinteger) do
        local faults, is_named = checker.check(mutant.facts).faults, false
        for _, fault in ipairs(faults) do is_named = is_named or mutant.kinds[fault.kind] end
        assert(is_named, mutant.name .. " was not named: " .. checker.describe(faults))
        count = count + 1
      end
      assert.is_true(count > 200, count .. " falsifications")
    end)
  end

  it("counts", function()
    local figures = checker.check(forked_facts()).figures
    assert.same({ entries = 40, says = 50, acknowledged = 50, refused = 0, lost = 10,
      delivered = 30 + 20 + 2 + 20 + 21, gaps = 2, reconnects = 1 }, figures)
  end)

  it("finds what was acknowledged and is gone", function()
    local facts = plain_facts()
    facts.followers = {}
    table.remove(facts.log)
    assert.equal("lost w0", fault_of(facts))
    facts = forked_facts()
    facts.writers.w0.says[1].is_durable = true
    assert.equal("lost w0", fault_of(facts))
  end)

  it("finds a message that was stored twice", function()
    local facts = plain_facts()
    facts.followers = {}
    facts.log[31] = entry(31)
    facts.log[31].text = facts.log[30].text
    assert.equal("twice log", fault_of(facts))
  end)

  it("finds a writer's messages in another order, unacknowledged ones if it awaits", function()
    local facts = plain_facts()
    local says = facts.writers.w0.says
    says[3], says[4] = says[4], says[3]
    assert.equal("order w0", fault_of(facts))
    says[3].id, says[3].code = nil, "ETIMEOUT"
    assert.same({}, checker.check(facts).faults)
    facts.writers.w0.awaits = true
    assert.equal("order w0", fault_of(facts))
  end)

  it("finds a say that hangs, or is late", function()
    local facts = plain_facts()
    facts.writers.w2.says[4].ended = nil
    assert.equal("hang w2", fault_of(facts))
    facts = plain_facts()
    facts.writers.w2.says[4].late = 16
    assert.equal("hang w2", fault_of(facts))
    facts.late = 17
    assert.same({}, checker.check(facts).faults)
  end)

  it("finds a follower that began late, or did not reach the end", function()
    local facts = plain_facts()
    facts.followers.live.sees = facts.log[11].id
    assert.equal("late live", fault_of(facts))
    facts = plain_facts()
    table.remove(facts.followers.later.events)
    assert.equal("short later", fault_of(facts))
    facts.followers = { never = { from = ids.ORIGIN, events = {} } }
    assert.equal("short never", fault_of(facts))
  end)

  it("finds gaps that are none, or go wrong", function()
    local function with(events, facts)
      facts = facts or plain_facts()
      facts.followers = { one = { from = ids.ORIGIN, events = events } }
      return fault_of(facts)
    end
    local log = entries(1, 30)
    local head, tail = messages(entries(1, 9)), messages(entries(10, 30))
    assert.equal("needless one", with(join(head, { gap("trimmed", log[9], log[10]) }, tail)))
    assert.equal("needless one", with(join(head, { gap("overflow", log[9], log[10], 0) }, tail)))
    assert.equal("skipped one", with(join(head, messages(entries(11, 30)))))

    local function trimmed(first, events) -- a log that begins there
      local facts = plain_facts()
      facts.log, facts.may_trim = entries(first, 30), true
      return with(events, facts)
    end
    assert.equal("missing one", trimmed(12, join(head, { gap("trimmed", log[9], log[12], 3) },
      messages(entries(12, 30)))))
    assert.equal("gap one", trimmed(12, join(head, { gap("trimmed", log[8], log[12]) },
      messages(entries(12, 30)))))
    assert.equal("gap one", trimmed(12, join(head, { gap("trimmed", log[9], log[13], 3) },
      messages(entries(13, 30)))))
    assert.equal("gap one", trimmed(12, join(head, { gap("trimmed", log[9], log[13], 3) },
      messages(entries(12, 30)))))
    assert.equal("skipped one", trimmed(12, join(head, messages(entries(12, 30)))))
    assert.equal("skipped one", trimmed(12, join(messages(entries(1, 4)),
      messages(entries(6, 30)))))
  end)

  it("accepts that a fork is longer than what is remembered, within bounds", function()
    local log, lost = join(entries(1, 10), entries(11, 50, "b")), entries(11, 30)
    local facts = { log = log, writers = {}, may_fork = true, remembers = 8, followers = {} }
    local function with(to)
      facts.followers.one = { from = ids.ORIGIN, events = join(messages(entries(1, 10)),
        messages(lost), { gap("forked", lost[20], to < 24 and log[to]) },
        messages(entries(to, 50, "b"))) }
      return checker.describe(checker.check(facts).faults)
    end
    assert.equal("", with(23)) -- it remembers 23 to 30
    assert.equal("", with(11))
    assert.matches("^gap: one: .* came first after a fork, though all from seq 23 on", with(25))
    facts.remembers = 21
    assert.matches("^gap: one: forked from .*, but .* is the last", with(23))
  end)

  it("finds a fork that is not reported, reported twice, or from another place", function()
    local facts = forked_facts()
    local events = facts.followers.all.events
    local fork = table.remove(events, 31)
    assert.equal("fork all", fault_of(facts))
    table.insert(events, 31, fork)
    table.insert(events, 31, fork)
    assert.equal("needless all", fault_of(facts))
    table.remove(events, 31)
    events[31] = gap("forked", facts.log[19], facts.log[21])
    assert.equal("gap all", fault_of(facts))
    table.insert(facts.followers.late.events, 2, gap("forked", facts.log[20], facts.log[21]))
    events[31] = fork
    assert.equal("needless late", fault_of(facts))
  end)
end)
