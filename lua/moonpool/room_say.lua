--- What a program says in a room: a text, or a table, as the arguments that the core takes.

local core = require "moonpool.core"
local room_options = require "moonpool.room_options"

local json, room = core.json, core.room

local say = {}

local STRINGS = { "text", "type", "to", "target", "user" }
local OURS = room_options.set("text", "type", "to", "target", "user", "bot")
local FRAME = room_options.set("id", "at", "room", "json") -- a message's own, whatever is said
local SORTED = { sort = true }

local KNOWN = room_options.set("key", "user", "timeout")
local KNOWN_OF_SIGNAL = room_options.set("user", "timeout")

-- The members that have no meaning of ours, as JSON; always in the same order, so that the same
-- message said again with its key is the same bytes.
local function encode_others(message, method)
  local names
  for name in pairs(message) do
    if not OURS[name] then
      if type(name) ~= "string" then
        error(("room:%s: a member's name is a %s, not a string"):format(method, type(name)), 4)
      end
      if FRAME[name] then
        error(("room:%s: a message cannot have a member '%s'"):format(method, name), 4)
      end
      names = names or {}
      names[#names + 1] = name
    end
  end
  if not names then return end
  table.sort(names)
  for index, name in ipairs(names) do
    local value, reason = json.encode({ [name] = message[name] }, SORTED)
    if not value then return nil, ("the member '%s': %s"):format(name, reason), "EARG" end
    names[index] = value:sub(2, -2)
  end
  return table.concat(names, ",")
end

local function check_strings(message, method)
  for _, name in ipairs(STRINGS) do
    local kind = type(message[name])
    if kind ~= "nil" and kind ~= "string" and kind ~= "number" then
      error(("room:%s: '%s' must be a string, not a %s"):format(method, name, kind), 4)
    end
  end
end

-- The message that was said, as a table.
local function check_message(message, method)
  if type(message) == "string" or type(message) == "number" then return { text = message } end
  if type(message) ~= "table" then
    error(("room:%s: a text or a table is needed, not %s"):format(method, type(message)), 4)
  end
  check_strings(message, method)
  return message
end

local function fail_without_user(method)
  return nil, ("room:%s: who says it? room:join { user = … } first, or give a user"):format(method),
    "EARG"
end

-- The user, or nil, message, code.
local function user_of(handle, message, options, method)
  local user = options.user or message.user or room.state(handle).user
  if user == nil then return fail_without_user(method) end
  return user
end

--- room:say(text | message, options) → id, or nil, message, code [, id]
---@param handle moonpool.room
---@param message string|number|table
---@param options? { key?: string, user?: string, timeout?: number }
---@return string? id, string? message, string? code, string? stored_id
function say.say(handle, message, options)
  message = check_message(message, "say")
  options = room_options.check(options, KNOWN, "say")
  local user, reason, code = user_of(handle, message, options, "say")
  if not user then return nil, reason, code end
  local more
  more, reason, code = encode_others(message, "say")
  if reason then return nil, reason, code end
  return room.say(handle, user, message.text, message.type, message.to, message.target,
    message.bot, more, options.key, options.timeout)
end

--- room:signal(message, options) → true, or nil, message, code
---@param handle moonpool.room
---@param message table
---@param options? { user?: string, timeout?: number }
---@return true?, string? message, string? code
function say.signal(handle, message, options)
  message = check_message(message, "signal")
  options = room_options.check(options, KNOWN_OF_SIGNAL, "signal")
  local user = options.user or message.user or room.state(handle).user
  local more, reason, code = encode_others(message, "signal")
  if reason then return nil, reason, code end
  return room.signal(handle, user, message.text, message.type, message.to, message.target,
    message.bot, more, options.timeout)
end

--- room:typing(options) → true, or nil, message, code
---@param handle moonpool.room
---@param options? { user?: string, timeout?: number }
---@return true?, string? message, string? code
function say.typing(handle, options)
  options = room_options.check(options, KNOWN_OF_SIGNAL, "typing")
  local user, reason, code = user_of(handle, {}, options, "typing")
  if not user then return nil, reason, code end
  return room.signal(handle, user, nil, "typing", nil, nil, false, nil, options.timeout)
end

return say
