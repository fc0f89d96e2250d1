--- Events of rooms as lines for people: when, where, who, what; in colours on a terminal.
local system = require("moonpool.core").system
local terminal = require "moonpool.cli.terminal"

local room_line = {}

-- Foregrounds that are legible on light and dark: of the 256 colours, those of medium brightness.
local COLOURS = { 32, 35, 37, 64, 69, 71, 98, 103, 131, 133, 136, 137, 139, 166, 168, 172 }
local DIM, RESET = "\27[2m", "\27[0m"
local WARNING = "\27[33m"

-- The same colour for the same name, everywhere and always (FNV-1a).
local function colour_of(name)
  local hash = 2166136261
  for index = 1, #name do hash = (hash ~ name:byte(index)) * 16777619 & 0xFFFFFFFF end
  return COLOURS[hash % #COLOURS + 1]
end

--- Whether lines on that descriptor are to be coloured: it is a terminal that can, and NO_COLOR is
--- not set (no-color.org).
---@param fd integer
---@return boolean
function room_line.wants_colours(fd)
  local refused, term = os.getenv "NO_COLOR", os.getenv "TERM"
  return system.isatty(fd) and (not refused or refused == "") and term ~= "dumb"
end

-- ---- what is said -------------------------------------------------------------------------------

local FORMATS = {
  message = function(user, message) return ("<%s> %s"):format(user, message.text or "") end,
  action = function(user, message) return ("* %s %s"):format(user, message.text or "") end,
  join = function(user) return ("-- %s joined"):format(user) end,
  leave = function(user) return ("-- %s left"):format(user) end,
  rename = function(user, message)
    return ("-- %s is now known as %s"):format(user, message.to or "somebody else")
  end,
  delete = function(user, message)
    return ("-- %s deleted the message %s"):format(user, message.target or "")
  end,
  clear = function(user) return ("-- %s cleared the history"):format(user) end,
  typing = function(user) return ("-- %s is typing"):format(user) end,
  destroy = function() return "-- the room was destroyed" end,
}

local function describe_other(user, message)
  local line = ("-- %s: %s"):format(user, message.type)
  return message.text and line .. ": " .. message.text or line
end

--- One line that shows a message or a signal, whatever it holds; without colours and time.
---@param message moonpool.message|table
---@return string
function room_line.plain(message)
  local user = message.user or "somebody"
  return terminal.neutralise((FORMATS[message.type] or describe_other)(user, message))
end

--- What a feed tells of itself.
---@param event table what a handler of "gap", "reconnect", "error" gets
---@return string
function room_line.describe(event)
  if event.event == "gap" then
    local count = event.missing
    local what = not count and "some messages" or count == 1 and "1 message" or count .. " messages"
    local line = ("missed %s (%s)"):format(what, event.reason)
    return event.to and line or line .. "; nothing has come after them yet"
  elseif event.event == "reconnect" then
    return "connected again"
  end
  return terminal.neutralise(event.message or event.event)
end

-- ---- lines --------------------------------------------------------------------------------------

---@class moonpool.cli.room_line
---@field package has_colours boolean
---@field package has_rooms boolean
---@field package day string? of the last line, when days are told in lines of their own
local line_methods = {}
local line_mt = { __name = "moonpool.cli.room_line", __index = line_methods }

local function paint(self, style, text)
  if not self.has_colours then return text end
  return style .. text .. RESET
end

local function paint_name(self, name, text)
  return paint(self, ("\27[38;5;%dm"):format(colour_of(name)), text)
end

-- The time of a line, and before it the day where that is another one than that of the last line.
local function stamp(self, at)
  local whole = math.floor(at)
  if not self.has_colours then return os.date("%Y-%m-%d %H:%M:%S ", whole) end
  local day = os.date("%Y-%m-%d", whole)
  local text = paint(self, DIM, os.date("%H:%M:%S ", whole))
  if day == self.day then return text end
  self.day = day
  return paint(self, DIM, "-- " .. day) .. "\n" .. text
end

local function room_prefix(self, room)
  if not self.has_rooms or not room then return "" end
  return paint_name(self, room, terminal.neutralise(room)) .. " "
end

-- The plain line with its user's name painted.
local function paint_user(self, message)
  local line = room_line.plain(message)
  local user = terminal.neutralise(message.user or "somebody")
  if not self.has_colours then return line end
  if message.type ~= "message" and message.type ~= "action" then return paint(self, DIM, line) end
  local at = line:find(user, 1, true)
  local past = at + #user
  if message.type == "message" then at, past = at - 1, past + 1 end
  return line:sub(1, at - 1) .. paint_name(self, user, line:sub(at, past - 1)) .. line:sub(past)
end

--- The line, or lines where a day begins, of a message or a signal.
---@param message moonpool.message
---@param now number seconds since 1970, for what has no time of its own
---@return string with its line end
function line_methods:message(message, now)
  return stamp(self, message.at or now) .. room_prefix(self, message.room)
    .. paint_user(self, message) .. "\n"
end

--- The line of a gap, a reconnect or an error.
---@param event table
---@param now number
---@return string with its line end
function line_methods:feed(event, now)
  local text = "-- " .. room_line.describe(event)
  local style = event.event == "reconnect" and DIM or WARNING
  return stamp(self, now) .. room_prefix(self, event.room) .. paint(self, style, text) .. "\n"
end

--- Makes lines of one output.
---@param options { colours: boolean, rooms: boolean? } rooms: each line names its room
---@return moonpool.cli.room_line
function room_line.new(options)
  return setmetatable({ has_colours = options.colours, has_rooms = options.rooms or false },
    line_mt)
end

return room_line
