--- What a room may be called. Every part that takes a room's name goes through here.

local MAX_BYTES = 512

local function refuse(reason)
  return nil, "bad room name: " .. reason, "EARG"
end

--- Turns what a user wrote into a room's name: a leading `room:` is dropped, so that a room's
--- channel names the room too. The channel of the result is `"room:" .. name`.
---@param text string "chatty" or "room:chatty"
---@return string? name nil when it is empty, longer than 512 bytes, or has braces (Redis would
--- read them as a hash tag) or control characters (C0, DEL, and C1 in UTF-8)
---@return string? message
---@return string? code "EARG"
local function room_name(text)
  if type(text) ~= "string" then return refuse("a string is needed, not " .. type(text)) end
  local name = text:gsub("^room:", "", 1)
  if name == "" then return refuse "it is empty" end
  if #name > MAX_BYTES then
    return refuse(("it has %d bytes; at most %d are allowed"):format(#name, MAX_BYTES))
  end
  local at = name:find "[{}]"
  if at then return refuse(("brace at byte %d of %q"):format(at, name)) end
  at = name:find "%c" or name:find "\xC2[\x80-\x9F]"
  if at then return refuse(("control character at byte %d of %q"):format(at, name)) end
  return name
end

return room_name
