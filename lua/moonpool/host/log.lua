--- The host's log: lines with a level, a message and fields, as text or JSON, on standard error.
--- docs/config.md says how they look.
local moonpool = require "moonpool"
local log_line = require "moonpool.host.log_line"
local log_repeats = require "moonpool.host.log_repeats"

local log = {}

local LEVELS = { debug = 1, info = 2, warning = 3, error = 4 }
local FORMATS = { text = log_line.text, json = log_line.json }

---@alias moonpool.host.log.level "debug"|"info"|"warning"|"error"

---@class moonpool.host.log
---@field package format fun(time: number, level: string, message: string, fields: table): string
---@field package threshold integer
---@field package put fun(line: string)
---@field package time fun(): number
---@field package now fun(): number
---@field package repeats moonpool.host.log_repeats
---@field package within number
---@field package later fun(seconds: number, fn: fun()): { close: fun(self) }
---@field package timer table? until what was left out is told
local methods = {}
local mt = { __name = "moonpool.host.log", __index = methods }

local NONE = {}

-- The first line is the message; what follows, a traceback mostly, is one field.
local function split(message, fields)
  local first, rest = message:match "^([^\n]*)\n(.*)$"
  if not first or fields.trace then return message, fields end
  local copy = { trace = rest }
  for name, value in pairs(fields) do copy[name] = value end
  return first, copy
end

local function tell_left_out(self, kind)
  self.put(self.format(self.time(), kind.level,
    ("%d more like it were left out: %s"):format(kind.left_out, kind.message),
    { script = kind.script, event = kind.event }))
end

local function flush_later(self)
  if self.timer then return end
  self.timer = self.later(self.within, function()
    self.timer:close()
    self.timer = nil
    self.repeats:flush(self.now() - self.within)
    if self.repeats:has_left_out() then flush_later(self) end
  end)
end

--- Writes a line, unless its level is below the log's, or there were too many like it of late.
---@param level moonpool.host.log.level
---@param message string from its second line on it is the field `trace`
---@param fields? table<string, string|number|boolean> script, room, user, id, event, trace…
function methods:write(level, message, fields)
  local rank = LEVELS[level] or error(("log: there is no level %q"):format(tostring(level)), 2)
  if rank < self.threshold then return end
  message, fields = split(tostring(message), fields or NONE)
  local is_let_through, is_first = self.repeats:take(self.now(), level, message, fields)
  if is_let_through then self.put(self.format(self.time(), level, message, fields)) end
  if is_first then flush_later(self) end
end

--- Sets from which level on lines are written, and tells which it was.
---@param level? moonpool.host.log.level nil: it stays
---@return moonpool.host.log.level before
function methods:level(level)
  local before
  for name, rank in pairs(LEVELS) do
    if rank == self.threshold then before = name end
  end
  if level then
    self.threshold = LEVELS[level] or error(("log: there is no level %q"):format(level), 2)
  end
  return before
end

--- Tells at once what was left out. The log can still be used.
function methods:flush()
  if self.timer then self.timer:close() end
  self.timer = nil
  self.repeats:flush(nil)
end

local function write_to_standard_error(line) io.stderr:write(line) end

---@class moonpool.host.log.options
---@field format? "text"|"json" "text"
---@field level? moonpool.host.log.level "info"
---@field repeats? integer lines of a kind that are written within `within` seconds (10; 0: all)
---@field within? number seconds (10)
---@field write? fun(line: string) gets whole lines; standard error
---@field time? fun(): number seconds since 1970
---@field now? fun(): number seconds of a clock that only goes forward
---@field later? fun(seconds: number, fn: fun()): table calls fn after that time; `:close()`

---@param options? moonpool.host.log.options
---@return moonpool.host.log
function log.new(options)
  options = options or {}
  local self = setmetatable({
    format = FORMATS[options.format or "text"] or error("log: format: text or json is needed", 2),
    threshold = LEVELS[options.level or "info"] or error("log: there is no such level", 2),
    put = options.write or write_to_standard_error, time = options.time or moonpool.time,
    now = options.now or moonpool.now, within = options.within or 10,
    later = options.later or moonpool.timer,
  }, mt)
  self.repeats = log_repeats.new(options.repeats or 10, self.within,
    function(kind) tell_left_out(self, kind) end)
  return self
end

return log
