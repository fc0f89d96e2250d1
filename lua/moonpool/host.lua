--- Runs scripts on one client: bots, which follow rooms and speak in them, and policies, which
--- judge what is said there. Each is in an isolate of its own (moonpool.host.actor).
local moonpool = require "moonpool"
local actors = require "moonpool.host.actor"
local committers = require "moonpool.host.committer"
local discoveries = require "moonpool.host.discovery"
local followings = require "moonpool.host.following"
local policies = require "moonpool.host.policies"
local room_name = require "moonpool.room_name"
local source = require "moonpool.host.source"
local trial = require "moonpool.host.trial"
local world = require "moonpool.host.world"

local host = {}

local DRAIN_SECONDS = 1

---@class moonpool.host
---@field package client table
---@field package log moonpool.host.log
---@field package settings moonpool.host.config
---@field package bots moonpool.host.actor[]
---@field package policies moonpool.host.actor[]
---@field package followings table<moonpool.host.actor, moonpool.host.following>
---@field package subscriptions table<moonpool.host.actor, table<integer, table>> by pattern's id
local methods = {}
local mt = { __name = "moonpool.host", __index = methods }

-- ---- loading -----------------------------------------------------------------------------------

-- Reads a script's text; true, or nil and what is wrong.
local function read(script)
  local text, message = source.read(script.path)
  if not text then return nil, message end
  script.text = text
  return true
end

local function copy(script)
  local own = {}
  for key, value in pairs(script) do own[key] = value end
  return own
end

