-- What policies of the library make of their options.
local policy_box = require "spec.support.policy_box"

describe("an option of a policy", function()
  local function refuses(expected, name, options)
    local ok, message = pcall(policy_box.load, name, options)
    assert.is_false(ok)
    assert.equal(expected, message:match "^[^\n]*")
  end

  it("that is unknown is named with the nearest known one", function()
    refuses('rate_limit: unknown option "mesages"; did you mean "messages"?', "rate_limit",
      { mesages = 5 })
    refuses('slow_mode: unknown option "sceonds"; did you mean "seconds"?', "slow_mode",
      { sceonds = 5 })
    refuses('slow_mode: unknown option "colour"; there are bots, except, seconds', "slow_mode",
      { colour = "red" })
    refuses("slow_mode: option names are strings, not 1", "slow_mode", { "mod" })
  end)

  it("of a wrong type or value is told what it must be", function()
    local function must(expected, name, options)
      refuses(("%s: option %s"):format(name, expected), name, options)
    end
    must('"messages" must be a whole number, not "5"', "rate_limit", { messages = "5" })
    must('"messages" must be a whole number, not 1.5', "rate_limit", { messages = 1.5 })
    must('"messages" must be a whole number from 1, not 0', "rate_limit", { messages = 0 })
    must('"seconds" must be a number from 0.001, not 0', "slow_mode", { seconds = 0 })
    must('"share" must be a number above 0, not 0', "caps", { share = 0 })
    must('"share" must be a number up to 1, not 2', "caps", { share = 2 })
    must('"everywhere" must be true or false, not "yes"', "mute", { everywhere = "yes" })
    must('"moderators" must be a list of strings, not "mod"', "mute", { moderators = "mod" })
    must('"moderators" must be a list of strings, not a table', "mute", { moderators = { 1 } })
    must('"moderators" must be a list of strings, not a table', "ban", { moderators = { a = "b" } })
    must('"mask" must be a string, not 1', "words", { words = { "a" }, mask = 1 })
    must('"action" must be "reject" or "cut", not "shorten"', "length", { action = "shorten" })
    must('"words" is missing', "words", {})
    must('"words" has an empty word', "words", { words = { "a", "\u{200B}" } })
  end)

  it("may be a whole number where any number may be", function()
    policy_box.load("slow_mode", { seconds = 30 }):close()
    policy_box.load("rate_limit", { messages = 5.0 }):close()
  end)
end)
