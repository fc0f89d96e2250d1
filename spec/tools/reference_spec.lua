local reference = require "tools.reference_text"
local scratch = require "spec.support.scratch"

describe("docs/reference.md", function()
  local page = scratch.read "docs/reference.md"

  it("is what tools/reference makes", function()
    assert.is_true(page == reference.page(), "run tools/reference")
  end)

  it("has every annotated function", function()
    local expected, found = 0, 0
    for _, name in ipairs { "types", "script_types", "gateway", "testing", "irc" } do
      local path = "lua/moonpool/" .. name .. ".lua"
      for _ in scratch.read(path):gmatch "\nfunction [%w_]+[.:]" do expected = expected + 1 end
    end
    for _ in page:gmatch "\n### `[%w_.]+[.:][%w_]+%(" do found = found + 1 end
    assert.is_true(expected > 50)
    assert.equal(expected, found)
  end)
end)
