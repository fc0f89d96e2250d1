--- The subscriptions of a host's bots on one client: opening, events, and an end that loses nothing
--- that was published before it.
local moonpool = require "moonpool"
local delivery = require "moonpool.bot.delivery"
local glob = require "moonpool.glob"
local system = require("moonpool.core").system

local subscriptions = {}

local BARRIER = "moonpool:barrier:" -- a channel that nobody publishes on
local DRAIN_SECONDS = 1

---@class moonpool.bot.subscriptions
---@field package client table
---@field package log fun(line: string)
---@field package by_bot table<moonpool.bot, table[]>
---@field package busy integer handlers that have begun and not returned
---@field package idle table? a latch, for who waits until busy is 0
---@field package has_ended boolean
local subscriptions_methods = {}
local subscriptions_mt = {
  __name = "moonpool.bot.subscriptions", __index = subscriptions_methods,
}

-- A bot hears of a lost link once, through the first of its subscriptions.
local function is_first(self, bot, subscription)
  local list = self.by_bot[bot]
  return list and list[1] == subscription
end

local function on_gap(self, bot, subscription, event)
  if event.reason == "reconnect" and not is_first(self, bot, subscription) then return end
  self.log(("%s: missed %s messages (%s)"):format(
    bot.name, event.missing or "some", event.reason or "reason unknown"))
  delivery.fire(bot, "gap", event)
end

local function on_reconnect(self, bot, subscription, event)
  if is_first(self, bot, subscription) then delivery.fire(bot, "reconnect", event) end
end

local function on_error(self, bot, event)
  self.log(("%s: %s: %s"):format(bot.name, event.channel or "subscription", event.message))
end

-- Counts what has begun and not returned.
local function counted(self, fn)
  return function(payload, channel)
    self.busy = self.busy + 1
    fn(payload, channel)
    self.busy = self.busy - 1
    if self.idle and self.busy == 0 then self.idle:open() end
  end
end

--- Subscribes a bot to a channel or, when the name has wildcards, to a pattern.
---@param bot moonpool.bot
---@param channel string
---@param fn fun(payload: string, channel: string) may await, does not fail
---@return table? subscription
---@return string? message
---@return string? code
function subscriptions_methods:open(bot, channel, fn)
  local method = glob.is_pattern(channel) and "psubscribe" or "subscribe"
  local subscription, message, code
  subscription, message, code = self.client[method](self.client, channel, counted(self, fn), {
    events = {
      gap = function(event) on_gap(self, bot, subscription, event) end,
      reconnect = function(event) on_reconnect(self, bot, subscription, event) end,
      error = function(event) on_error(self, bot, event) end,
    },
  })
  if not subscription then return nil, message, code end
  local list = self.by_bot[bot] or {}
  list[#list + 1] = subscription
  self.by_bot[bot] = list
  return subscription
end

--- Ends one of a bot's subscriptions.
---@param bot moonpool.bot
---@param subscription table
function subscriptions_methods:close(bot, subscription)
  local list = self.by_bot[bot]
  for index, other in ipairs(list) do
    if other == subscription then
      table.remove(list, index)
      break
    end
  end
  subscription:close()
end

-- Awaits that Redis has sent us all that it had for us by now: a confirmation comes after it.
-- Where its ACL refuses the channel, what is under way may be lost.
local function await_barrier(self)
  local mark = self.client:subscribe(BARRIER .. system.getpid(), function() end)
  if mark then mark:close() end
end

-- Awaits that no function of a bot is under way.
local function await_idle(self)
  while self.busy > 0 and not self.has_ended do
    self.idle = system.latch()
    self.idle:wait()
  end
end

-- Awaits that all is handled that has been published, for a second at most: a function may await
-- for ever, Redis may be away.
local function drain(self)
  local done = system.latch()
  local deadline = moonpool.timer(DRAIN_SECONDS, function() done:open() end)
  moonpool.spawn(function()
    await_barrier(self)
    await_idle(self)
    done:open()
  end)
  done:wait()
  deadline:close()
  self.has_ended = true
  if self.idle then self.idle:open() end
end

--- Ends all subscriptions once what has been published until now is handled; a second is left for
--- functions that await.
function subscriptions_methods:end_all()
  drain(self)
  local by_bot = self.by_bot
  self.by_bot = {}
  for _, list in pairs(by_bot) do
    for _, subscription in ipairs(list) do subscription:close() end
  end
end

---@param client table from moonpool.connect
---@param log fun(line: string) gets what an operator should know: gaps, refusals
---@return moonpool.bot.subscriptions
function subscriptions.new(client, log)
  return setmetatable({ client = client, log = log, by_bot = {}, busy = 0, has_ended = false },
    subscriptions_mt)
end

return subscriptions
