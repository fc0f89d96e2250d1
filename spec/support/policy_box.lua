-- A policy of moonpool's library in a real isolate, on a clock of the spec's.
--
--   local policy_box = require "spec.support.policy_box"
--   local box = policy_box.load("length", { characters = 10 })   raises when it cannot be loaded
--   box:judge("text" | { text =, … }, event)   → "allow" | "reject", reason | "rewrite", text
--                           in the room "chatty", by ann, at the box's time; inside loop.run when
--                           the policy takes tokens
--   box.request = function(request) … end   changes each request before it is judged
--   box:pass(seconds)       on the clock
--   box.failures            what the script has failed of; box.log: what it has logged
--   box.stores              [room or false][key] = JSON text, as committed
--   box:reload(options)     a new isolate, with what was committed
--   box:close()
--   options.redis           a client: buckets are in Redis
--   policy_box.load_file(path, options)   the same of a file
local bucket = require "moonpool.host.bucket"
local instance = require "moonpool.host.instance"
local source = require "moonpool.host.source"

local policy_box = {}

local FOLDER = "lua/moonpool/policies/"
local START = 1795365705 -- seconds since 1970

local box_methods = {}
local box_mt = { __name = "policy_box", __index = box_methods }

local function read(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text = file:read "a"
  file:close()
  return text
end

local asks = {}

function asks.source(made, _, name) return source.module(made.actor.path, name) end

function asks.load_store(made, _, room) return made.actor.stores[room] or {} end

function asks.log(made, _, level, text) table.insert(made.actor.log, level .. ": " .. text) end

function asks.fail(made, _, text) table.insert(made.actor.failures, text) end

function asks.take(made, context, name, ...)
  local box = made.actor
  return bucket.ask(box.redis, context.request, bucket.key(nil, box.name, name), ...)
end

local function commit(self)
  local outcome, changes = self.instance:call({}, "commit")
  assert(outcome == "done", changes)
  for _, change in ipairs(changes) do
    self.stores[change.room] = self.stores[change.room] or {}
    self.stores[change.room][change.key] = change.value
  end
end

local function set_clock(self) self.isolate:set_clock(self.time - START, self.time) end

function box_methods:judge(request, event)
  if type(request) == "string" then request = { text = request } end
  local all = { room = "chatty", user = "ann", type = "message", bot = false, via = "say",
    time = self.time }
  for key, value in pairs(request) do all[key] = value end
  local outcome, verdict, value, is_touched = self.instance:call(
    { request = all }, "judge", event or "publish", all)
  assert(outcome == "done", verdict)
  if is_touched then commit(self) end
  return verdict, value
end

function box_methods:pass(seconds)
  self.time = self.time + seconds
  set_clock(self)
end

function box_methods:close() self.instance:close() end

local function load(self, options)
  local path = self.path
  local made, message = instance.load({
    kind = "policy", name = self.name, path = path, text = assert(read(path)), options = options,
    grants = {}, memory = 16 << 20, budget = 1, seed = 1,
    prepare = function(isolate)
      self.isolate = isolate
      set_clock(self)
    end,
  }, asks, self)
  if not made then error(message, 0) end
  self.instance = made
end

function box_methods:reload(options)
  self.instance:close()
  load(self, options)
end

---@param path string
---@param options? table the policy's; redis: a client
function policy_box.load_file(path, options)
  options = options or {}
  local self = setmetatable({
    path = path, name = path:match "([^/]*)%.lua$", time = START, stores = {}, log = {},
    failures = {}, redis = options.redis,
  }, box_mt)
  options.redis = nil
  load(self, options)
  self.description = self.instance.description
  return self
end

---@param name string of the library's
---@param options? table
function policy_box.load(name, options)
  return policy_box.load_file(FOLDER .. name .. ".lua", options)
end

return policy_box
