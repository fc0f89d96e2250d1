-- Words that are not to be said, in whatever letters they are written (B4D, bäd, ｂａｄ): masked, or
-- the message is rejected.
local fold = require "support.fold"
local judged = require "support.judged"
local options = require "support.options"

local own = options.check(policy.name, policy.options, judged.with {
  words = { "strings", is_needed = true },
  action = { "choice", of = { "mask", "reject" }, default = "mask" },
  whole = { "boolean", default = true },
  leet = { "boolean", default = true },
  mask = { "string", default = "*" },
})
local is_judged = judged.new(own)

local WORD = "[%w\x80-\xFF]+"
local LETTERS = { ["0"] = "o", ["3"] = "e", ["4"] = "a", ["5"] = "s", ["7"] = "t", ["8"] = "b",
  ["@"] = "a", ["$"] = "s" }

-- Single words are looked up, the rest is searched for.
local singles, phrases = {}, {}
for _, word in ipairs(own.words) do
  local folded = fold.plain(word)
  if folded == "" then error(("%s: option \"words\" has an empty word"):format(policy.name), 0) end
  if own.whole and folded:match("^" .. WORD .. "$") then
    singles[folded] = true
  else
    phrases[#phrases + 1] = folded
  end
end

-- Digits and signs as the letters that they stand for; a 1 is one letter or another. As long as
-- before.
local function unleet(folded, one)
  return (folded:gsub("1", one):gsub("[034578@$]", LETTERS):gsub("!%f[%w]", "i"))
end

-- The readings of a folded text.
local function readings(folded)
  if not own.leet or not folded:find "[0134578@$!]" then return { folded } end
  return { folded, unleet(folded, "i"), unleet(folded, "l") }
end

local function is_letter(text, at) return at > 0 and text:find("^[%w\x80-\xFF]", at) ~= nil end

-- Calls found(first, last) for each of the words in a reading.
local function search(text, found)
  if next(singles) then
    for first, word, after in text:gmatch("()(" .. WORD .. ")()") do
      if singles[word] then found(first, after - 1) end
    end
  end
  for _, phrase in ipairs(phrases) do
    local first, last = text:find(phrase, 1, true)
    while first do
      local is_part = is_letter(text, first - 1) or is_letter(text, last + 1)
      if not own.whole or not is_part then found(first, last) end
      first, last = text:find(phrase, last + 1, true)
    end
  end
end

local function has_any(text)
  local is_found = false
  for _, reading in ipairs(readings(fold.plain(text))) do
    search(reading, function() is_found = true end)
    if is_found then return true end
  end
  return false
end

-- The text with each character of these words masked.
local function mask(text)
  local folded, places = fold.mapped(text)
  local hidden = {}
  for _, reading in ipairs(readings(folded)) do
    search(reading, function(first, last)
      for index = first, last do hidden[places[index]] = true end
    end)
  end
  return (text:gsub("()([%z\1-\x7F\x80-\xFF][\x80-\xBF]*)", function(at)
    return hidden[at] and own.mask or nil
  end))
end

policy:on("publish", function(request)
  local text = request.text
  if not text or not is_judged(request) or not has_any(text) then return end
  if own.action == "reject" then return policy.reject "a word in it is not allowed here" end
  return policy.rewrite(mask(text))
end)
