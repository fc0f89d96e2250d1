--- The rooms a bot is in, as channels and patterns to subscribe to.
local delivery = require "moonpool.bot.delivery"
local glob = require "moonpool.glob"
local room_frame = require "moonpool.room_frame"
local room_message = require "moonpool.room_message"
local room_name = require "moonpool.room_name"

local rooms = {}

local MAX_REMEMBERED_CHANNELS = 10000

--- A function that decodes payloads, each once for all the bots that it is handed to in turn: the
--- message, with its `id` when it is stored, and its body as it was published.
---@return fun(payload: string): moonpool.room_message, string
function rooms.new_decoder()
  local last_payload, last_content, last_body
  return function(payload)
    if payload ~= last_payload then
      local body, id = room_frame.open(payload)
      last_payload, last_content, last_body = payload, room_message.decode(body), body
      last_content.id = id
    end
    return last_content, last_body
  end
end

--- The names and patterns of the bot's rooms as channels, each once.
---@param bot moonpool.bot
---@return string[]
function rooms.channels(bot)
  local channels, seen = {}, {}
  for _, room in ipairs(bot.rooms) do
    local channel = "room:" .. assert(room_name(room))
    if not seen[channel] then channels[#channels + 1] = channel end
    seen[channel] = true
  end
  return channels
end

-- Tells which of the names and patterns a channel's messages count for: the first that matches,
-- as Redis sends a message once for each.
local function new_chooser(channels)
  local chosen, count = {}, 0
  return function(channel)
    local index = chosen[channel]
    if index then return index end
    for position, pattern in ipairs(channels) do
      if glob.match(pattern, channel) then
        index = position
        break
      end
    end
    if count >= MAX_REMEMBERED_CHANNELS then
      chosen, count = {}, 0
    end
    chosen[channel], count = index, count + 1
    return index
  end
end

--- What to subscribe to, and the handlers that deliver to the bot. Where names and patterns
--- overlap, the bot gets a message once.
---@param bot moonpool.bot
---@param decode fun(payload: string): moonpool.room_message, string
---@return { channel: string, handler: fun(payload: string, channel: string) }[]
function rooms.subscriptions(bot, decode)
  local channels = rooms.channels(bot)
  local choose = new_chooser(channels)
  local list = {}
  for index, name in ipairs(channels) do
    local function handler(payload, channel)
      if #channels == 1 or choose(channel) == index then
        local content, body = decode(payload)
        delivery.deliver(bot, content, body, channel)
      end
    end
    list[index] = { channel = name, handler = handler }
  end
  return list
end

return rooms
