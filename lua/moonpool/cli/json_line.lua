--- JSON objects, one a line, built by hand: the pieces that come again are cached by who uses them.
--- Bytes that are no UTF-8 keep their value as Base64, in a field that says so.
local json_line = {}

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n",
  ["\r"] = "\\r", ["\t"] = "\\t" }
for byte = 0, 31 do
  local char = string.char(byte)
  ESCAPES[char] = ESCAPES[char] or ("\\u%04x"):format(byte)
end

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function digit(number)
  return DIGITS:sub(number + 1, number + 1)
end

local function encode_three(three)
  local a, b, c = three:byte(1, 3)
  local bits = a << 16 | (b or 0) << 8 | (c or 0)
  return digit(bits >> 18) .. digit(bits >> 12 & 63) .. (b and digit(bits >> 6 & 63) or "=")
    .. (c and digit(bits & 63) or "=")
end

--- RFC 4648, section 4, with padding.
---@param bytes string
---@return string
function json_line.base64(bytes)
  return (bytes:gsub("..?.?", encode_three))
end

--- A JSON string, quotes included.
---@param text string UTF-8
---@return string
function json_line.quote(text)
  if text:find '[%z\1-\31"\\]' then text = text:gsub('[%z\1-\31"\\]', ESCAPES) end
  return '"' .. text .. '"'
end
local quote = json_line.quote

--- `"name":value` for bytes: a string, or `"name_base64"` when they are no UTF-8.
---@param name string
---@param bytes string
---@return string
function json_line.field(name, bytes)
  if utf8.len(bytes) then return '"' .. name .. '":' .. quote(bytes) end
  return '"' .. name .. '_base64":"' .. json_line.base64(bytes) .. '"'
end
local field = json_line.field

-- Remembers a function's result for each of the last few thousand arguments.
local function remember(fn)
  local known, count = {}, 0
  return function(argument)
    local result = known[argument]
    if result then return result end
    if count >= 4096 then known, count = {}, 0 end
    result = fn(argument)
    known[argument], count = result, count + 1
    return result
  end
end

--- Gives a function that makes the line of a message; channels and patterns are encoded once.
---@return fun(payload: string, channel: string, pattern: string?): string
function json_line.new_message_encoder()
  local head = remember(function(channel)
    return '{"event":"message",' .. field("channel", channel) .. ","
  end)
  local middle = remember(function(pattern) return field("pattern", pattern) .. "," end)
  return function(payload, channel, pattern)
    return head(channel) .. (pattern and middle(pattern) or '"pattern":null,')
      .. field("payload", payload) .. "}\n"
  end
end

local EVENT_FIELDS = { "action", "channel", "count", "missing", "reason", "code", "message" }

--- The line of any other event: its fields in a fixed order, those that are nil left out.
---@param event table { event =, … }, see EVENT_FIELDS for the rest
---@return string
function json_line.event(event)
  local pieces = { field("event", event.event) }
  for _, name in ipairs(EVENT_FIELDS) do
    local value = event[name]
    if type(value) == "number" then
      pieces[#pieces + 1] = ('"%s":%s'):format(name, value)
    elseif value ~= nil then
      pieces[#pieces + 1] = field(name, tostring(value))
    end
  end
  return "{" .. table.concat(pieces, ",") .. "}\n"
end

return json_line
