-- share/ has the man page and the shells' completions as tools/manual makes them of the program's
-- definitions.
local program = require "spec.support.program"
local scratch = require "spec.support.scratch"
local manual = require "tools.manual_text"

local function made() return manual.files(require("moonpool.cli").parser()) end

-- What bash offers behind the words.
local function offered(...)
  local words = { ... }
  local script = ('source share/moonpool.bash; COMP_WORDS=(%s "%s"); COMP_CWORD=%d; _moonpool; %s')
    :format(table.concat(words, " ", 1, #words - 1), words[#words], #words - 1,
      'printf "%s\\n" "${COMPREPLY[@]}"')
  local result = program.run { "bash", "-c", script }
  assert.same({ 0, "" }, { result.status, result.stderr })
  return result.stdout
end

describe("share/", function()
  it("is what tools/manual makes", function()
    for name, text in pairs(made()) do
      assert.is_true(text == scratch.read("share/" .. name), name .. ": run tools/manual")
    end
  end)

  it("has a man page that tells each command with its options", function()
    local page = scratch.read "share/moonpool.1"
    for _, command in ipairs(require("moonpool.cli").parser()._commands) do
      local section = page:match("\n%.SS " .. command._name .. "\n(.-)\n%.S[SH] ")
      for _, option in ipairs(command._options) do
        local name = option._public_aliases[#option._public_aliases]:gsub("%-", "\\-")
        assert.is_truthy(section:find(name, 1, true), command._name .. " " .. name)
      end
    end
  end)

  it("notices an option that is new", function()
    local parser = require("moonpool.cli").parser()
    parser:option "--unheard-of"
    for name, text in pairs(manual.files(parser)) do
      assert.is_false(text == scratch.read("share/" .. name), name)
    end
  end)

  it("has a completion that works in bash", function()
    assert.equal("follow\n", offered("moonpool", "fo"))
    assert.equal("--last\n", offered("moonpool", "follow", "--l"))
    assert.equal("say\n", offered("moonpool", "sa"))
  end)
end)
