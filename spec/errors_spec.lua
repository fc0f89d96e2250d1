-- docs/errors.md has a line for each code that core/include/moonpool.h defines, and for no other.
local scratch = require "spec.support.scratch"

local function defined_in(header)
  local codes = {}
  local map = header:match "#define MOONPOOL_STATUS_MAP%(X%)(.-)\n\n"
  for name in map:gmatch "X%((E%u+), %-%d+" do codes[name] = true end
  return codes
end

local function told_in(page)
  local codes = {}
  local section = page:match "\n## Codes\n(.-)\n## "
  for cell in section:gmatch "\n| ([E%u, ]+) |" do
    for name in cell:gmatch "E%u+" do codes[name] = true end
  end
  return codes
end

describe("the codes of errors", function()
  local header = scratch.read "core/include/moonpool.h"
  local page = scratch.read "docs/errors.md"

  it("are told in docs/errors.md", function()
    assert.same(defined_in(header), told_in(page))
    assert.is_true(defined_in(header).EREJECTED)
  end)

  it("are missed there when one is new, or gone", function()
    local more = header:gsub("  X%(ECONN,", "  X(ENEW, -99, \"new\") \\\n  X(ECONN,")
    assert.not_same(defined_in(more), told_in(page))
    local less = page:gsub("\n| EPROTO |[^\n]*", "")
    assert.not_same(defined_in(header), told_in(less))
  end)
end)
