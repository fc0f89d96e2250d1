--- The words of a command's text. What is in double quotes is one word, in which \" is a quote and
--- \\ a backslash; a quote that is not closed, or is in the middle of a word, is a character.
--
-- Each step looks at what comes next only, so that no text takes long: anybody can send one.
local MAX_WORDS = 1000

local UNESCAPED = { ['\\"'] = '"', ["\\\\"] = "\\" }

-- The quoted word that begins at `at`, and where the text goes on; nil: it is not closed.
local function quoted(text, at)
  local pieces, from = {}, at + 1
  while true do
    local stop = string.find(text, '["\\]', from)
    if not stop then return nil end
    pieces[#pieces + 1] = string.sub(text, from, stop - 1)
    if string.byte(text, stop) == 34 then return table.concat(pieces), stop + 1 end
    local pair = string.sub(text, stop, stop + 1)
    pieces[#pieces + 1] = UNESCAPED[pair] or pair
    from = stop + 2
  end
end

---@param text string
---@return table args the words, 1,000 at most, and `text`, all of it
return function(text)
  local args, at, is_closed = { text = text }, 1, true
  while #args < MAX_WORDS do
    at = string.find(text, "%S", at)
    if not at then break end
    local word, after
    if is_closed and string.byte(text, at) == 34 then
      word, after = quoted(text, at)
      is_closed = word ~= nil -- from here on there is no other quote that is
    end
    if not word then word, after = string.match(text, "^(%S+)()", at) end
    args[#args + 1] = word
    at = after
  end
  return args
end
