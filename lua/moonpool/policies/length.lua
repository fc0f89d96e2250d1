-- How long a message may be, in characters and in lines: what is longer is rejected, or cut.
local judged = require "support.judged"
local options = require "support.options"

local own = options.check(policy.name, policy.options, judged.with {
  characters = { "integer", default = 1000, min = 1 },
  lines = { "integer", default = 10, min = 1 },
  action = { "choice", of = { "reject", "cut" }, default = "reject" },
})
local is_judged = judged.new(own)

local function count_lines(text)
  local _, breaks = text:gsub("\n", "")
  return breaks + 1
end

-- The first lines of a text.
local function cut_lines(text)
  local at = 0
  for _ = 1, own.lines do
    at = text:find("\n", at + 1, true)
    if not at then return text end
  end
  return text:sub(1, at - 1)
end

-- Its first characters, the last of which is an ellipsis.
local function cut_characters(text)
  local length = utf8.len(text) or #text
  if length <= own.characters then return text end
  local at = utf8.len(text) and utf8.offset(text, own.characters) or own.characters
  return text:sub(1, at - 1) .. "…"
end

policy:on("publish", function(request)
  local text = request.text
  if not text or not is_judged(request) then return end
  local characters, lines = utf8.len(text) or #text, count_lines(text)
  if characters <= own.characters and lines <= own.lines then return end
  if own.action == "cut" then return policy.rewrite(cut_characters(cut_lines(text))) end
  if characters > own.characters then
    return policy.reject(("too long: %d characters, %d are allowed"):format(
      characters, own.characters))
  end
  return policy.reject(("too long: %d lines, %d are allowed"):format(lines, own.lines))
end)
