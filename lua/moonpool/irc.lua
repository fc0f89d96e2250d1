--- Reads IRC logs, one line at a time:
---
---     [09:15] <nick> text                                a message
---     [13:56]  * nick text    or     * nick text         an action
---     === nick [address]  has joined #channel            a join
---     === nick [address]  has left #channel ["reason"]   a leave
---     === nick is now known as other                     a rename
---
--- Everything else that starts with `===` (topics, modes, netsplits) is an event of IRC's own.
--- Names may hold any printable byte and texts any byte: both are kept as they are, spaces too
--- (some loggers write a space after each `]`, so that the user `zcat[1]` is `<zcat[1] >`).
---@class moonpool.irc
local irc = {}

---@class moonpool.irc.event
---@field type "message"|"action"|"join"|"leave"|"rename"
---@field user string
---@field text string? of messages and actions; may be empty
---@field to string? of renames: the new name
---@field minute integer? minutes since midnight, where the line has a time

local function minute_of(hour, minute)
  hour, minute = tonumber(hour), tonumber(minute)
  if hour > 23 or minute > 59 then return nil end
  return hour * 60 + minute
end

-- What follows "[HH:MM]" in messages and actions: (.*) takes the text byte for byte, after the one
-- space that separates it.
local MESSAGE = "^%[(%d%d):(%d%d)%] <([^>]+)> ?(.*)$"
local TIMED_ACTION = "^%[(%d%d):(%d%d)%]  ?%* (%S+) ?(.*)$"
local ACTION = "^ %* (%S+) ?(.*)$"

-- A name may hold brackets, so the address is the last bracket with an at sign.
local JOIN = "^=== (.+) %[[^@]*@[^@]*%] +has joined %S+$"
local LEAVE = "^=== (.+) %[[^@]*@[^@]*%] +has left %S+"
local RENAME = "^=== (.+) is now known as (.+)$"

local function parse_timed(line)
  local type = "message"
  local hour, minute, user, text = line:match(MESSAGE)
  if not hour then
    type = "action"
    hour, minute, user, text = line:match(TIMED_ACTION)
  end
  local at = hour and minute_of(hour, minute)
  if not at then return nil, "unparsable" end
  return { type = type, user = user, text = text, minute = at }
end

local function parse_action(line)
  local user, text = line:match(ACTION)
  if not user then return nil, "unparsable" end
  return { type = "action", user = user, text = text }
end

local function parse_event(line)
  local user = line:match(JOIN)
  if user then return { type = "join", user = user } end
  user = line:match(LEAVE)
  if user then return { type = "leave", user = user } end
  local from, to = line:match(RENAME)
  if from then return { type = "rename", user = from, to = to } end
  return nil, "event"
end

--- What one line of a log says.
---@param line string without its line feed; a trailing carriage return is dropped
---@return moonpool.irc.event? event
---@return "event"|"unparsable"|nil reason why there is none: another `===` line, or none of a log
function irc.parse(line)
  if line:byte(-1) == 13 then line = line:sub(1, -2) end
  local first = line:byte()
  if first == 91 then return parse_timed(line) end -- "["
  if line:sub(1, 4) == "=== " then return parse_event(line) end
  return parse_action(line)
end

return irc
