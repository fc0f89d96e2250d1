-- The code blocks of the documentation, for specs that run them as they stand.
--
--   local page = require "spec.support.page"
--   page.blocks("docs/lua.md", "lua")          of that kind, in order; "": those without one
--   page.block("docs/lua.md", "sh", "make")    the first with that text in it; raises without one
local scratch = require "spec.support.scratch"

local page = {}

---@param path string
---@param kind string
---@return string[]
function page.blocks(path, kind)
  local blocks, inside, lines = {}, nil, nil
  for line in assert(scratch.read(path), path):gmatch "([^\n]*)\n" do
    local fence = line:match "^```(%l*)"
    if not fence then
      if inside then lines[#lines + 1] = line .. "\n" end
    elseif inside then
      if inside == kind then blocks[#blocks + 1] = table.concat(lines) end
      inside = nil
    else
      inside, lines = fence, {}
    end
  end
  return blocks
end

---@param path string
---@param kind string
---@param text string
---@return string
function page.block(path, kind, text)
  for _, block in ipairs(page.blocks(path, kind)) do
    if block:find(text, 1, true) then return block end
  end
  error(("%s: no block of %q has: %s"):format(path, kind, text), 2)
end

return page
