--- What is wrong with a configuration: all of it, each with its place, to be told at once.
local problems = {}

---@class moonpool.host.problems
---@field list string[] whole messages
---@field package file string? what they begin with
---@field package text string? the file's, to find lines in
local methods = {}
local mt = { __name = "moonpool.host.problems", __index = methods }

-- Comments and strings, their line breaks kept: names in them are no settings.
local function without_comments(text)
  local function blank(piece) return (piece:gsub("[^\n]", " ")) end
  text = text:gsub("%-%-%[(=*)%[.-%]%1%]", blank)
  return (text:gsub("%-%-[^\n]*", blank))
end

-- The line where the name is given a value, when there is only one such place.
local function line_of(text, name)
  local found
  for at in text:gmatch("()%f[%w_]" .. name .. "%f[^%w_]%s*=%f[^=]") do
    if found then return nil end
    found = at
  end
  if not found then return nil end
  local _, breaks = text:sub(1, found):gsub("\n", "")
  return breaks + 1
end

-- The line of the setting that a place such as "limits.memory" or "bots[2].name" names.
local function line_of_place(self, place)
  if not self.text or not place then return nil end
  local last = place:match "([%a_][%w_]*)[%[%]%d]*$"
  return last and line_of(self.text, last)
end

--- Notes a problem.
---@param place string? such as "limits.memory"
---@param message string
---@param line integer? where it is known
function methods:add(place, message, line)
  line = line or line_of_place(self, place)
  local parts = {}
  if self.file then parts[1] = line and ("%s:%d"):format(self.file, line) or self.file end
  if place then parts[#parts + 1] = place end
  parts[#parts + 1] = message
  self.list[#self.list + 1] = table.concat(parts, ": ")
end

---@param file string? nil: of the command line
---@return moonpool.host.problems
function problems.new(file)
  return setmetatable({ file = file, list = {} }, mt)
end

--- From now on lines are looked for in this text.
---@param text string
function methods:set_text(text) self.text = without_comments(text) end

return problems
