-- Recorded facts, falsified in one place: the checker must name each of them.
--
--   for mutant in fact_mutants.each(facts, random, 5) do … end     at most 5 of a kind, at places
--     mutant.name      what was done, and where              that the random stream chooses
--     mutant.facts     the facts with that done; nothing of the original is changed
--     mutant.kinds     the kinds of faults that name it: { skipped = true, … }
local fact_mutants = {}

local function copy_list(list)
  return table.move(list, 1, #list, 1, {})
end

local function copy_record(record)
  local copy = {}
  for name, value in pairs(record) do copy[name] = value end
  return copy
end

local function set_of(words)
  local set = {}
  for word in words:gmatch "%S+" do set[word] = true end
  return set
end

-- ---- what is done to a list at a place ---------------------------------------------------------

local function drop(list, place) table.remove(list, place) end

local function duplicate(list, place) table.insert(list, place, list[place]) end

local function swap(list, place) list[place], list[place + 1] = list[place + 1], list[place] end

-- The last digit of the tag is another one.
local function forge_id(list, place)
  local record = copy_record(list[place])
  local last = tonumber(record.id:sub(-1), 16)
  record.id = record.id:sub(1, -2) .. ("%x"):format((last + 1) % 16)
  list[place] = record
end

local function forge_text(list, place)
  local record = copy_record(list[place])
  record.text = record.text .. "?"
  list[place] = record
end

local function forget_outcome(list, place)
  local record = copy_record(list[place])
  record.id, record.code, record.ended = nil, nil, nil
  list[place] = record
end

local function count_wrongly(list, place)
  local record = copy_record(list[place])
  record.missing = record.missing + 1
  list[place] = record
end

-- ---- where -------------------------------------------------------------------------------------

local function is_message(list, place)
  return list[place].event == "message"
end

local function is_inner_message(list, place)
  return place > 1 and is_message(list, place)
end

local function are_messages(list, place)
  return is_message(list, place) and list[place + 1] and is_message(list, place + 1)
end

local function is_gap(list, place) return list[place].event == "gap" end

local function is_counted_gap(list, place) return is_gap(list, place) and list[place].missing end

local function has_next(list, place) return list[place + 1] ~= nil end

local function is_any() return true end

local function is_acknowledged(list, place) return list[place].id ~= nil end

-- An id that a writer was given twice over, or a swap of acknowledgements of one writer.
local function are_acknowledged(list, place)
  return is_acknowledged(list, place) and list[place + 1] and is_acknowledged(list, place + 1)
end

local MUTANTS = {
  followers = {
    { "a message is dropped", drop, is_inner_message, "skipped short gap fork" },
    { "a message comes twice", duplicate, is_message, "repeated" },
    { "two messages are swapped", swap, are_messages, "skipped unordered gap late" },
    { "a message's id is forged", forge_id, is_message, "forged skipped fork gap short" },
    { "a message's text is forged", forge_text, is_message, "forged" },
    { "a gap is dropped", drop, is_gap, "fork skipped" },
    { "a gap comes twice", duplicate, is_gap, "needless" },
    { "a gap's count is wrong", count_wrongly, is_counted_gap, "missing" },
  },
  log = {
    { "an entry is dropped", drop, has_next, "lost unlinked forged skipped fork" },
    { "an entry is there twice", duplicate, is_any, "twice" },
    { "two entries are swapped", swap, has_next, "unlinked" },
    { "an entry's id is forged", forge_id, is_any, "lost forged fork skipped short" },
    { "an entry's text is forged", forge_text, is_any, "forged" },
  },
  writers = {
    { "an id is forged", forge_id, is_acknowledged, "lost" },
    { "a text is forged", forge_text, is_acknowledged, "forged" },
    { "two calls are swapped", swap, are_acknowledged, "order" },
    { "an outcome is missing", forget_outcome, is_any, "hang" },
  },
}

local function places_for(list, is_fit)
  local places = {}
  for place = 1, #list do
    if is_fit(list, place) then places[#places + 1] = place end
  end
  return places
end

-- What was stored in a fork that is gone, or was trimmed, leaves no trace but one's own word.
local function may_be_silent(facts, section, mutant, list, place)
  local change, record, following = mutant[2], list[place], list[place + 1]
  local is_stored = facts.places[record.id]
  if section == "log" then
    return change == drop and facts.may_trim and place == 1
  elseif change == drop then
    return not is_stored and following and following.event == "gap"
  elseif change == swap and section == "writers" then
    return not is_stored or not facts.places[following.id]
  elseif change == forge_id and section == "writers" then
    return facts.may_fork or facts.may_trim
  end
  return (change == forge_id or change == forge_text) and not is_stored
end

local function replace(facts, section, name, list)
  local changed = copy_record(facts)
  if section == "log" then
    changed.log = list
    return changed
  end
  local field = section == "writers" and "says" or "events"
  changed[section] = copy_record(facts[section])
  changed[section][name] = copy_record(facts[section][name])
  changed[section][name][field] = list
  return changed
end

local function emit_list(facts, random, most, section, name, list)
  for _, mutant in ipairs(MUTANTS[section]) do
    local places = places_for(list, mutant[3])
    for _ = 1, math.min(most, #places) do
      local place = table.remove(places, random:integer(1, #places))
      if not may_be_silent(facts, section, mutant, list, place) then
        local changed = copy_list(list)
        mutant[2](changed, place)
        coroutine.yield {
          name = ("%s: %s at %d"):format(name, mutant[1], place),
          facts = replace(facts, section, name, changed),
          kinds = set_of(mutant[4]),
        }
      end
    end
  end
end

local function sorted_names(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function places_of(log)
  local places = {}
  for place, entry in ipairs(log) do places[entry.id] = place end
  return places
end

function fact_mutants.each(facts, random, most)
  facts = copy_record(facts)
  facts.places = places_of(facts.log)
  return coroutine.wrap(function()
    emit_list(facts, random, most, "log", "log", facts.log)
    for _, name in ipairs(sorted_names(facts.writers)) do
      emit_list(facts, random, most, "writers", name, facts.writers[name].says)
    end
    for _, name in ipairs(sorted_names(facts.followers)) do
      emit_list(facts, random, most, "followers", name, facts.followers[name].events)
    end
  end)
end

return fact_mutants
