--- Runs bots on one client: subscribes to their rooms and patterns, publishes what they say, ends
--- them. Each bot has subscriptions of its own, so that one that awaits holds up no other; in Redis
--- they are one subscription for each distinct name or pattern.
local moonpool = require "moonpool"
local delivery = require "moonpool.bot.delivery"
local guard = require "moonpool.bot.guard"
local rooms = require "moonpool.bot.rooms"
local script = require "moonpool.bot.script"
local subscriptions = require "moonpool.bot.subscriptions"
local timers = require "moonpool.bot.timers"

local host = {}

---@class moonpool.host
---@field package bots moonpool.bot[]
---@field package client table
---@field package log fun(line: string)
---@field package decode fun(payload: string): moonpool.room_message, string
---@field package rooms table<string, moonpool.room> that something is being said in
---@field package subscriptions moonpool.bot.subscriptions
local host_methods = {}
local host_mt = { __name = "moonpool.host", __index = host_methods }

-- ---- what bots ask of their host ---------------------------------------------------------------

---@package
function host_methods:say(bot, name, text)
  local room = self.rooms[name] or assert(self.client:room(name))
  self.rooms[name] = room
  local id, message, code = room:say { user = bot.name, text = text, bot = true }
  if id then return id end
  self.log(("%s: cannot say something in %s: %s"):format(bot.name, name, message))
  return nil, message, code
end

---@package
function host_methods:subscribe_pattern(bot, entry)
  local message, code
  entry.subscription, message, code = self.subscriptions:open(bot, entry.pattern,
    function(payload, channel) guard(bot, entry.fn, payload, channel) end)
  return entry.subscription, message, code
end

---@package
function host_methods:unsubscribe(bot, subscription) self.subscriptions:close(bot, subscription) end

-- ---- life --------------------------------------------------------------------------------------

-- The message names what was refused.
local function refused(bot, message, code)
  return nil, ("%s: cannot subscribe: %s"):format(bot.name, message), code
end

local function subscribe_bot(self, bot)
  for _, wanted in ipairs(rooms.subscriptions(bot, self.decode)) do
    local ok, message, code = self.subscriptions:open(bot, wanted.channel, wanted.handler)
    if not ok then return refused(bot, message, code) end
  end
  for _, entry in ipairs(bot.patterns) do
    local ok, message, code = self:subscribe_pattern(bot, entry)
    if not ok then return refused(bot, message, code) end
  end
  return true
end

--- Subscribes for all bots and awaits every confirmation.
---@return boolean? ok
---@return string? message names the bot and what it was refused
---@return string? code
function host_methods:subscribe()
  for _, bot in ipairs(self.bots) do
    bot.host = self
    local ok, message, code = subscribe_bot(self, bot)
    if not ok then return nil, message, code end
  end
  return true
end

--- Begins the bots' `start` functions, each bot's in a task of its own, and their timers.
function host_methods:start()
  for _, bot in ipairs(self.bots) do
    timers.start(bot)
    moonpool.spawn(delivery.fire, bot, "start")
  end
end

--- Ends the bots: no timer fires any more, what has been published until now is handled, then their
--- `stop` functions run, all bots' at once. Awaits them.
function host_methods:stop()
  for _, bot in ipairs(self.bots) do timers.stop(bot) end
  self.subscriptions:end_all()
  local tasks = {}
  for index, bot in ipairs(self.bots) do
    tasks[index] = moonpool.spawn(delivery.fire, bot, "stop")
  end
  for _, task in ipairs(tasks) do task:await() end
  for _, bot in ipairs(self.bots) do bot.host = nil end
end

--- The distinct names and patterns that the bots want, sorted.
---@return string[]
function host_methods:channels()
  local list, seen = {}, {}
  local function add(channel)
    if not seen[channel] then list[#list + 1] = channel end
    seen[channel] = true
  end
  for _, bot in ipairs(self.bots) do
    for _, channel in ipairs(rooms.channels(bot)) do add(channel) end
    for _, entry in ipairs(bot.patterns) do add(entry.pattern) end
  end
  table.sort(list)
  return list
end

--- A host for bots that are loaded and not running yet.
---@param bots moonpool.bot[] from host.load
---@param client table from moonpool.connect
---@param log fun(line: string) gets what an operator should know: gaps, refusals
---@return moonpool.host
function host.new(bots, client, log)
  return setmetatable({
    bots = bots, client = client, log = log, decode = rooms.new_decoder(),
    subscriptions = subscriptions.new(client, log), rooms = setmetatable({}, { __mode = "v" }),
  }, host_mt)
end

--- Loads bot scripts; see moonpool.bot.script's load_all.
host.load = script.load_all

return host
