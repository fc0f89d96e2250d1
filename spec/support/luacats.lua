-- Reads LuaCATS annotations, those that lua-language-server reads, as this project uses them.
--
--   local luacats = require "spec.support.luacats"
--   local read = luacats.read { ["lua/moonpool/irc.lua"] = text, … }
--   read.problems              { "PATH:LINE: what", … }: what does not parse, tags that there are
--                              not, types that nothing declares, parameters that the function does
--                              not have
--   read.classes[name]         { parents = { name, … }, fields = { name = field }, methods =
--                              { name = method }, path = }; a method has an annotated class's
--                              local, or was declared by `function class_local:name(`
--   read.aliases[name]         a type
--   read.functions[path][object][name]   a method, by the name that it has in the file
--   a field                    { type =, is_optional =, line = }
--   a method                   { arguments = { name, … }, params = { name = field }, returns =
--                              { type, … }, overloads = { type, … }, line = }
--   a type                     { kind = "name", name = } "literal", value; "union", "array",
--                              "optional", "tuple", items; "fun", params, returns; "table", fields
--                              by name, keys = { { key type, type } }
--   luacats.literals(type, read)   the strings of a union, through aliases: { string = true }
--   luacats.fields(type, read)     the members of a table's type or a class, and of its parents:
--                              { name = field }
local luacats = {}

local BUILTINS = {}
for name in ("nil any boolean string number integer function table thread userdata lightuserdata "
  .. "unknown self true false file*"):gmatch "%S+" do BUILTINS[name] = true end

-- ---- types -------------------------------------------------------------------------------------

local parse_type

local parser_methods = {}
local parser_mt = { __index = parser_methods }

local function new_parser(text, names)
  return setmetatable({ text = text, at = 1, names = names }, parser_mt)
end

function parser_methods:skip() self.at = self.text:find("%S", self.at) or #self.text + 1 end

-- What matches here, which is then passed; nil: nothing does.
function parser_methods:take(pattern)
  self:skip()
  local from, to, captured = self.text:find("^" .. pattern, self.at)
  if not from then return nil end
  self.at = to + 1
  return captured or self.text:sub(from, to)
end

function parser_methods:need(pattern, what)
  return self:take(pattern) or
    error({ ("%s is missing at %q"):format(what, self.text:sub(self.at)) }, 0)
end

function parser_methods:rest()
  self:skip()
  return self.text:sub(self.at)
end

