--- What travels on a room's channel: of stored messages a frame, `{"id":…,"prev":…,"m":BODY}` (of
--- rooms whose history is a list or a sorted set without prev); of all else the body itself.
local room_frame = {}

local LINKED = '^{"id":"(%d+%-%d+%-(%x+))","prev":"%d+%-%d+%-%x+","m":({.*})}$'
local UNLINKED = '^{"id":"(%d+%-%d+%-(%x+))","m":({.*})}$'
local BEGIN = '{"id":"'
local TAG_DIGITS = 16

--- The body in a payload, and the message's id when it is a frame. The body of a frame is what its
--- publisher said, and cannot overrule the id.
---@param payload string
---@return string body
---@return string? id
function room_frame.open(payload)
  if payload:sub(1, #BEGIN) ~= BEGIN then return payload end
  local id, tag, body = payload:match(LINKED)
  if not id then id, tag, body = payload:match(UNLINKED) end
  if id and #tag == TAG_DIGITS and not tag:find "%u" then return body, id end
  return payload
end

return room_frame
