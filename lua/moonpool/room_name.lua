--- What a room may be called. Every part that takes a room's name goes through here, and here
--- through the core.

local core = require "moonpool.core"

--- Turns what a user wrote into a room's name: a leading `room:` is dropped, so that a room's
--- channel names the room too. The channel of the result is `"room:" .. name`.
---@param text string "chatty" or "room:chatty"
---@return string? name nil when it is empty, longer than 512 bytes, or has braces (Redis would
--- read them as a hash tag) or control characters (C0, DEL, and C1 in UTF-8)
---@return string? message
---@return string? code "EARG"
local function room_name(text)
  if type(text) ~= "string" then
    return nil, "bad room name: a string is needed, not " .. type(text), "EARG"
  end
  return core.room.check_name(text)
end

return room_name
