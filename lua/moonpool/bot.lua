--- The `bot` object that a bot script gets: what it reacts to and what it can say. A host
--- (moonpool.host) loads the script, connects the bot and feeds it through moonpool.bot.delivery.
---
--- Every function given to a bot may await (redis commands, bot:say, sleep). One that fails is
--- reported with its traceback; the others still run and the next message still arrives.
local moonpool = require "moonpool"
local delivery = require "moonpool.bot.delivery"
local hooks = require "moonpool.hooks"
local patterns = require "moonpool.bot.patterns"
local room_name = require "moonpool.room_name"
local timers = require "moonpool.bot.timers"

local bot = {}

local EVENTS = {
  publish = true, subscribe = true, unsubscribe = true, rename = true,
  gap = true, reconnect = true, start = true, stop = true, pattern = true,
}

---@class moonpool.bot
---@field name string what it is called in its rooms; the script's file name without .lua, or what
--- the script sets; read once, when the script has been loaded
---@field rooms string[] names and patterns (Redis's globs) of the rooms it is in: `{ "room:*" }`,
--- all rooms, unless the script sets it; read once, when the script has been loaded
---@field package hooks moonpool.hooks
---@field package commands table<string, fun(message: moonpool.bot.message, args: table)>
---@field package patterns table[] see moonpool.bot.patterns
---@field package timers table[] see moonpool.bot.timers
---@field package report fun(bot: moonpool.bot, traceback: string)
---@field package host moonpool.host? while it is connected
local bot_methods = {}
local bot_mt = { __name = "moonpool.bot", __index = bot_methods }

-- Raises about the caller's caller unless the argument has the type.
local function check(kind, value, method, argument)
  if type(value) == kind then return end
  error(("bot:%s: %s: a %s is needed, not %s"):format(method, argument, kind, type(value)), 3)
end

local function known_events()
  local names = {}
  for name in pairs(EVENTS) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, ", ")
end

--- Reacts to an event. Functions of one event run by priority (higher first, default 0), then in
--- the order in which they were given.
---
--- - `"publish"`: fn(message), a message or an action in one of its rooms
--- - `"subscribe"`, `"unsubscribe"`: fn(message), a user joins or leaves
--- - `"rename"`: fn(message), a user takes another name (`message.to`)
--- - `"pattern", PATTERN`: fn(payload, channel), anything on a channel that matches; not only rooms
--- - `"gap"`: fn(event), messages were missed: `event.missing` (a count or nil), `event.reason`
--- - `"reconnect"`: fn(event), the link to Redis was lost and is there again
--- - `"start"`, `"stop"`: fn(), all subscriptions are confirmed; the host ends (it may still say
---   something, for a few seconds)
---
--- What the bot itself said does not come back to it.
---@param event string
---@param ... any the function and its priority; with "pattern" the pattern before them
---@return fun()? remove takes the function out again; nil when Redis refuses a pattern
---@return string? message
---@return string? code
function bot_methods:on(event, ...)
  if not EVENTS[event] then
    error(("bot:on: unknown event %q; there are %s"):format(tostring(event), known_events()), 2)
  end
  if event == "pattern" then
    local pattern, fn = ...
    check("string", pattern, "on", "pattern")
    check("function", fn, "on", "function")
    return patterns.add(self, pattern, fn)
  end
  local fn, priority = ...
  check("function", fn, "on", "function")
  if priority ~= nil then check("number", priority, "on", "priority") end
  return self.hooks:add(event, fn, priority)
end

--- Answers a command: `bot:command("roll", fn)` is called for messages such as "!roll 2d6", in
--- whatever case; never for another bot's message.
---@param name string without the exclamation mark and without spaces
---@param fn fun(message: moonpool.bot.message, args: table) args: the words after the command,
--- and `args.text`, all that follows it
function bot_methods:command(name, fn)
  check("string", name, "command", "name")
  check("function", fn, "command", "function")
  if name == "" or name:find "[%s!]" then
    error(("bot:command: bad name %q: one word without ! is needed"):format(name), 2)
  end
  name = name:lower()
  if self.commands[name] then error(("bot:command: there is a !%s already"):format(name), 2) end
  self.commands[name] = fn
end

--- Calls a function again and again while the bot runs, first after that time; skipped while the
--- last call still runs.
---@param seconds number
---@param fn fun()
---@return moonpool.bot.timer timer `timer.close()` ends it
function bot_methods:every(seconds, fn)
  check("number", seconds, "every", "seconds")
  check("function", fn, "every", "function")
  if seconds <= 0 then error("bot:every: seconds: more than 0 is needed", 2) end
  return timers.add(self, seconds, fn)
end

--- Says something in a room and awaits that it is stored. A failure is also logged.
---@param room string "chatty" or "room:chatty"
---@param text string
---@return string? id
---@return string? message
---@return string? code
function bot_methods:say(room, text)
  if type(text) == "number" then text = tostring(text) end
  check("string", text, "say", "text")
  if not self.host then
    error("bot:say: the bot is not connected; say it in bot:on(\"start\", …) or later", 2)
  end
  local name, message, code = room_name(room)
  if not name then return nil, message, code end
  return self.host:say(self, name, text)
end

--- Seconds on a clock that only goes forward; for measuring.
---@return number
function bot_methods.now() return moonpool.now() end

--- Seconds since 1970; for telling the time.
---@return number
function bot_methods.time() return moonpool.time() end

--- A bot that is not connected yet. `report` gets what its functions fail with.
---@param name string
---@param report fun(bot: moonpool.bot, traceback: string)
---@return moonpool.bot
function bot.new(name, report)
  local self = setmetatable({
    name = name, rooms = { "room:*" }, report = report,
    hooks = hooks.new(), commands = {}, patterns = {}, timers = {},
  }, bot_mt)
  self.message_mt = delivery.message_metatable(self)
  return self
end

return bot
