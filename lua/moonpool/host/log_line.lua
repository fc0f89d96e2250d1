--- One line of the log, as text for people or as JSON for programs. What others wrote cannot make
--- it look like another line, nor steer a terminal.
local json_line = require "moonpool.cli.json_line"
local terminal = require "moonpool.cli.terminal"
local to_utf8 = require("moonpool.text").to_utf8

local log_line = {}

local neutralise = terminal.neutralise

-- Fields in the order in which they are shown; others follow by name.
local ORDER = { "room", "channel", "user", "event", "id", "code", "reason" }
local HIDDEN = { script = true, trace = true } -- they have places of their own
for _, name in ipairs(ORDER) do HIDDEN[name] = true end

-- Calls fn for each field besides script and trace.
local function each_field(fields, fn)
  for _, name in ipairs(ORDER) do
    if fields[name] ~= nil then fn(name, fields[name]) end
  end
  local others = {}
  for name in pairs(fields) do
    if not HIDDEN[name] then others[#others + 1] = name end
  end
  table.sort(others)
  for _, name in ipairs(others) do fn(name, fields[name]) end
end

-- Seconds since 1970 as RFC 3339 in UTC, to the millisecond.
local last_second, last_date
local function timestamp(time)
  local milliseconds = math.floor(time * 1000)
  local second = milliseconds // 1000
  if second ~= last_second then
    last_second, last_date = second, os.date("!%Y-%m-%dT%H:%M:%S", second)
  end
  return ("%s.%03dZ"):format(last_date, milliseconds % 1000)
end

-- ---- text --------------------------------------------------------------------------------------

-- A field's value: bare when it is one plain word, else in quotes.
local function shown(value)
  local words = neutralise(tostring(value))
  if words:find '^[^%s"=]+$' then return words end
  return '"' .. words:gsub('["\\]', "\\%0") .. '"'
end

-- A traceback's lines; indented, they cannot be taken for lines of the log.
local function append_trace(parts, trace)
  for line in trace:gmatch "[^\n]+" do
    parts[#parts + 1] = "\n    " .. neutralise(line:gsub("^\t", "  "))
  end
end

--- `2026-11-23T14:03:05.250Z error dice: it failed room=chatty id=1795…`, then the traceback.
---@param time number seconds since 1970
---@param level string
---@param message string
---@param fields table<string, any>
---@return string line with its line feed
function log_line.text(time, level, message, fields)
  local parts = { timestamp(time), " ", level, " " }
  if fields.script then parts[#parts + 1] = neutralise(tostring(fields.script)) .. ": " end
  parts[#parts + 1] = neutralise(message)
  each_field(fields, function(name, value)
    parts[#parts + 1] = (" %s=%s"):format(name, shown(value))
  end)
  if fields.trace then append_trace(parts, fields.trace) end
  parts[#parts + 1] = "\n"
  return table.concat(parts)
end

-- ---- JSON --------------------------------------------------------------------------------------

-- What JSON allows and a terminal would obey: DEL, C1, and what reorders text.
local function escape(char) return ("\\u%04x"):format(utf8.codepoint(char)) end

local function quote(bytes)
  local quoted = json_line.quote(to_utf8(bytes)):gsub("\127", escape)
  quoted = quoted:gsub("\xC2[\x80-\x9F]", escape)
  quoted = quoted:gsub("\xE2\x80[\x8E\x8F\xA8-\xAE]", escape)
  return (quoted:gsub("\xE2\x81[\xA6-\xA9]", escape))
end

local function encode(value)
  if math.type(value) == "integer" or type(value) == "boolean" then return tostring(value) end
  if type(value) == "number" and value == value and math.abs(value) < math.huge then
    return ("%.14g"):format(value)
  end
  return quote(tostring(value))
end

--- One JSON object: time (a text), level, script, message, the other fields, trace.
---@return string line with its line feed
function log_line.json(time, level, message, fields)
  local parts = { ('{"time":"%s","level":"%s"'):format(timestamp(time), level) }
  local function add(name, value)
    parts[#parts + 1] = (",%s:%s"):format(quote(name), encode(value))
  end
  if fields.script then add("script", fields.script) end
  add("message", message)
  each_field(fields, add)
  if fields.trace then add("trace", fields.trace) end
  parts[#parts + 1] = "}\n"
  return table.concat(parts)
end

return log_line
