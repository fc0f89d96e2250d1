--- Events of rooms as JSON, one object a line: its own fields first, in a fixed order, then those
--- that the message has beside the usual ones.
local json = require("moonpool").json
local json_line = require "moonpool.cli.json_line"

local room_event = {}

local field, quote = json_line.field, json_line.quote

-- What a member of a message's body cannot overrule.
local OURS = {}
for _, name in ipairs {
  "event", "room", "id", "at", "type", "user", "text", "to", "target", "bot",
} do
  OURS[name] = true
end

local STRINGS = { "user", "text", "to", "target" }

-- A body of only these needs no closer look.
local USUAL = '^{"user":"[^"\\]*","text":"[^"\\]*"}$'

local function add_others(pieces, body)
  if body:find(USUAL) then return end
  local object = json.decode(body)
  if type(object) ~= "table" then return end
  local names = {}
  for name in pairs(object) do
    if type(name) == "string" and not OURS[name] then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local encoded = json.encode({ [name] = object[name] }, { sort = true })
    if encoded then pieces[#pieces + 1] = encoded:sub(2, -2) end
  end
end

--- A message, or what else somebody has published, as a line: `event` is "message", "join", …
---@param event string
---@param message moonpool.message
---@param with_room boolean? names the room
---@return string
function room_event.message(event, message, with_room)
  local pieces = { '"event":' .. quote(event) }
  if with_room then pieces[2] = field("room", message.room) end
  if message.id then
    pieces[#pieces + 1] = '"id":"' .. message.id .. '"'
    pieces[#pieces + 1] = ('"at":%.3f'):format(message.at)
  end
  local type = message.type
  if event == "message" and type ~= "message" or event == "signal" then
    pieces[#pieces + 1] = field("type", type)
  end
  for _, name in ipairs(STRINGS) do
    local value = message[name]
    if value then pieces[#pieces + 1] = field(name, value) end
  end
  if message.bot then pieces[#pieces + 1] = '"bot":true' end
  add_others(pieces, message:json())
  return "{" .. table.concat(pieces, ",") .. "}\n"
end

local function number_or_null(name, value) return ('"%s":%s'):format(name, value or "null") end

local function id_or_null(name, id) return ('"%s":%s'):format(name, id and quote(id) or "null") end

--- What happens to the feed: "gap", "reconnect", "live", "error".
---@param event table what a handler of that event gets
---@param with_room boolean? names the room
---@return string
function room_event.feed(event, with_room)
  local pieces = { field("event", event.event) }
  if with_room and event.room then pieces[2] = field("room", event.room) end
  local function add(piece) pieces[#pieces + 1] = piece end
  if event.event == "gap" then
    add(id_or_null("from", event.from))
    add(id_or_null("to", event.to))
    add(number_or_null("missing", event.missing))
    add(field("reason", event.reason))
  elseif event.event == "live" then
    add(id_or_null("id", event.id))
  elseif event.event == "error" then
    add(field("code", event.code))
    add(field("message", event.message))
  end
  return "{" .. table.concat(pieces, ",") .. "}\n"
end

return room_event
