-- Texts as large as a message may be, made so that a careless pattern would take minutes: a script
-- that is over its budget (policy_box gives a second) is killed, which fails here.
local policy_box = require "spec.support.policy_box"

describe("a text that is made to be slow", function()
  local SIZE = 60000

  local function fill(piece) return (piece:rep(SIZE // #piece)) end

  -- As many characters as there are.
  local function all_characters()
    local list = {}
    for code = 0x4E00, 0x4E00 + SIZE // 3 - 1 do list[#list + 1] = utf8.char(code) end
    return table.concat(list)
  end

  local TEXTS = {
    all_characters(),
    fill "a", fill "A ", fill "é", fill "É ", fill "Ａ", fill "\u{301}", fill "b4d ", fill "bad",
    fill "very bad ", fill "!", fill "1", fill " ", fill "\n", fill "http://a.com ", fill "www.",
    fill "a." .. "1", fill "@", "http://" .. fill ")" .. "a@", fill "://", fill "a-", fill ":/",
    "http://" .. fill "a@", fill " " .. "x", "!mute x" .. fill " " .. "y", fill '"', fill "\\",
  }

  local function judge_all(name, options)
    local box = policy_box.load(name, options)
    for _, text in ipairs(TEXTS) do
      assert.is_string((box:judge { user = "mod", text = text }))
      box:pass(3600)
    end
    assert.same({}, box.failures)
    box:close()
  end

  for name, options in pairs {
    length = { action = "cut" }, caps = {}, flood = {}, words = { words = { "bad", "very bad" } },
    links = { allow = { "a.com" }, bare = true, newcomers = 1 }, mute = { moderators = { "mod" } },
    ban = { moderators = { "mod" } }, moderated = { moderators = { "mod" } },
    members_only = { moderators = { "mod" } },
  } do
    it("is judged by " .. name, function() judge_all(name, options) end)
  end

  it("is searched for parts of words", function()
    judge_all("words", { words = { "bad", "a" }, whole = false })
  end)
end)
