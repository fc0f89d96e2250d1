--- How a payload reaches a bot's functions: which event it is, the message's handle, commands.
local guard = require "moonpool.bot.guard"

local delivery = {}

-- What a message's type is to a bot; other types reach no bot.
local EVENT_OF = {
  message = "publish", action = "publish",
  join = "subscribe", leave = "unsubscribe", rename = "rename",
}

local EXCLAMATION = 33

---@class moonpool.bot.message
---@field type string "message", "action", "join", "leave" or "rename"
---@field room string the room's name
---@field user string? who said it; nil for what came as plain text
---@field text string of messages and actions
---@field to string? of renames: the new name
---@field bot boolean whether a bot said it
---@field id string? of what is in the room's history
---@field payload string its JSON, as it was published

--- The metatable of the messages that one bot gets.
---@param bot moonpool.bot
---@return table
function delivery.message_metatable(bot)
  local methods = {}

  --- Says something in the message's room: bot:say(message.room, text).
  function methods:reply(text) return bot:say(self.room, text) end

  return { __name = "moonpool.bot.message", __index = methods }
end

local function new_message(bot, content, payload, channel)
  return setmetatable({
    type = content.type, user = content.user, text = content.text, to = content.to,
    bot = content.bot or false, room = channel:sub(6), id = content.id, payload = payload,
  }, bot.message_mt)
end

local function arguments(text)
  local args = { text = text }
  for word in text:gmatch "%S+" do args[#args + 1] = word end
  return args
end

-- The function of the command in a text, and the command's arguments.
local function find_command(bot, text)
  local name, rest = text:match "^!(%S+)%s*(.-)%s*$"
  local fn = name and bot.commands[name:lower()]
  if fn then return fn, arguments(rest) end
end

local function run_command(bot, message)
  if message.text:byte() ~= EXCLAMATION or message.bot or message.type ~= "message" then return end
  local fn, args = find_command(bot, message.text)
  if fn then guard(bot, fn, message, args) end
end

--- Calls the functions of an event.
---@param bot moonpool.bot
---@param event string
---@param ... any their arguments
function delivery.fire(bot, event, ...)
  for _, entry in ipairs(bot.hooks:list(event)) do guard(bot, entry.fn, ...) end
end

--- Hands a room's message to a bot: to the functions of its event, then to its command's.
---@param bot moonpool.bot
---@param content moonpool.room_message the payload decoded; may be shared by bots
---@param payload string its JSON
---@param channel string "room:" and the room's name
function delivery.deliver(bot, content, payload, channel)
  local event = EVENT_OF[content.type]
  if not event or (content.bot and content.user == bot.name) then return end
  local message = new_message(bot, content, payload, channel)
  delivery.fire(bot, event, message)
  if event == "publish" then run_command(bot, message) end
end

return delivery
