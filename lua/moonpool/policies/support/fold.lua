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

-- Single ones: Ÿ, İ, Ź, Ż, Ž; full stops of other scripts.
local LOWER = { [0x178] = "ÿ", [0x130] = "i", [0x179] = "ź", [0x17B] = "ż", [0x17D] = "ž" }
local NARROW = { [0x3002] = ".", [0xFF61] = "." }

local MOST_KNOWN = 300 -- characters whose folding is remembered

local function to_lower(code)
  for _, range in ipairs(CAPITALS) do
    local first, last, distance, step = table.unpack(range)
    if code >= first and code <= last and (code - first) % step == 0 then
      return utf8.char(code + distance)
    end
  end
  return LOWER[code] or false
end

-- Letters of full width are ASCII's, 0xFEE0 further on.
local function to_narrow(code)
  if code >= 0xFF01 and code <= 0xFF5E then return string.char(code - 0xFEE0) end
  for _, range in ipairs(INVISIBLE) do
    if code >= range[1] and code <= range[2] then return "" end
  end
  return NARROW[code] or false
end

-- A table for gsub that finds out what it is asked for; false: the character stays as it is.
local function lazy(fold_one)
  local count = 0
  return setmetatable({}, { __index = function(known, character)
    local folded = utf8.len(character) == 1 and fold_one(utf8.codepoint(character)) or false
    if count < MOST_KNOWN then
      count = count + 1
      known[character] = folded
    end
    return folded
  end })
end

local lower, narrow, plain = lazy(to_lower), lazy(to_narrow), {}

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
