--- Bytes that should be text.
local text = {}

local REPLACEMENT = "\u{FFFD}"

-- The second byte's range after lead bytes that restrict it (Unicode 15, table 3-7), by lead byte.
local SECOND = {
  [0xE0] = { 0xA0, 0xBF }, [0xED] = { 0x80, 0x9F },
  [0xF0] = { 0x90, 0xBF }, [0xF4] = { 0x80, 0x8F },
}
local ANY_SECOND = { 0x80, 0xBF }

-- How many bytes the sequence that starts with this lead byte has; 1 where none can start.
local function sequence_length(lead)
  if lead < 0xC2 or lead > 0xF4 then return 1 end
  return lead < 0xE0 and 2 or lead < 0xF0 and 3 or 4
end

-- The length of the longest start of a well-formed sequence at `at`, at least 1.
local function broken_length(bytes, at)
  local lead = bytes:byte(at)
  local range = SECOND[lead] or ANY_SECOND
  for offset = 1, sequence_length(lead) - 1 do
    local byte = bytes:byte(at + offset)
    if not byte or byte < range[1] or byte > range[2] then return offset end
    range = ANY_SECOND
  end
  return 1
end

--- Makes UTF-8 of any bytes: each longest start of a sequence that does not go on is replaced by
--- one U+FFFD, as Unicode recommends (chapter 3.9). What is UTF-8 already comes back as it is.
---@param bytes string
---@return string
function text.to_utf8(bytes)
  local length, broken = utf8.len(bytes)
  if length then return bytes end
  local pieces, from = {}, 1
  repeat
    pieces[#pieces + 1] = bytes:sub(from, broken - 1)
    pieces[#pieces + 1] = REPLACEMENT
    from = broken + broken_length(bytes, broken)
    if from > #bytes then return table.concat(pieces) end
    length, broken = utf8.len(bytes, from)
  until length
  pieces[#pieces + 1] = bytes:sub(from)
  return table.concat(pieces)
end

return text
