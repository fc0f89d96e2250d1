-- What is for Lua 5.4 and newer says so in others: `lua5.3 /usr/bin/busted` and luajit's run it.
local moonpool = require "moonpool"

local VERSION = rawget(_G, "jit") and "LuaJIT 2%.1" or "Lua 5%.3"

describe("before Lua 5.4", function()
  it("policies are refused with the version that they need", function()
    assert.error_matches(function() moonpool.connect { policies = {} } end,
      "^moonpool: policies need Lua 5%.4 or later, this is "
        .. VERSION)
  end)

  it("tests of bots are, too", function()
    assert.error_matches(function() require "moonpool.testing" end,
      "moonpool: bots and policies, and tests of them, need Lua 5%.4 or later, this is " .. VERSION)
  end)
end)
