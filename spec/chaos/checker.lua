-- The checker of the chaos run: what the promises of rooms make of recorded facts. Pure: no Redis,
-- no clock, no moonpool.
--
--   local result = require("spec.chaos.checker").check(facts)
--   result.faults     { { kind =, who =, text = }, … }; empty: every promise was kept
--   result.figures    entries, says, acknowledged, refused, lost (acknowledged, gone in a fork),
--                     delivered, gaps, reconnects
--   checker.describe(result.faults, 10)    the first of them, one a line
--
-- facts:
--   log         the history as XRANGE gives it in the end, oldest first:
--               { { id =, user =, text = }, … }
--   writers     by name: { says = { SAY, … } in the order of the calls; awaits = true: each say was
--               completed before the next one }
--     SAY       { text =, user =, id = (acknowledged) or code =, late = seconds after its deadline,
--               is_durable = true: a failover must not lose it; ended = true: it was completed }
--   followers   by name: { events = { … } as the handlers got them; from = the id after which it
--               began, nil: with its first message; sees = an id that was said after it had begun }
--     event     { event = "message", id =, user =, text = }, { event = "gap", from =, to =,
--               missing =, reason = }, or any other, which is only counted
--   may_fork    a replica without the tail was promoted: what was acknowledged may be gone, and
--               followers may have seen it
--   remembers   how many messages followers remember: of a fork that is longer, they do not know
--               where it began; nil: forks are shorter
--   may_trim    the history lost its beginning during the run (keep, FLUSHALL)
--   late        seconds that a say may take past its deadline; default 15: machines are busy
--
-- Texts are unique: one text was said under one key.
--
-- Kinds of faults: of the log "unlinked" (seq has a hole, or ms went back), "twice" (two entries of
-- one key); of writers "lost", "forged" (another message has its id), "order", "hang"; of followers
-- those of follower_check.lua.
local follower_check = require "spec.chaos.follower_check"
local ids = require "spec.chaos.ids"

local checker = {}

local LATE = 15
local LINE = 300 -- bytes of a fault that are shown

local function add(result, kind, who, format, ...)
  local faults = result.faults
  faults[#faults + 1] = { kind = kind, who = who, text = format:format(...) }
end

-- ---- the log -----------------------------------------------------------------------------------

local function check_link(result, before, id, text)
  if not before then return end
  if id.seq ~= before.seq + 1 then
    add(result, "unlinked", "log", "%s: seq %d comes after %d", text, id.seq, before.seq)
  end
  if id.ms < before.ms then
    add(result, "unlinked", "log", "%s: ms %d comes after %d", text, id.ms, before.ms)
  end
end

local function index_log(result, log)
  local index, by_text, before = {}, {}, nil
  for place, entry in ipairs(log) do
    local id = ids.parse(entry.id)
    if not id then
      add(result, "unlinked", "log", "entry %d has no id, but %q", place, tostring(entry.id))
    else
      check_link(result, before, id, entry.id)
      before = id
    end
    if by_text[entry.text] then
      add(result, "twice", "log", "%q is entry %d and %d", entry.text, by_text[entry.text], place)
    end
    by_text[entry.text] = by_text[entry.text] or place
    index[entry.id] = place
  end
  return index, by_text
end

-- ---- writers -----------------------------------------------------------------------------------

local function is_trimmed(facts, id)
  local first = facts.log[1]
  return facts.may_trim and (not first or ids.is_before(id, first.id))
end

local function check_acknowledged(result, facts, index, who, say)
  if not ids.parse(say.id) then
    return add(result, "forged", who, "%q was given the id %q", say.text, tostring(say.id))
  end
  local place = index[say.id]
  if place then
    local entry = facts.log[place]
    if entry.text ~= say.text or entry.user ~= say.user then
      add(result, "forged", who, "%s is %q of %s in the log, and was %q of %s", say.id, entry.text,
        tostring(entry.user), say.text, tostring(say.user))
    end
  elseif is_trimmed(facts, say.id) then
    return
  elseif facts.may_fork and not say.is_durable then
    result.figures.lost = result.figures.lost + 1
  else
    add(result, "lost", who, "%q was acknowledged as %s, which is not in the log", say.text, say.id)
  end
end

local function check_end(result, facts, who, say)
  if not say.ended then
    add(result, "hang", who, "%q was never completed", say.text)
  elseif say.late and say.late > (facts.late or LATE) then
    add(result, "hang", who, "%q was completed %.1f s after its deadline", say.text, say.late)
  end
end

local function check_writer(result, facts, index, by_text, who, writer)
  local figures, last, last_text = result.figures, 0, nil
  for _, say in ipairs(writer.says) do
    check_end(result, facts, who, say)
    figures.says = figures.says + 1
    if say.id then
      figures.acknowledged = figures.acknowledged + 1
      check_acknowledged(result, facts, index, who, say)
    else
      figures.refused = figures.refused + 1
    end
    local place = (say.id or writer.awaits) and by_text[say.text]
    if place and place < last then
      add(result, "order", who, "%q is entry %d, and %q, said after it, entry %d", last_text, last,
        say.text, place)
    elseif place then
      last, last_text = place, say.text
    end
  end
end

-- ---- all ---------------------------------------------------------------------------------------

local function sorted_names(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

function checker.check(facts)
  local result = {
    faults = {},
    figures = { entries = #facts.log, says = 0, acknowledged = 0, refused = 0, lost = 0,
      delivered = 0, gaps = 0, reconnects = 0 },
  }
  local index, by_text = index_log(result, facts.log)
  for _, name in ipairs(sorted_names(facts.writers)) do
    check_writer(result, facts, index, by_text, name, facts.writers[name])
  end
  for _, name in ipairs(sorted_names(facts.followers)) do
    follower_check.run(facts, index, facts.followers[name], result.figures,
      function(kind, format, ...) add(result, kind, name, format, ...) end)
  end
  return result
end

---@param faults table[]
---@param most integer?
---@return string
function checker.describe(faults, most)
  local lines = {}
  for number = 1, math.min(#faults, most or 10) do
    local fault = faults[number]
    local text = fault.text
    if #text > LINE then text = text:sub(1, LINE // 2) .. " … " .. text:sub(-LINE // 2) end
    lines[number] = ("%s: %s: %s"):format(fault.kind, fault.who, text)
  end
  if #faults > #lines then lines[#lines + 1] = ("… and %d more"):format(#faults - #lines) end
  return table.concat(lines, "\n")
end

return checker
