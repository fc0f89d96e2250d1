-- What the annotations of lua/ tell, beside what the code knows.
--
--   local annotated = require "spec.support.annotated"
--   annotated.read               of spec.support.luacats
--   annotated.class("moonpool.bot")          { name = true }: its fields and methods, and its
--                                parents'; of a second argument "fields" or "methods" only those
--   annotated.method("moonpool.room", "who") a method, with its params; raises without one
--   annotated.options(class, name)           { name = true }: the members of its options
--   annotated.events(class, name)            { name = true }: what its event may be
--   annotated.words              every word of the sources. The code knows no name that is not one
--                                of them: what it says of each is what it knows.
--   annotated.known(ask)         { word = true }: the words of which ask(word) does not raise that
--                                the option or event is unknown
--   annotated.had(object)        { word = true }: the words that index something in the object
--   annotated.differences(what, told, known, is_optional)   what is known and not told, and what is
--                                told, not known, and not optional
--   annotated.assert_same(…)     that there are none of these, and that something is told
--   annotated.upvalue(fn, name)  a function's, by its name; raises without one
local assert = require "luassert"
local luacats = require "spec.support.luacats"
local scratch = require "spec.support.scratch"

local annotated = {}

local SOURCES = "bindings core/include lua/moonpool"

local texts, words = {}, {}
for path in scratch.shell("find lua/moonpool -name '*.lua'"):gmatch "%S+" do
  texts[path] = scratch.read(path)
end
local files = "find " .. SOURCES .. " -maxdepth 2 \\( -name '*.[ch]' -o -name '*.lua' \\)"
  .. " -not -path '*/cli/*' -not -path '*/tests/*' -not -path '*/policies/*'"
for path in scratch.shell(files):gmatch "%S+" do
  for word in (texts[path] or scratch.read(path)):gmatch "[%a_][%w_]*" do words[word] = true end
end

annotated.read = luacats.read(texts)
annotated.words = {}
for word in pairs(words) do table.insert(annotated.words, word) end
table.sort(annotated.words)

local function add_names(found, class, kind)
  if kind ~= "methods" then
    for name, field in pairs(class.fields) do
      if field.visibility == "public" and not field.key then found[name] = true end
    end
  end
  if kind ~= "fields" then
    for name, method in pairs(class.methods) do
      if method.visibility == "public" then found[name] = true end
    end
  end
  for _, parent in ipairs(class.parents) do
    add_names(found, annotated.read.classes[parent], kind)
  end
end

function annotated.class(name, kind)
  local found = {}
  add_names(found, annotated.read.classes[name] or error("no class " .. name, 2), kind)
  return found
end

function annotated.is_optional(class)
  local fields = annotated.read.classes[class].fields
  return function(name) return fields[name] and fields[name].is_optional end
end

function annotated.method(class, name)
  return annotated.read.classes[class].methods[name]
    or error(("%s has no method %s"):format(class, name), 2)
end

local function names_of(fields)
  local names = {}
  for name, field in pairs(fields) do
    if not field.key then names[name] = true end
  end
  return names
end

function annotated.options(class, name, param)
  local field = annotated.method(class, name).params[param or "options"]
  return names_of(luacats.fields(field.type, annotated.read))
end

function annotated.events(class, name, param)
  param = param or "event"
  local method = annotated.method(class, name)
  local found = luacats.literals(method.params[param].type, annotated.read)
  for _, overload in ipairs(method.overloads) do
    for _, each in ipairs(overload.params) do
      if each.name == param then luacats.literals(each.type, annotated.read, found) end
    end
  end
  return found
end

function annotated.known(ask)
  local known = {}
  for _, word in ipairs(annotated.words) do
    local ok, message = pcall(ask, word)
    message = not ok and tostring(message) or ""
    local is_unknown = message:find "unknown option" or message:find "no event"
      or message:find "no such event" or message:find "invalid option"
    if not is_unknown then known[word] = true end
  end
  return known
end

function annotated.had(object)
  local found = {}
  for _, word in ipairs(annotated.words) do
    local value = object[word]
    if value ~= nil and type(value) ~= "function" then found[word] = true end
  end
  return found
end

function annotated.differences(what, told, known, is_optional)
  local found = {}
  for name in pairs(known) do
    if not told[name] then found[#found + 1] = ("%s: %s is not annotated"):format(what, name) end
  end
  for name in pairs(told) do
    if not known[name] and not (is_optional and is_optional(name)) then
      found[#found + 1] = ("%s: %s is annotated, and not there"):format(what, name)
    end
  end
  table.sort(found)
  return found
end

function annotated.assert_same(what, told, known, is_optional)
  assert.is_truthy(next(told), what)
  assert.same({}, annotated.differences(what, told, known, is_optional))
end

function annotated.upvalue(fn, wanted)
  for number = 1, 60 do
    local name, value = debug.getupvalue(fn, number)
    if not name then error("no upvalue " .. wanted, 2) end
    if name == wanted then return value end
  end
end

return annotated
