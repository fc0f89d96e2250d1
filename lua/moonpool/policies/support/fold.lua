--- Texts as a reader sees them: without case, accents, invisible characters and look-alikes, so
--- that a word is found in whatever letters it is written.
local fold = {}

local CHARACTER = "[\xC2-\xF4][\x80-\xBF]*" -- one that is not ASCII

-- Letters of other alphabets with the look of these, and these with accents; lower case.
local VARIANTS = {
  a = "àáâãäåāăąǎȁȃạảấầẩẫậаαᴀ", b = "ḃвьβ", c = "çćĉċčсϲ", d = "ďđðḋḍԁ",
  e = "èéêëēĕėęěȅȇẹẻẽếềểễệеєεё", f = "ḟƒ", g = "ĝğġģǧɡ", h = "ĥħḣḥнһ", i = "ìíîïĩīĭįıǐịỉіιї",
  j = "ĵǰј", k = "ķǩкκ", l = "ĺļľŀłḷⅼӏ", m = "ṁмṃ", n = "ñńņňŉŋṅṇпη",
  o = "òóôõöøōŏőǒọỏốồổỗộớờởỡợоοσ",
  p = "ṗрρ", q = "ԛ", r = "ŕŗřṙṛг", s = "śŝşšșṡṣѕ", t = "ţťŧțṫṭтτ", u = "ùúûüũūŭůűųǔụủưứừửữựυ",
  v = "ṽνѵ", w = "ŵẁẃẅԝω", x = "ẋхχ", y = "ýÿŷỳỹỵуγ", z = "źżžẑẓ", ss = "ß", ae = "æ", oe = "œ",
}
-- Nothing is seen of these: soft hyphen, spaces without a width, marks of direction, joiners.
local INVISIBLE = { { 0xAD, 0xAD }, { 0x300, 0x36F }, { 0x200B, 0x200F }, { 0x202A, 0x202E },
  { 0x2060, 0x2064 }, { 0xFE00, 0xFE0F }, { 0xFEFF, 0xFEFF } }

-- Capital letters beyond ASCII: first, last, how far the small ones are, step.
local CAPITALS = { { 0xC0, 0xD6, 32, 1 }, { 0xD8, 0xDE, 32, 1 }, { 0x100, 0x136, 1, 2 },
  { 0x139, 0x147, 1, 2 }, { 0x14A, 0x176, 1, 2 }, { 0x391, 0x3A1, 32, 1 },
  { 0x3A3, 0x3A9, 32, 1 }, { 0x400, 0x40F, 80, 1 }, { 0x410, 0x42F, 32, 1 },
  { 0x1E00, 0x1E94, 1, 2 }, { 0x1EA0, 0x1EFE, 1, 2 } }

local lower, narrow, plain = {}, {}, {}
local char = utf8.char

for _, range in ipairs(CAPITALS) do
  for code = range[1], range[2], range[4] do lower[char(code)] = char(code + range[3]) end
end
lower[char(0x178)], lower[char(0x130)] = char(0xFF), "i"
lower[char(0x179)], lower[char(0x17B)], lower[char(0x17D)] = char(0x17A), char(0x17C), char(0x17E)

-- Letters of full width are ASCII's, 0xFEE0 further on; some full stops are of other scripts.
for code = 0x21, 0x7E do narrow[char(code + 0xFEE0)] = char(code) end
narrow[char(0x3002)], narrow[char(0xFF61)] = ".", "."
for _, range in ipairs(INVISIBLE) do
  for code = range[1], range[2] do narrow[char(code)] = "" end
end

for letter, variants in pairs(VARIANTS) do
  for variant in variants:gmatch(CHARACTER) do plain[variant] = letter end
end

--- In lower case: ASCII, Latin, Greek, Cyrillic.
---@param text string
---@return string
function fold.lower(text)
  text = text:lower()
  if not text:find "[\xC2-\xF4]" then return text end
  return (text:gsub(CHARACTER, lower))
end

--- In lower case, letters of full width as ASCII's, without what is invisible.
---@param text string
---@return string
function fold.narrow(text)
  if not text:find "[\xC2-\xF4]" then return text:lower() end
  return (fold.lower(text:gsub(CHARACTER, narrow)))
end

--- All of it: accents and look-alikes too.
---@param text string
---@return string
function fold.plain(text)
  text = fold.narrow(text)
  if not text:find "[\xC2-\xF4]" then return text end
  return (text:gsub(CHARACTER, plain))
end

--- fold.plain, and for each of its bytes the place in `text` of the character that it is of, with
--- one more for the end.
---@param text string
---@return string folded
---@return integer[] places
function fold.mapped(text)
  local parts, places, length = {}, {}, 0
  local known = setmetatable({}, { __index = function(all, character)
    local folded = fold.plain(character)
    all[character] = folded
    return folded
  end })
  for at, character in text:gmatch "()([%z\1-\x7F\x80-\xFF][\x80-\xBF]*)" do
    local folded = known[character]
    parts[#parts + 1] = folded
    for index = length + 1, length + #folded do places[index] = at end
    length = length + #folded
  end
  places[length + 1] = #text + 1
  return table.concat(parts), places
end

return fold
