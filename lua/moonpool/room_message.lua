--- What travels on a room's channel: one JSON object a message.
---
---     {"user":"ann","text":"hi"}                          a message
---     {"type":"action","user":"ann","text":"waves"}       an action
---     {"type":"join","user":"ann"}                        also "leave"
---     {"type":"rename","user":"ann","to":"ann_away"}
---     {"user":"dice","text":"ann rolls 7","bot":true}     said by a bot
local core = require "moonpool.core"
local text = require "moonpool.text"

local json = core.json

local room_message = {}

---@class moonpool.room_message
---@field type string "message" (default), "action", "join", "leave", "rename", or another's own
---@field user string?
---@field text string? of messages and actions, always a string there when decoded
---@field to string? of renames
---@field bot boolean? said by a bot

--- The payload of a message, as the core writes those of rooms. Its keys come in a fixed order:
--- type, user, text, to, bot. Bytes that are not UTF-8 are replaced by U+FFFD, as JSON has no other
--- way.
---@param message moonpool.room_message
---@return string
function room_message.encode(message)
  return core.room.encode(nil, message.user, message.text, message.type, message.to, nil,
    message.bot)
end

-- Most messages, exactly as encode writes them, with nothing escaped: what a pattern can take apart
-- in a third of the time.
local PLAIN = '^{"user":"([^"\\%c]*)","text":"([^"\\%c]*)"}$'

local OPEN_BRACE = 123

-- The payload's JSON object, or nil when it is anything else.
local function decode_object(payload)
  if payload:byte() ~= OPEN_BRACE and not payload:find "^%s*{" then return nil end
  local object = json.decode(payload)
  if not object and not json.is_utf8(payload) then object = json.decode(text.to_utf8(payload)) end
  return object
end

local STRINGS = { "type", "user", "text", "to" }

-- Drops fields of a wrong type, and fills in what a message always has.
local function normalise(message)
  for index = 1, #STRINGS do
    local value = message[STRINGS[index]]
    if value ~= nil and type(value) ~= "string" then message[STRINGS[index]] = nil end
  end
  message.bot = message.bot == true or nil
  message.type = message.type or "message"
  if not message.text and (message.type == "message" or message.type == "action") then
    message.text = ""
  end
  return message
end

--- The message in a payload. What is no JSON object becomes the text of a message without a user;
--- of an object, `type`, `user`, `text`, `to` and `bot` are left out where they have another type
--- than they should.
---@param payload string
---@return moonpool.room_message
function room_message.decode(payload)
  local user, said = payload:match(PLAIN)
  if user and json.is_utf8(payload) then return { type = "message", user = user, text = said } end
  local object = decode_object(payload)
  if not object then return { type = "message", text = text.to_utf8(payload) } end
  return normalise(object)
end

return room_message
