-- Shouting: a message that is mostly capital letters is put into lower case, or rejected. Links are
-- left as they are.
local fold = require "support.fold"
local judged = require "support.judged"
local options = require "support.options"

local own = options.check(policy.name, policy.options, judged.with {
  letters = { "integer", default = 10, min = 1 },
  share = { "number", default = 0.7, above = 0, max = 1 },
  action = { "choice", of = { "rewrite", "reject" }, default = "rewrite" },
})
local is_judged = judged.new(own)

local CHARACTER = "[\xC2-\xF4][\x80-\xBF]*"

-- How many capital letters, how many of all letters of which capitals are known.
local function count(text)
  local _, capitals = text:gsub("%u", "")
  local _, small = text:gsub("%l", "")
  if text:find "[\xC2-\xF4]" then
    for character in text:gmatch(CHARACTER) do
      if fold.lower(character) ~= character then
        capitals = capitals + 1
      else
        small = small + 1
      end
    end
  end
  return capitals, capitals + small
end

local function is_link(word) return word:find "^%a[%w+.-]*://" ~= nil end

policy:on("publish", function(request)
  local text = request.text
  if not text or not is_judged(request) then return end
  local said = text
  if text:find("://", 1, true) then
    said = text:gsub("%S+", function(word) return is_link(word) and "" or nil end)
  end
  local capitals, letters = count(said)
  if letters < own.letters or capitals < own.share * letters then return end
  if own.action == "reject" then return policy.reject "do not shout: too many capital letters" end
  return policy.rewrite((text:gsub("%S+", function(word)
    return not is_link(word) and fold.lower(word) or nil
  end)))
end)