local function parse_params(parser)
  local params = {}
  if parser:take "%)" then return params end
  repeat
    local name = parser:take "%.%.%." or parser:need("[%a_][%w_]*", "a parameter's name")
    local param = { name = name, is_optional = parser:take "%?" ~= nil }
    if parser:take ":" then param.type = parse_type(parser) end
    params[#params + 1] = param
  until not parser:take ","
  parser:need("%)", "a )")
  return params
end

local function parse_function(parser)
  local type = { kind = "fun", params = parse_params(parser), returns = {} }
  if not parser:take ":" then return type end
  repeat
    local is_named = parser.text:find("^%s*[%a_][%w_]*%s*:", parser.at)
    if is_named then parser:take "[%a_][%w_]*%s*:" end
    type.returns[#type.returns + 1] = parse_type(parser)
  until not parser:take ","
  return type
end

local function parse_table(parser)
  local type = { kind = "table", fields = {}, keys = {} }
  while not parser:take "}" do
    if parser:take "%[" then
      local key = parse_type(parser)
      parser:need("%]", "a ]")
      parser:need(":", "a :")
      table.insert(type.keys, { key, parse_type(parser) })
    else
      local name = parser:need("[%a_][%w_]*", "a member's name")
      local is_optional = parser:take "%?" ~= nil
      parser:need(":", "a :")
      type.fields[name] = { type = parse_type(parser), is_optional = is_optional }
    end
    if not parser:take "[,;]" then
      parser:need("}", "a }")
      break
    end
  end
  return type
end

local function parse_name(parser)
  local name = parser:take "file%*" or parser:take "%.%.%." and "any"
    or parser:need("[%a_][%w_.]*", "a type")
  parser.names[#parser.names + 1] = name
  local type = { kind = "name", name = name }
  if not parser:take "<" then return type end
  type.items = {}
  repeat type.items[#type.items + 1] = parse_type(parser) until not parser:take ","
  parser:need(">", "a >")
  return type
end

local function parse_primary(parser)
  local text = parser:take '"([^"]*)"' or parser:take "'([^']*)'"
  if text then return { kind = "literal", value = text } end
  if parser:take "%-?%d+" then return { kind = "name", name = "integer" } end
  if parser:take "fun%(" then return parse_function(parser) end
  if parser:take "{" then return parse_table(parser) end
  if not parser:take "%(" then return parse_name(parser) end
  local type = parse_type(parser)
  parser:need("%)", "a )")
  return type
end

local function parse_postfixed(parser)
  local type = parse_primary(parser)
  while true do
    -- A mark of its own counts only where it follows at once.
    local mark = parser.text:match("^%[%]", parser.at) or parser.text:match("^%?", parser.at)
    if not mark then return type end
    parser.at = parser.at + #mark
    type = { kind = mark == "?" and "optional" or "array", items = { type } }
  end
end

function parse_type(parser)
  local first = parse_postfixed(parser)
  if not parser:take "|" then return first end
  local type = { kind = "union", items = { first } }
  repeat type.items[#type.items + 1] = parse_postfixed(parser) until not parser:take "|"
  return type
end

-- ---- tags --------------------------------------------------------------------------------------

local tags = {}

function tags.class(block, parser)
  local name = parser:need("[%a_][%w_.]*", "a class's name")
  local class = { name = name, parents = {}, fields = {}, methods = {} }
  if parser:take ":" then
    repeat class.parents[#class.parents + 1] = parse_type(parser).name until not parser:take ","
  end
  block.class = class
end

local VISIBILITIES = { public = true, private = true, protected = true, package = true }

function tags.field(block, parser, line)
  if not block.class then error({ "a field without a class" }, 0) end
  local visibility = parser.text:match("^%s*(%a+)%s", parser.at)
  visibility = VISIBILITIES[visibility] and parser:take(visibility)
  local field = { line = line, visibility = visibility or "public" }
  if parser:take "%[" then
    field.key = parse_type(parser)
    parser:need("%]", "a ]")
  else
    field.name = parser:need("[%a_][%w_]*", "a field's name")
    field.is_optional = parser:take "%?" ~= nil
  end
  field.type = parse_type(parser)
  if field.type.kind == "optional" then field.is_optional = true end
  if field.name and block.class.fields[field.name] then
    error({ ("the field %s is there twice"):format(field.name) }, 0)
  end
  block.class.fields[field.name or "[string]"] = field
end

function tags.param(block, parser, line)
  local name = parser:take "%.%.%." or parser:need("[%a_][%w_]*", "a parameter's name")
  local is_optional = parser:take "%?" ~= nil
  block.params[name] = { type = parse_type(parser), is_optional = is_optional, line = line }
end

tags["return"] = function(block, parser)
  repeat
    block.returns[#block.returns + 1] = parse_type(parser)
    parser:take "%.%.%."
    parser:take "[%a_][%w_]*"
  until not parser:take ","
  -- What lua-language-server takes for a remark, and a reader for results.
  local remark = parser:rest()
  local hidden = remark:find "^[^#]" and remark:match ",%s*([%a_][%w_.]*%?%s+[%a_][%w_]*)"
  if hidden then error({ ("%q is a part of the remark before it"):format(hidden) }, 0) end
end

function tags.overload(block, parser)
  block.overloads[#block.overloads + 1] = parse_type(parser)
end

function tags.alias(block, parser)
  local name = parser:need("[%a_][%w_.]*", "an alias's name")
  parser:take "|"
  block.aliases[name] = parse_type(parser)
end

function tags.generic(block, parser)
  repeat
    block.generics[parser:need("[%a_][%w_]*", "a name")] = true
    if parser:take ":" then parse_type(parser) end
  until not parser:take ","
end

function tags.type(_, parser) parse_type(parser) end

local function nothing() end

function tags.package(block) block.visibility = "package" end

for _, name in ipairs { "meta", "private", "protected", "nodiscard", "async",
  "deprecated", "diagnostic", "see", "cast" } do tags[name] = nothing end

-- ---- files -------------------------------------------------------------------------------------

local function new_block()
  return { params = {}, returns = {}, overloads = {}, generics = {}, aliases = {}, lines = {} }
end

-- The lines of a block of comments as tags with their text: an open bracket, and an alias, go on in
-- the next line.
local function tags_of(lines)
  local list, open
  list = {}
  for _, line in ipairs(lines) do
    local name, text = line.text:match "^%-%-%-%s*@([%a_%-]+)%s?(.*)$"
    local more = not name and line.text:match "^%-%-%-(.*)$"
    local is_more_of_alias = more and more:find "^%s*|"
    if name then
      open = { name = name, text = text, line = line.number }
      list[#list + 1] = open
    elseif open and (is_more_of_alias or open.is_unbalanced) then
      open.text = open.text .. " " .. more
    else
      open = nil
    end
    if open then
      local _, opened = open.text:gsub("[({<]", "")
      local _, closed = open.text:gsub("[)}>]", "")
      open.is_unbalanced = opened > closed
    end
  end
  return list
end

local function note(self, path, line, what)
  table.insert(self.problems, ("%s:%d: %s"):format(path, line, what))
end

local function read_tag(self, path, block, tag)
  local read = tags[tag.name]
  if not read then return note(self, path, tag.line, ("there is no tag @%s"):format(tag.name)) end
  local names = {}
  local ok, problem = pcall(read, block, new_parser(tag.text, names), tag.line)
  if not ok then
    if type(problem) ~= "table" then error(problem, 0) end
    note(self, path, tag.line, ("@%s: %s"):format(tag.name, problem[1]))
  end
  for _, name in ipairs(names) do
    table.insert(self.used, { name = name, path = path, line = tag.line,
      generics = block.generics })
  end
end

local function words_of(arguments)
  local words = {}
  for word in arguments:gmatch "[%w_.]+" do words[#words + 1] = word end
  return words
end

local function add_function(self, path, block, line, object, name, arguments)
  local method = { arguments = words_of(arguments), params = block.params, line = line,
    returns = block.returns, overloads = block.overloads,
    visibility = block.visibility or "public" }
  local known = { self = true }
  for _, word in ipairs(method.arguments) do known[word] = true end
  for param, field in pairs(block.params) do
    if not known[param] then
      note(self, path, field.line, ("%s has no parameter %s"):format(name, param))
    end
  end
  local file = self.functions[path]
  file[object] = file[object] or {}
  file[object][name] = method
  local class = file[1][object]
  if class then class.methods[name] = method end
end

local function add_class(self, path, class)
  class.path = path
  local before = self.classes[class.name]
  if not before then
    self.classes[class.name] = class
    return class
  end
  for name, field in pairs(class.fields) do
    if before.fields[name] then
      note(self, path, field.line, ("%s.%s is declared in %s, too"):format(class.name, name,
        before.path))
    end
    before.fields[name] = field
  end
  return before
end

-- What stands below a block of comments.
local function end_block(self, path, block, number, line)
  for _, tag in ipairs(tags_of(block.lines)) do read_tag(self, path, block, tag) end
  for name, type in pairs(block.aliases) do self.aliases[name] = type end
  if block.class then
    local class = add_class(self, path, block.class)
    local object = line:match "^%s*local ([%a_][%w_]*)"
    if object then self.functions[path][1][object] = class end
  end
  local object, name, arguments = line:match "^%s*function ([%a_][%w_]*)[.:]([%w_]+)(%b())"
  if object then add_function(self, path, block, number, object, name, arguments) return end
  name, arguments = line:match "^%s*local function ([%a_][%w_]*)(%b())"
  if name then add_function(self, path, block, number, "local", name, arguments) end
end

local function read_file(self, path, text)
  self.functions[path] = { {} } -- [1]: classes by the local that has them
  local block, number = new_block(), 0
  for line in (text .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    if line:find "^%s*%-%-%-" then
      table.insert(block.lines, { text = line:match "^%s*(.*)$", number = number })
    else
      end_block(self, path, block, number, line)
      block = new_block()
    end
  end
  end_block(self, path, block, number + 1, "")
end

local function check_names(self)
  for _, use in ipairs(self.used) do
    local is_known = BUILTINS[use.name] or self.classes[use.name] or self.aliases[use.name]
      or use.generics[use.name]
    if not is_known then
      note(self, use.path, use.line, ("nothing declares the type %s"):format(use.name))
    end
  end
end

---@param texts table<string, string> by path
---@return table
function luacats.read(texts)
  local self = { problems = {}, classes = {}, aliases = {}, functions = {}, used = {} }
  local paths = {}
  for path in pairs(texts) do paths[#paths + 1] = path end
  table.sort(paths)
  for _, path in ipairs(paths) do read_file(self, path, texts[path]) end
  check_names(self)
  return self
end

-- ---- asking ------------------------------------------------------------------------------------

---@param type table
---@param read table
---@return table<string, true>
function luacats.literals(type, read, found)
  found = found or {}
  if type.kind == "literal" then found[type.value] = true end
  if type.kind == "name" and read.aliases[type.name] then
    luacats.literals(read.aliases[type.name], read, found)
  end
  if type.kind ~= "name" and type.items then
    for _, item in ipairs(type.items) do luacats.literals(item, read, found) end
  end
  return found
end

local function add_fields(class, read, found)
  for name, field in pairs(class.fields) do
    if field.visibility == "public" then found[name] = field end
  end
  for _, parent in ipairs(class.parents or {}) do
    if read.classes[parent] then add_fields(read.classes[parent], read, found) end
  end
end

---@param type table
---@param read table
---@return table<string, table>
function luacats.fields(type, read, found)
  found = found or {}
  if type.kind == "table" then
    for name, field in pairs(type.fields) do found[name] = field end
  elseif type.kind == "name" then
    if read.aliases[type.name] then luacats.fields(read.aliases[type.name], read, found) end
    if read.classes[type.name] then add_fields(read.classes[type.name], read, found) end
  else
    for _, item in ipairs(type.items or {}) do luacats.fields(item, read, found) end
  end
  return found
end

return luacats
