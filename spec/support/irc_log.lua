-- IRC logs made up by the page, always the same for the same seed: chatter with all that real logs
-- have in them (brackets and spaces in names, control characters, UTF-8, empty texts, repeated
-- lines, events of IRC's own, lines that are none).
--
--   local irc_log = require "spec.support.irc_log"
--   local log = irc_log.generate { lines = 20000, seed = 1 }
--   log.text                  the whole file
--   log.events                { { type =, user =, text =, to = }, … } in order: what is published
--   log.counts                lines by kind: message, action, join, leave, rename, event,
--                             unparsable
local irc_log = {}

local WORDS = {
  "the", "pool", "kernel", "is", "not", "a", "submarine", "but", "sudo", "apt-get", "install",
  "coffee", "why", "does", "my", "{\"json\"}", "back\\slash", "\"quoted\"", "ünïcode", "日本語", "🌙",
  "<b>", "&amp;", "tab\there", "bell\7", "\27[31mred\27[0m", "%s%d", "null", "1795370768235123",
  "\127", "!help", "/etc/fstab", "\8<\8nick\8>\8", "\u{2028}", "",
}

local NAMES = {
  "ann", "|QuaD-", "]Alex[", "zcat[1] ", "N}{N[] O", "`anthony", "x-spec-t", "^_^", "Guard] [an",
  "a\\b", "0xFF",
}

-- A generator of numbers from 1 to n: the same in every run.
local function new_dice(seed)
  local state = seed
  return function(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return math.floor(state / 65536) % n + 1
  end
end

local function new_writer(dice)
  local writer = { lines = {}, events = {}, counts = {}, minute = 0 }

  function writer.user()
    local name = NAMES[dice(#NAMES)]
    return dice(2) == 1 and name or "u" .. dice(500) .. name
  end

  function writer.nick()
    return (writer.user():gsub(" ", ""))
  end

  function writer.text()
    local words = {}
    for index = 1, dice(12) - 1 do words[index] = WORDS[dice(#WORDS)] end
    return table.concat(words, " ")
  end

  function writer.stamp()
    if dice(20) == 1 then writer.minute = (writer.minute + dice(3)) % 1440 end
    return ("[%02d:%02d]"):format(math.floor(writer.minute / 60), writer.minute % 60)
  end

  function writer.add(kind, line, event)
    writer.lines[#writer.lines + 1] = line
    writer.counts[kind] = (writer.counts[kind] or 0) + 1
    if event then
      event.type = kind
      writer.events[#writer.events + 1] = event
    end
  end

  return writer
end

local kinds = {}

function kinds.message(writer)
  local user, text = writer.user(), writer.text()
  writer.add("message", ("%s <%s> %s"):format(writer.stamp(), user, text),
    { user = user, text = text })
end

function kinds.action(writer)
  local user, text = writer.nick(), writer.text()
  local stamp = writer.minute % 2 == 0 and writer.stamp() .. " " or ""
  writer.add("action", ("%s * %s %s"):format(stamp, user, text), { user = user, text = text })
end

function kinds.join(writer)
  local user = writer.user()
  writer.add("join", ("=== %s [n=~x@host[1].example]  has joined #pool"):format(user),
    { user = user })
end

function kinds.leave(writer)
  local user = writer.user()
  writer.add("leave", ("=== %s [n=[cc] x@host.example]  has left #pool [\"bye\"]"):format(user),
    { user = user })
end

function kinds.rename(writer)
  local user, to = writer.user(), writer.user()
  writer.add("rename", ("=== %s is now known as %s"):format(user, to), { user = user, to = to })
end

function kinds.event(writer)
  writer.add("event", "=== mode/#pool [+o ann]  by ChanServ")
end

function kinds.unparsable(writer)
  writer.add("unparsable", writer.stamp() .. " -server:#pool- a notice")
end

-- How often a kind comes, in 1000 lines.
local SHARES = {
  { 860, kinds.message }, { 20, kinds.action }, { 70, kinds.join }, { 20, kinds.leave },
  { 20, kinds.rename }, { 6, kinds.event }, { 4, kinds.unparsable },
}

local function pick_kind(number)
  for _, share in ipairs(SHARES) do
    number = number - share[1]
    if number <= 0 then return share[2] end
  end
end

---@param options { lines: integer, seed: integer? }
function irc_log.generate(options)
  local dice = new_dice(options.seed or 1)
  local writer = new_writer(dice)
  for _ = 1, options.lines do pick_kind(dice(1000))(writer) end
  return {
    text = table.concat(writer.lines, "\n") .. "\n", events = writer.events, counts = writer.counts,
  }
end

return irc_log