local function load_list(self, scripts, into, messages)
  for _, script in ipairs(scripts) do
    local actor = actors.new(copy(script), self.services)
    local ok, message = read(actor.script)
    if ok then ok, message = actor:load() end
    if ok then
      into[#into + 1] = actor
    else
      messages[#messages + 1] = trial.named(script, message)
    end
  end
end

--- Loads all scripts; that they can be loaded is what moonpool.host.trial tells. Nothing is
--- subscribed yet.
---@return boolean? ok
---@return string[]? messages one for each that cannot be loaded
function methods:load()
  local messages = {}
  load_list(self, self.settings.policies, self.policies, messages)
  load_list(self, self.settings.bots, self.bots, messages)
  if #messages > 0 then return nil, messages end
  self.chain:replace(self.policies)
  return true
end

-- ---- rooms and patterns ------------------------------------------------------------------------

local function on_gap(self, actor, room, event)
  self.log:write("warning", ("missed %s messages (%s)"):format(event.missing or "some",
    event.reason or "reason unknown"), { script = actor.name, room = room })
end

local function new_handler(self, actor)
  return function(kind, room, value)
    local is_gap = kind == "gap"
    if is_gap then on_gap(self, actor, room, value) end
    local is_event = is_gap or kind == "reconnect"
    actor:deliver({ room = room, message = not is_event and value or nil }, kind, value)
  end
end

local function subscribe_pattern(self, actor, id, pattern)
  local subscription, message, code = self.client:psubscribe(pattern, function(payload, channel)
    actor:deliver({ channel = channel }, "pattern", id, payload, channel)
  end)
  if not subscription then return nil, message, code end
  self.subscriptions[actor][id] = subscription
  return true
end

local function subscribe_patterns(self, actor)
  for _, subscription in pairs(self.subscriptions[actor] or {}) do subscription:close() end
  self.subscriptions[actor] = {}
  for _, entry in ipairs(actor.patterns) do
    local ok, message, code = subscribe_pattern(self, actor, entry.id, entry.pattern)
    if not ok then return nil, message, code end
  end
  return true
end

local function follow(self, actor)
  local follower = ("%s.%s"):format(self.settings.name, actor.id)
  local following = followings.new(self.client, {
    follower = follower, rooms = actor.rooms, log = self.log, discovery = self.discovery,
    handler = new_handler(self, actor), catch_up = self.settings.catch_up,
  })
  self.followings[actor] = following
  local ok, message, code = following:start()
  if not ok then return nil, message, code end
  self.committer:add(actor, following, follower)
  return subscribe_patterns(self, actor)
end

--- Subscribes for all bots and awaits every confirmation.
---@return boolean? ok
---@return string? message names the bot and what it was refused
---@return string? code
function methods:subscribe()
  for _, actor in ipairs(self.policies) do self.committer:add(actor) end
  for _, actor in ipairs(self.bots) do
    local ok, message, code = follow(self, actor)
    if not ok then
      return nil, ("%s: cannot subscribe: %s"):format(actor.name, message), code
    end
  end
  return true
end

-- Another version of a script runs: it may want other rooms, or judge other things.
local function on_version(self, actor)
  if actor.kind == "policy" then
    self.chain:replace(self.policies)
    return
  end
  local following = self.followings[actor]
  if not following then return end
  local ok, message = following:change(actor.rooms)
  if ok then ok, message = subscribe_patterns(self, actor) end
  if not ok then
    self.log:write("error", "cannot subscribe: " .. message, { script = actor.name })
  end
end

-- ---- life --------------------------------------------------------------------------------------

--- Begins the scripts' functions for `start`, each in a task of its own, and their timers.
function methods:start()
  self.committer:start()
  for _, actor in ipairs(self.policies) do actor:start() end
  for _, actor in ipairs(self.bots) do moonpool.spawn(actor.start, actor) end
end

local function for_all(list, fn)
  local tasks = {}
  for index, item in ipairs(list) do tasks[index] = moonpool.spawn(fn, item) end
  for _, task in ipairs(tasks) do task:await() end
end

--- Ends the bots: what has been published until now is handled, then their functions for `stop`
--- run, all bots' at once. Awaits them.
function methods:stop()
  self.committer:close()
  for_all(self.bots, function(actor)
    actor:end_timers()
    self.followings[actor]:drain(DRAIN_SECONDS)
  end)
  for _, actor in ipairs(self.bots) do
    for _, subscription in pairs(self.subscriptions[actor]) do subscription:close() end
    self.followings[actor]:close()
  end
  for_all(self.bots, function(actor) actor:stop() end)
  for_all(self.policies, function(actor) actor:stop() end)
end

-- ---- operating ---------------------------------------------------------------------------------

--- Loads a script anew, or all of them; those that cannot be loaded stay as they are.
---@param name string?
---@return { script: string, ok: boolean, message: string? }[]? results
---@return string? message there is none of that name
---@return string? code
function methods:reload(name)
  local results = {}
  for _, actor in ipairs(self:actors()) do
    if not name or actor.name == name or actor.id == name then
      local script = copy(actor.script)
      local ok, message = read(script)
      if ok then ok, message = actor:reload(script) end
      results[#results + 1] = { script = actor.name, ok = ok or false, message = message }
    end
  end
  if name and #results == 0 then return nil, ("there is no script %q"):format(name), "EARG" end
  return results
end

--- All that are loaded, policies first.
---@return moonpool.host.actor[]
function methods:actors()
  local list = table.move(self.policies, 1, #self.policies, 1, {})
  return table.move(self.bots, 1, #self.bots, #list + 1, list)
end

--- Figures of all scripts.
---@return table[]
function methods:ps()
  local list = self:actors()
  for index, actor in ipairs(list) do list[index] = actor:stats() end
  return list
end

--- Publishes for a user, if the policies let him.
---@param request { room: string, user: string, text: string, type: string?, key: string? }
---@param via "say"|"gateway"
---@return string? id
---@return string? message
---@return string? code EREJECTED: a policy's reason
function methods:say(request, via)
  local room, message, code = self.client:room(request.room)
  if not room then return nil, message, code end
  local verdict = self.chain:judge("publish", {
    room = room.name, user = request.user, text = request.text, type = request.type, bot = false,
    via = via, address = request.address, time = moonpool.time(),
  })
  if verdict.verdict ~= "allow" then return nil, verdict.reason, "EREJECTED" end
  return room:say({ user = request.user, text = verdict.text, type = request.type },
    { key = request.key })
end

--- May a user join?
---@param request { room: string, user: string }
---@param via "say"|"gateway"
---@return boolean? ok
---@return string? message
---@return string? code
function methods:may_join(request, via)
  local name, message, code = room_name(request.room)
  if not name then return nil, message, code end
  local verdict = self.chain:judge("subscribe", {
    room = name, user = request.user, bot = false, via = via, time = moonpool.time(),
  })
  if verdict.verdict == "allow" then return true end
  return nil, verdict.reason, "EREJECTED"
end

--- What each policy says, publishing nothing.
---@param request { room: string, user: string, text: string }
---@return moonpool.policy_opinion[]? opinions
---@return moonpool.policy_verdict|string verdict
---@return string? code
function methods:explain(request)
  local name, message, code = room_name(request.room)
  if not name then return nil, message, code end
  return self.chain:explain("publish", {
    room = name, user = request.user, text = request.text, bot = false, via = "say",
    time = moonpool.time(),
  })
end

--- Commits what judgements have changed in the stores of policies, where start was not called;
--- it is not awaited.
function methods:commit_touched()
  for _, actor in ipairs(self.policies) do
    if actor.touched then moonpool.spawn(self.committer.flush, self.committer, actor) end
  end
end

--- The names of all bots, and the distinct names and patterns that they want, sorted.
---@return string[] bots
---@return string[] channels
function methods:running()
  local names, channels, seen = {}, {}, {}
  local function add(channel)
    if not seen[channel] then channels[#channels + 1] = channel end
    seen[channel] = true
  end
  for index, actor in ipairs(self.bots) do
    names[index] = actor.name
    for _, room in ipairs(actor.rooms) do add("room:" .. assert(room_name(room))) end
    for _, entry in ipairs(actor.patterns) do add(entry.pattern) end
  end
  table.sort(channels)
  return names, channels
end

--- A host whose scripts are not loaded yet.
---@param client table from moonpool.connect
---@param settings moonpool.host.config
---@param log moonpool.host.log
---@return moonpool.host
function host.new(client, settings, log)
  local self = setmetatable({
    client = client, settings = settings, log = log, bots = {}, policies = {}, followings = {},
    subscriptions = {}, discovery = discoveries.new(client),
    committer = committers.new(client, log),
    chain = policies.new({}, { policy_timeout = settings.limits.policy_timeout, log = log }),
  }, mt)
  local asks = world.asks(client, log, self.chain)
  function asks.pattern(instance, _, id, pattern)
    return subscribe_pattern(self, instance.actor, id, pattern)
  end
  function asks.unpattern(instance, _, id)
    local subscriptions = self.subscriptions[instance.actor] or {}
    if subscriptions[id] then subscriptions[id]:close() end
    subscriptions[id] = nil
  end
  self.services = {
    asks = asks, log = log, restart = settings.restart,
    on_version = function(actor) on_version(self, actor) end,
    commit = function(actor) self.committer:commit(actor) end,
  }
  return self
end

return host
