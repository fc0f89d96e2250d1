--- Runs scripts on one client: bots, which follow rooms and speak in them, and policies, which
--- judge what is said there. Each is in an isolate of its own (moonpool.host.actor).
local moonpool = require "moonpool"
local actors = require "moonpool.host.actor"
local attachment = require "moonpool.host.attachment"
local authentication = require "moonpool.host.authentication"
local committers = require "moonpool.host.committer"
local discoveries = require "moonpool.host.discovery"
local policies = require "moonpool.host.policies"
local reloading = require "moonpool.host.reloading"
local requests = require "moonpool.host.requests"
local room_name = require "moonpool.room_name"
local source = require "moonpool.host.source"
local trial = require "moonpool.host.trial"
local world = require "moonpool.host.world"

local host = {}

local DRAIN_SECONDS = 1

---@class moonpool.host
---@field client table
---@field log moonpool.host.log
---@field settings moonpool.host.config
---@field package bots moonpool.host.actor[]
---@field policies moonpool.host.actor[]
---@field auth moonpool.host.actor[] one at most: it says who a gateway's users are
---@field followings table<moonpool.host.actor, moonpool.host.following>
---@field subscriptions table<moonpool.host.actor, table<integer, table>> by pattern's id
---@field chain table its policies, which judge
---@field committer table of what scripts have changed in their stores
---@field services moonpool.host.services
---@field discovery moonpool.host.discovery
local methods = {
  say = requests.say, may_join = requests.may_join, explain = requests.explain,
  authenticate = authentication.of,
}
local mt = { __name = "moonpool.host", __index = methods }

-- ---- loading -----------------------------------------------------------------------------------

--- An actor whose script is loaded, or, when it has been set aside, is to be loaded later.
---@package
---@param script moonpool.host.script
---@return moonpool.host.actor? actor
---@return string? message
function methods:load_script(script)
  local own, missing = source.open(script)
  if not own then return nil, missing end
  local actor = actors.new(own, self.services)
  local aside = self.set_aside[script.name]
  if aside then
    actor:postpone(aside.reason, aside.retry_in)
    return actor
  end
  local ok, message = actor:load()
  if not ok then return nil, trial.named(script, message) end
  return actor
end

local function load_list(self, scripts, into, messages)
  for _, script in ipairs(scripts) do
    local actor, message = self:load_script(script)
    if actor then into[#into + 1] = actor else messages[#messages + 1] = message end
  end
end

--- Loads all scripts; that they can be loaded is what moonpool.host.trial tells. Nothing is
--- subscribed yet.
---@param set_aside? table<string, { reason: string, retry_in: number }> by name: not to be loaded
--- before so many seconds have passed
---@return boolean? ok
---@return string[]? messages one for each that cannot be loaded
function methods:load(set_aside)
  self.set_aside = set_aside or {}
  local messages = {}
  load_list(self, self.settings.policies, self.policies, messages)
  load_list(self, self.settings.auth, self.auth, messages)
  load_list(self, self.settings.bots, self.bots, messages)
  if #messages > 0 then return nil, messages end
  self.chain:replace(self.policies)
  return true
end

-- What is set aside is attached once it runs.
local function attach(self, actor)
  if actor.state ~= "running" then return true end
  return attachment.attach(self, actor)
end

--- Subscribes for all bots and awaits every confirmation.
---@return boolean? ok
---@return string? message names the bot and what it was refused
---@return string? code
function methods:subscribe()
  for _, actor in ipairs(self.policies) do self.committer:add(actor) end
  for _, actor in ipairs(self.bots) do
    local ok, message, code = attach(self, actor)
    if not ok then
      return nil, ("%s: cannot subscribe: %s"):format(actor.name, message), code
    end
  end
  return true
end

-- ---- life --------------------------------------------------------------------------------------

--- Begins the scripts' functions for `start`, each in a task of its own, and their timers.
function methods:start()
  self.committer:start()
  for _, actor in ipairs(self:actors()) do
    if actor.state == "running" then moonpool.spawn(actor.start, actor) end
  end
end

local function for_all(list, fn)
  local tasks = {}
  for index, item in ipairs(list) do tasks[index] = moonpool.spawn(fn, item) end
  for _, task in ipairs(tasks) do task:await() end
end

--- Ends actors: what has been published until now is handled, then their functions for `stop` run,
--- all at once.
---@package
---@param list moonpool.host.actor[]
function methods:end_actors(list)
  for_all(list, function(actor)
    actor:end_timers()
    if self.followings[actor] then self.followings[actor]:drain(DRAIN_SECONDS) end
  end)
  for _, actor in ipairs(list) do attachment.detach(self, actor) end
  for_all(list, function(actor) actor:stop() end)
end

--- Ends the bots, then the policies: what has been published until now is handled, then their
--- functions for `stop` run, all bots' at once. Awaits them.
function methods:stop()
  self.committer:close()
  self:end_actors(self.bots)
  self:end_actors(self.policies)
  self:end_actors(self.auth)
end

methods.reload, methods.reload_one = reloading.reload, reloading.reload_one

--- What the policies say of a request; see moonpool.host.policies. Awaits it.
---@param event "publish"|"subscribe"
---@param request moonpool.policy_request
---@return moonpool.policy_verdict
function methods:judge(event, request) return self.chain:judge(event, request) end

--- Is there any policy to be asked? There may be some after a reload: then there are always.
---@return boolean
function methods:has_policies() return #self.policies > 0 or self.settings.file ~= nil end

-- ---- operating ---------------------------------------------------------------------------------

--- All that are loaded, policies first.
---@return moonpool.host.actor[]
function methods:actors()
  local list = table.move(self.policies, 1, #self.policies, 1, {})
  table.move(self.auth, 1, #self.auth, #list + 1, list)
  return table.move(self.bots, 1, #self.bots, #list + 1, list)
end

--- Figures of all scripts.
---@return table[]
function methods:ps()
  local list = self:actors()
  for index, actor in ipairs(list) do list[index] = actor:stats() end
  return list
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
    client = client, settings = settings, log = log, bots = {}, policies = {}, auth = {},
    followings = {}, set_aside = {}, subscriptions = {}, discovery = discoveries.new(client),
    committer = committers.new(client, log),
    chain = policies.new({}, { policy_timeout = settings.limits.policy_timeout, log = log }),
  }, mt)
  local asks = world.asks(client, log, self.chain)
  function asks.pattern(instance, _, id, pattern)
    return attachment.subscribe(self, instance.actor, id, pattern)
  end
  function asks.unpattern(instance, _, id)
    attachment.unsubscribe(self, instance.actor, id)
  end
  self.services = {
    asks = asks, log = log, restart = settings.restart, slice = settings.limits.slice,
    on_version = function(actor) attachment.renew(self, actor) end,
    commit = function(actor) self.committer:commit(actor) end,
  }
  return self
end

return host
