--- What may be shown on a terminal: text of others must not steer it.
local text = require "moonpool.text"

local terminal = {}

-- U+2400 and on are pictures of the control characters.
local function picture(char)
  local byte = char:byte()
  return utf8.char(byte == 127 and 0x2421 or 0x2400 + byte)
end

--- One line that shows `bytes`: control characters become pictures or U+FFFD, as do those that
--- reorder text (Unicode's bidi controls), and what is no UTF-8.
---@param bytes string
---@return string
function terminal.neutralise(bytes)
  local line = text.to_utf8(bytes):gsub("%c", picture)
  line = line:gsub("\xC2[\x80-\x9F]", "\u{FFFD}")
  line = line:gsub("\xE2\x80[\x8E\x8F\xA8-\xAE]", "\u{FFFD}")
  return (line:gsub("\xE2\x81[\xA6-\xA9]", "\u{FFFD}"))
end

return terminal
