--- Reads IRC logs one after the other: their events, how far it has come, what it counted.
local irc = require "moonpool.irc"

local irc_reader = {}

---@class moonpool.irc_reader
---@field counts table<string, integer> lines by what they are: "message", "action", "join",
--- "leave", "rename", "event" (another of IRC's own), "unparsable"
---@field lines integer read so far
---@field bytes integer read so far
---@field total_bytes integer? of all files; nil when one is no plain file
---@field file_index integer which file the last event is from
---@field line integer its line there
---@field package sources table[] of `{ path =, size =, handle = }`
local reader_methods = {}
local reader_mt = { __name = "moonpool.irc_reader", __index = reader_methods }

-- Opens a file and reads a bit of it, so that a folder or an unreadable file shows. What can be
-- opened again is closed: there may be more logs than a process may open at once.
local function open_source(path)
  if path == "-" then return { path = "standard input", handle = io.stdin } end
  local handle, message = io.open(path, "rb")
  if not handle then return nil, message end
  local size = handle:seek "end"
  if not size then return { path = path, handle = handle } end
  handle:seek("set", 0)
  local _, problem = handle:read(0)
  handle:close()
  if problem then return nil, ("%s: %s"):format(path, problem) end
  return { path = path, size = size }
end

--- Prepares to read files; all of them are opened once now.
---@param paths string[] "-" is standard input
---@return moonpool.irc_reader?
---@return string? message names the file that cannot be read
function irc_reader.open(paths)
  local sources, total = {}, 0
  for index, path in ipairs(paths) do
    local source, message = open_source(path)
    if not source then return nil, message end
    sources[index] = source
    total = total and source.size and total + source.size
  end
  local counts = {
    message = 0, action = 0, join = 0, leave = 0, rename = 0, event = 0, unparsable = 0,
  }
  return setmetatable({
    sources = sources, counts = counts, total_bytes = total,
    file_index = 0, line = 0, lines = 0, bytes = 0,
  }, reader_mt)
end

--- The path of the file that is being read.
---@return string
function reader_methods:path()
  local index = math.max(1, math.min(self.file_index, #self.sources))
  return self.sources[index].path
end

local function open_next(self)
  self.file_index, self.line = self.file_index + 1, 0
  local source = self.sources[self.file_index]
  if not source then return nil end
  if not source.handle then
    local message
    source.handle, message = io.open(source.path, "rb")
    if not source.handle then return nil, message end
  end
  self.handle = source.handle
  return true
end

-- The next line, of the next file when this one has ended.
local function next_line(self)
  while true do
    if self.handle then
      local line, problem = self.handle:read "L"
      if line then return line end
      if problem then return nil, ("%s: %s"):format(self:path(), problem) end
      self.handle:close()
      self.handle = nil
    end
    local ok, message = open_next(self)
    if not ok then return nil, message end
  end
end

--- The next event of the logs, in their order.
---@return moonpool.irc.event? event nil at the end
---@return string? message when a file could not be read after all
function reader_methods:next()
  while true do
    local line, message = next_line(self)
    if not line then return nil, message end
    self.lines, self.line, self.bytes = self.lines + 1, self.line + 1, self.bytes + #line
    if line:byte(-1) == 10 then line = line:sub(1, -2) end
    local event, reason = irc.parse(line)
    local kind = event and event.type or reason
    self.counts[kind] = self.counts[kind] + 1
    if event then return event end
  end
end

return irc_reader
