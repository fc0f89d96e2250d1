-- length, caps, words: what is in a message.
local policy_box = require "spec.support.policy_box"

describe("policies about texts", function()
  local box

  local function load(name, options) box = policy_box.load(name, options) end
  local function allows(request) assert.same({ "allow" }, { box:judge(request) }) end
  local function rejects(reason, request)
    local verdict, value = box:judge(request)
    assert.equal("reject", verdict)
    assert.equal(reason, value)
  end
  local function rewrites(text, request)
    assert.same({ "rewrite", text }, { box:judge(request) })
    allows { text = text, is_again = true } -- what comes out is left alone
  end

  after_each(function()
    assert.same({}, box.failures)
    box:close()
  end)

  describe("length", function()
    it("counts characters and lines", function()
      load("length", { characters = 5, lines = 2 })
      allows "12345"
      allows "äöüßé"
      allows "a\nb"
      rejects("too long: 6 characters, 5 are allowed", "123456")
      rejects("too long: 3 lines, 2 are allowed", "a\nb\nc")
    end)

    it("has defaults", function()
      load "length"
      allows(("x"):rep(1000))
      rejects("too long: 1001 characters, 1000 are allowed", ("x"):rep(1001))
      rejects("too long: 11 lines, 10 are allowed", ("\n"):rep(10))
    end)

    it("cuts if asked to, between characters", function()
      load("length", { characters = 5, lines = 2, action = "cut" })
      rewrites("äöüß…", "äöüßéà")
      rewrites("a\nb", "a\nb\nc\nd")
      rewrites("a\nbc…", "a\nbcdefgh\nc")
    end)

    it("is only about what is said, and not by whom it is told to leave alone", function()
      load("length", { characters = 1, except = { "ann" }, bots = false })
      allows "long"
      allows { user = "bob", text = "long", type = "typing" }
      allows { user = "bob" }
      allows { user = "dice", text = "long", bot = true, via = "bot" }
      rejects("too long: 4 characters, 1 are allowed", { user = "bob", text = "long", bot = true })
      rejects("too long: 4 characters, 1 are allowed",
        { user = "bob", text = "long", type = "action" })
    end)
  end)

  describe("caps", function()
    it("puts shouting into lower case", function()
      load "caps"
      allows "Hello, how ARE you?"
      allows "OK THEN" -- too few letters
      allows "123 456 789 !!! 000"
      rewrites("what are you doing?", "WHAT ARE YOU DOING?")
      rewrites("grüße aus köln übrigens", "GRÜßE AUS KÖLN ÜBRIGENS")
      rewrites("привет всем друзья", "ПРИВЕТ ВСЕМ ДРУЗЬЯ")
    end)

    it("leaves links as they are", function()
      load "caps"
      allows "see https://example.com/ABCDEFGHIJKLMNOP"
      rewrites("look at this page: https://example.com/AbC now",
        "LOOK AT THIS PAGE: https://example.com/AbC NOW")
    end)

    it("rejects if asked to", function()
      load("caps", { action = "reject", letters = 4, share = 0.5 })
      rejects("do not shout: too many capital letters", "LOUD and")
      allows "Low and calm"
    end)
  end)

  describe("words", function()
    it("masks whole words, however they are written", function()
      load("words", { words = { "bad", "Ärger" } })
      allows "a badge, abad, baddie"
      rewrites("a *** thing", "a bad thing")
      rewrites("***! (***) ***", "BAD! (bäd) B4D")
      rewrites("*** ***", "ｂａｄ bаd") -- full width; a Cyrillic letter
      rewrites("**\u{200B}*", "ba\u{200B}d")
      rewrites("*****, *****", "Ärger, arger")
    end)

    it("reads digits and signs as letters", function()
      load("words", { words = { "idiot", "hello", "ass" } })
      rewrites("*****", "1d10t")
      rewrites("*****", "!d!0t")
      rewrites("*****", "he11o")
      rewrites("*** ***", "@ss a$$")
      rewrites("*****!", "idiot!")
      allows "$5 and 10 @home"
    end)

    it("does not, if asked not to", function()
      load("words", { words = { "bad" }, leet = false })
      allows "b4d"
    end)

    it("finds phrases, and parts of words if asked to", function()
      load("words", { words = { "very bad" } })
      rewrites("not ********!", "not very bad!")
      allows "every bad"
      box:close()
      load("words", { words = { "bad" }, whole = false, mask = "#" })
      rewrites("###ge ######", "badge badb4d")
    end)

    it("rejects if asked to", function()
      load("words", { words = { "bad" }, action = "reject" })
      rejects("a word in it is not allowed here", "so BAD")
      allows "so good"
    end)
  end)
end)
