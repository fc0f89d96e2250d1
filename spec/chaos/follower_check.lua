-- What one follower was given, held against the log: it is walked along with the events. See
-- checker.lua for the facts.
--
-- Kinds of faults: "skipped" (entries of the log that no gap covers), "repeated", "unordered",
-- "forged" (not in the log, or another body), "fork" (what is not in the log was not taken back by
-- a gap), "needless" (a gap over nothing), "gap" (from, to or the reason are not right), "missing"
-- (its count is not right), "short" (the end of the log was not reached), "late" (it began later
-- than it should).
local ids = require "spec.chaos.ids"

local follower_check = {}

-- Where the follower is:
--   place      of the log's entry that is due; nil: not known (it has not begun, or a gap led to
--              what has been trimmed since)
--   position   id of what it got last, or where it began; nil: it has not begun
--   ancestor   the last of these that is in the log, or where it began
--   strays     how many it got after that, which are not in the log
--   least_seq  after a fork that was longer than what it remembers: what it must get
--   gap        the gap that no message has come after yet
local function new_walk(facts, index, follower, figures, fault)
  local from = follower.from
  local place = from and (index[from] and index[from] + 1 or from == ids.ORIGIN and 1) or nil
  return {
    facts = facts, log = facts.log, index = index, figures = figures, fault = fault, seen = {},
    position = from, ancestor = from, place = place, strays = 0,
  }
end

-- ---- messages ----------------------------------------------------------------------------------

local function check_body(walk, entry, event)
  if entry.text ~= event.text or entry.user ~= event.user then
    walk.fault("forged", "%s came as %q of %s, and is %q of %s in the log", event.id,
      tostring(event.text), tostring(event.user), tostring(entry.text), tostring(entry.user))
  end
end

local function take_gap(walk, event)
  local gap = walk.gap
  walk.gap = nil
  if gap and gap.to and gap.to ~= event.id then
    walk.fault("gap", "the gap's end is %s, and what came next is %s", gap.to, event.id)
  end
  return gap
end

-- Of what has been trimmed only the seqs tell whether something is missing.
local function check_seq(walk, id, event, gap)
  local before = walk.position and ids.parse(walk.position)
  if before and not gap and id.seq ~= before.seq + 1 then
    walk.fault("skipped", "%s came after %s", event.id, walk.position)
  end
end

-- The first message after such a gap: what comes before it in the log must be below these seqs.
local function check_least(walk, place, event)
  local before = walk.log[place - 1]
  if walk.least_seq and before and ids.parse(before.id).seq >= walk.least_seq then
    walk.fault("gap", "%s came first after a fork, though all from seq %d on could be had",
      event.id, walk.least_seq)
  end
  walk.least_seq = nil
end

local function take_entry(walk, place, id, event, gap)
  check_body(walk, walk.log[place], event)
  check_least(walk, place, event)
  if walk.strays > 0 then
    walk.fault("fork", "%d messages up to %s are not in the log; %s came without a gap before it",
      walk.strays, walk.position, event.id)
  end
  local due = walk.place or place
  if place == due and walk.strays == 0 and not walk.index[walk.position] then
    check_seq(walk, id, event, gap)
  end
  if place > due then
    walk.fault("skipped", "%d entries from %s on: %s came after %s", place - due,
      walk.log[due].id, event.id, tostring(walk.position))
  elseif place < due then
    walk.fault("unordered", "%s came after %s", event.id, tostring(walk.position))
    return
  end
  walk.place, walk.strays, walk.ancestor = place + 1, 0, event.id
end

local function may_be_trimmed(walk, event)
  local first = walk.log[1]
  return walk.facts.may_trim and (not first or ids.is_before(event.id, first.id))
end

-- What is not in the log, and may be: its seq goes on from what came before, but after a gap.
local function take_stray(walk, id, event, gap)
  local is_trimmed = may_be_trimmed(walk, event)
  if not is_trimmed and not walk.facts.may_fork then
    return walk.fault("forged", "%s (%q) is not in the log", event.id, tostring(event.text))
  end
  check_seq(walk, id, event, gap)
  if is_trimmed then
    walk.ancestor, walk.place = event.id, 1
  else
    walk.strays = walk.strays + 1
  end
end

local function on_message(walk, event)
  walk.figures.delivered = walk.figures.delivered + 1
  local id = ids.parse(event.id)
  if not id then return walk.fault("forged", "a message has the id %q", tostring(event.id)) end
  if walk.seen[event.id] then
    return walk.fault("repeated", "%s came again after %s", event.id, walk.position)
  end
  walk.seen[event.id] = true
  local gap = take_gap(walk, event)
  local place = walk.index[event.id]
  if place then
    take_entry(walk, place, id, event, gap)
  else
    take_stray(walk, id, event, gap)
  end
  walk.position = event.id
end

-- ---- gaps --------------------------------------------------------------------------------------

