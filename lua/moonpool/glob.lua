--- Redis's glob patterns, as PSUBSCRIBE reads them (https://redis.io/commands/psubscribe):
--- `?` one byte, `*` any bytes, `[abc]` `[a-z]` `[^a]` one byte of a set, `\` takes the next byte
--- as it is.
local glob = {}

local STAR, QUESTION, OPEN, CLOSE, ESCAPE = 42, 63, 91, 93, 92
local CARET, DASH = 94, 45

--- Whether a name would be read as more than itself by PSUBSCRIBE.
---@param name string
---@return boolean
function glob.is_pattern(name) return name:find "[*?%[\\]" ~= nil end

-- Matches one byte with the set that starts after "[" at `at`; returns the verdict and the
-- position after the set. An unfinished set ends with the pattern.
local function match_set(pattern, at, byte)
  local negated = pattern:byte(at) == CARET
  if negated then at = at + 1 end
  local found = false
  while at <= #pattern do
    local low = pattern:byte(at)
    if low == CLOSE then
      return found ~= negated, at + 1
    elseif low == ESCAPE and at < #pattern then
      at = at + 1
      found = found or pattern:byte(at) == byte
    elseif pattern:byte(at + 1) == DASH and at + 2 <= #pattern then
      local high = pattern:byte(at + 2)
      if low > high then low, high = high, low end
      found = found or (byte >= low and byte <= high)
      at = at + 2
    else
      found = found or low == byte
    end
    at = at + 1
  end
  return found ~= negated, at
end

-- Matches the one byte that the pattern has at `at`, which is no star.
local function match_one(pattern, at, byte)
  local wanted = pattern:byte(at)
  if wanted == QUESTION then return true, at + 1 end
  if wanted == OPEN then return match_set(pattern, at + 1, byte) end
  if wanted == ESCAPE and at < #pattern then
    at = at + 1
    wanted = pattern:byte(at)
  end
  return wanted == byte, at + 1
end

--- Whether a pattern matches a name, byte by byte; verdicts are those of Redis 7's stringmatchlen.
--- Takes at most #pattern × #name steps: only the last star can need another try.
---@param pattern string
---@param name string
---@return boolean
function glob.match(pattern, name)
  if name == "" then return pattern == "" end -- as Redis has it: no star matches an empty name
  local at, position = 1, 1
  local star, retry
  while position <= #name do
    local matched, following = false, at
    if at <= #pattern then
      if pattern:byte(at) == STAR then
        star, retry, at = at + 1, position, at + 1
        goto continue
      end
      matched, following = match_one(pattern, at, name:byte(position))
    end
    if matched then
      at, position = following, position + 1
    elseif star then
      retry = retry + 1
      at, position = star, retry
    else
      return false
    end
    ::continue::
  end
  return pattern:match("^%**$", at) ~= nil
end

return glob
