--- docs/reference.md from the annotations (LuaCATS) of the library and of scripts. LDoc 1.4.6 ends
--- at them: it has tags of these names with other meanings.
local reference = {}

local FILES = {
  { path = "lua/moonpool/types.lua", title = "The library" },
  { path = "lua/moonpool/script_types.lua", title = "Scripts: bots, policies, authentication" },
  { path = "lua/moonpool/gateway.lua", title = "moonpool.gateway" },
  { path = "lua/moonpool/testing.lua", title = "moonpool.testing" },
  { path = "lua/moonpool/irc.lua", title = "moonpool.irc" },
}

-- What programs call what a file has a local for.
local NAMES = { core = "moonpool", json = "moonpool.json", pool = "moonpool.pool",
  rooms = "moonpool.rooms", bot_object = "bot", policy_object = "policy", auth_object = "auth",
  base = "bot", methods = "gateway", common = "box", bot_methods = "bot_box",
  policy_methods = "policy_box" }

local HEAD = [[
# Reference

Made by `tools/reference` from the annotations that editors read. What functions do together is
told in [the other pages](README.md). `?` behind a name: may be left out, or nil. What a program
can meet comes back as `nil, message, code`; times are seconds.
]]

-- A tag's line as an item of a list; nil: it says nothing to readers.
local function item_of(tag, rest)
  if tag == "param" then
    local name, type_and_more = rest:match "^(%S+)%s+(.+)$"
    return name and ("- `%s`: `%s`"):format(name, type_and_more)
  end
  if tag == "field" and rest:find "^package " then return nil end
  if tag == "field" then return ("- `.%s`"):format(rest) end
  if tag == "return" then return ("- → `%s`"):format(rest) end
  if tag == "overload" then return ("- also `%s`"):format(rest) end
end

local function section_of(name, block)
  local parts = { ("\n### %s\n"):format(name) }
  if #block.text > 0 then parts[#parts + 1] = table.concat(block.text, "\n") .. "\n" end
  if #block.items > 0 then parts[#parts + 1] = table.concat(block.items, "\n") .. "\n" end
  return table.concat(parts, "\n")
end

local function new_block() return { text = {}, items = {} } end

local function read_file(path, parts)
  local block = new_block()
  for line in io.lines(path) do
    local tag, rest = line:match "^%-%-%-%s?@(%w+)%s*(.*)$"
    local object, separator, member, arguments =
      line:match "^function (%w[%w_]*)([.:])([%w_]+)(%b())"
    if tag == "class" then
      block.class = rest
    elseif tag then
      block.items[#block.items + 1] = item_of(tag, rest)
    elseif line:find "^%-%-%-" and #block.items > 0 then -- an item goes on
      local text, quote = block.items[#block.items]:match "^(.-)(`?)$"
      block.items[#block.items] = text .. " " .. line:match "^%-%-%-%s*(.*)$" .. quote
    elseif line:find "^%-%-%-" then
      block.text[#block.text + 1] = line:match "^%-%-%-%s?(.*)$"
    elseif object then
      local name = (NAMES[object] or object) .. separator .. member .. arguments
      parts[#parts + 1] = section_of("`" .. name .. "`", block)
      block = new_block()
    else
      if block.class then parts[#parts + 1] = section_of(block.class, block) end
      block = new_block()
    end
  end
end

--- The page.
---@return string
function reference.page()
  local parts = { HEAD }
  for _, file in ipairs(FILES) do
    parts[#parts + 1] = ("\n## %s\n"):format(file.title)
    read_file(file.path, parts)
  end
  return table.concat(parts)
end

return reference
