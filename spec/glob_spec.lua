local glob = require "moonpool.glob"

-- pattern, names that it matches, names that it does not
local CASES = {
  { "room:*", { "room:", "room:a", "room:a b\0c" }, { "room", "rooms:a", "" } },
  { "*", { "a", "\n" }, { "" } },
  { "", { "" }, { "a" } },
  { "h?llo", { "hello", "hallo", "h\255llo" }, { "hllo", "heello" } },
  { "h[ae]llo", { "hello", "hallo" }, { "hillo", "hllo" } },
  { "h[^e]llo", { "hallo", "h^llo" }, { "hello", "hllo" } },
  { "h[a-c]llo", { "hallo", "hbllo", "hcllo" }, { "hdllo", "h-llo" } },
  { "h[c-a]llo", { "hbllo" }, { "hdllo" } },
  { "[a-]", { "a", "]", "^" }, { "b", "-" } },
  { "[\\]]", { "]" }, { "\\", "[" } },
  { "[]a", {}, { "a", "]a" } },
  { "a\\*b", { "a*b" }, { "axb", "a\\*b" } },
  { "a\\", { "a\\" }, { "a" } },
  { "[ab", { "a", "b" }, { "[ab", "c" } },
  { "*a*b*c", { "abc", "xaxbxc", "aabbcc" }, { "abcd", "acb" } },
  { "a**b", { "ab", "axb" }, { "a" } },
  { "room:%s", { "room:%s" }, { "room:x" } },
}

describe("glob.match", function()
  for _, case in ipairs(CASES) do
    it(("reads %q as PSUBSCRIBE does"):format(case[1]), function()
      for _, name in ipairs(case[2]) do
        assert.is_true(glob.match(case[1], name), ("%q should match"):format(name))
      end
      for _, name in ipairs(case[3]) do
        assert.is_false(glob.match(case[1], name), ("%q should not match"):format(name))
      end
    end)
  end

  it("needs no more than pattern × name steps", function()
    assert.is_false(glob.match(("*a"):rep(200) .. "b", ("a"):rep(20000)))
  end)
end)

describe("glob.is_pattern", function()
  it("tells names from patterns", function()
    for _, name in ipairs { "", "room:chatty", "a b", "a]b", "%s", "a^-b" } do
      assert.is_false(glob.is_pattern(name))
    end
    for _, pattern in ipairs { "*", "a?", "[a", "a\\b" } do
      assert.is_true(glob.is_pattern(pattern))
    end
  end)
end)