-- `missing` against the seqs at both ends; 0 where the log has all between them.
local function check_missing(walk, gap)
  if gap.missing == nil then return end
  local from, to = ids.parse(gap.from), ids.parse(gap.to)
  if math.type(gap.missing) ~= "integer" or gap.missing < 0 or not to then
    return walk.fault("missing", "it is %s from %s to %s", tostring(gap.missing), gap.from,
      tostring(gap.to))
  end
  local count = to.seq - from.seq - 1
  if count ~= gap.missing then
    walk.fault("missing", "it is %d from %s to %s, where %d are", gap.missing, gap.from, gap.to,
      count)
  end
end

-- The entries that it covers can't be had any more: none of them is in the log.
local function check_covered(walk, gap)
  local to = gap.to and walk.index[gap.to]
  local due = walk.place or walk.index[gap.from] and walk.index[gap.from] + 1 or 1
  if to and to > due then
    walk.fault("gap", "%s to %s: %d entries between them are in the log", gap.from, gap.to,
      to - due)
  elseif to and to < due then
    walk.fault("gap", "%s to %s: it goes back", gap.from, gap.to)
  end
end

-- It remembers less than what came since the fork: the gap begins with what came last, and covers
-- those entries of the log whose seqs are below all that it remembers (see take_entry).
local function on_forgotten(walk)
  walk.least_seq = ids.parse(walk.position).seq - walk.facts.remembers + 1
  walk.place = nil
end

-- With its beginning trimmed, the log does not tell any more what was forked.
local function on_forked(walk, gap)
  local is_known = not walk.facts.may_trim
  local remembers = walk.facts.remembers
  if is_known and remembers and walk.strays >= remembers and gap.from == walk.position then
    return on_forgotten(walk)
  end
  if walk.strays == 0 and is_known then
    return walk.fault("needless", "forked from %s: all that came is in the log", gap.from)
  end
  if not is_known and not walk.seen[gap.from] then
    walk.fault("gap", "forked from %s, which never came", gap.from)
  elseif is_known and gap.from ~= walk.ancestor then
    walk.fault("gap", "forked from %s, but %s is the last that is in the log", gap.from,
      tostring(walk.ancestor))
  end
  check_covered(walk, gap)
end

local function on_trimmed(walk, gap)
  if walk.position and gap.from ~= walk.position then
    walk.fault("gap", "trimmed from %s, but %s came last", gap.from, walk.position)
  end
  check_covered(walk, gap)
  if gap.missing == 0 then walk.fault("needless", "from %s to %s", gap.from, tostring(gap.to)) end
  walk.place = gap.to and walk.index[gap.to] or 1
end

local function is_expected(facts, reason)
  return reason == "forked" and facts.may_fork or
    reason == "trimmed" and (facts.may_trim or facts.may_fork)
end

local function on_gap(walk, gap)
  walk.figures.gaps = walk.figures.gaps + 1
  if not ids.parse(gap.from) or gap.to ~= nil and not ids.parse(gap.to) then
    return walk.fault("gap", "from %s to %s", tostring(gap.from), tostring(gap.to))
  end
  if walk.gap then
    walk.fault("needless", "a second gap from %s: nothing came since that from %s", gap.from,
      walk.gap.from)
  end
  if not is_expected(walk.facts, gap.reason) then
    return walk.fault("needless", "%s from %s to %s", tostring(gap.reason), gap.from,
      tostring(gap.to))
  end
  check_missing(walk, gap)
  if gap.reason == "forked" then on_forked(walk, gap) else on_trimmed(walk, gap) end
  walk.strays, walk.gap, walk.position, walk.ancestor = 0, gap, gap.from, gap.from
end

-- ---- the end -----------------------------------------------------------------------------------

local function check_begin(walk, follower)
  local first = follower.sees and walk.index[follower.sees]
  for _, event in ipairs(follower.events) do
    local place = event.event == "message" and walk.index[event.id]
    if place then
      if first and place > first then
        walk.fault("late", "it began with %s, and %s had been said", event.id, follower.sees)
      end
      return
    end
  end
end

local function check_end(walk)
  local last = walk.log[#walk.log]
  if walk.strays > 0 then
    walk.fault("fork", "%d messages up to %s are not in the log, and no gap says so", walk.strays,
      walk.position)
  elseif last and walk.position ~= last.id then
    walk.fault("short", "it ends with %s, the log with %s", tostring(walk.position), last.id)
  end
end

function follower_check.run(facts, index, follower, figures, fault)
  local walk = new_walk(facts, index, follower, figures, fault)
  for _, event in ipairs(follower.events) do
    if event.event == "message" then
      on_message(walk, event)
    elseif event.event == "gap" then
      on_gap(walk, event)
    elseif event.event == "reconnect" then
      figures.reconnects = figures.reconnects + 1
    end
  end
  check_begin(walk, follower)
  check_end(walk)
end

return follower_check
