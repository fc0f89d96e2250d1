--- What travels on a room's channel: one JSON object a message.
---
---     {"user":"ann","text":"hi"}                          a message
---     {"type":"action","user":"ann","text":"waves"}       an action
---     {"type":"join","user":"ann"}                        also "leave"
---     {"type":"rename","user":"ann","to":"ann_away"}
---     {"user":"dice","text":"ann rolls 7","bot":true}     said by a bot
local json = require("moonpool").json
local text = require "moonpool.text"

local room_message = {}

---@class moonpool.room_message
---@field type string "message" (default), "action", "join", "leave", "rename", or another's own
---@field user string?
---@field text string? of messages and actions, always a string there when decoded
---@field to string? of renames
---@field bot boolean? said by a bot

local function quote(value) return json.encode(text.to_utf8(value)) end

--- The payload of a message. Its keys come in a fixed order: type, user, text, to, bot.
--- Bytes that are not UTF-8 are replaced by U+FFFD, as JSON has no other way.
---@param message moonpool.room_message
---@return string
function room_message.encode(message)
  local pieces = {}
  local type = message.type
  if type and type ~= "message" then pieces[1] = '"type":' .. quote(type) end
  if message.user then pieces[#pieces + 1] = '"user":' .. quote(message.user) end
  if message.text then pieces[#pieces + 1] = '"text":' .. quote(message.text) end
  if message.to then pieces[#pieces + 1] = '"to":' .. quote(message.to) end
  if message.bot then pieces[#pieces + 1] = '"bot":true' end
  return "{" .. table.concat(pieces, ",") .. "}"
end

local function string_or_nil(value) return type(value) == "string" and value or nil end

-- The payload's JSON object, or nil when it is anything else.
local function decode_object(payload)
  if not payload:find "^%s*{" then return nil end
  local object = json.decode(payload)
  if not object and not json.is_utf8(payload) then object = json.decode(text.to_utf8(payload)) end
  return object
end

--- The message in a payload. What is no JSON object becomes the text of a message without a user;
--- fields of another type than they should have are left out.
---@param payload string
---@return moonpool.room_message
function room_message.decode(payload)
  local object = decode_object(payload)
  if not object then return { type = "message", text = text.to_utf8(payload) } end
  local type = string_or_nil(object.type) or "message"
  local said = string_or_nil(object.text)
  if not said and (type == "message" or type == "action") then said = "" end
  return {
    type = type, user = string_or_nil(object.user), text = said, to = string_or_nil(object.to),
    bot = object.bot == true or nil,
  }
end

return room_message
