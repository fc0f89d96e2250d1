-- A script in a real isolate with the real guest; what it asks of its host is answered here.
--
--   local guest_box = require "spec.support.guest_box"
--   local box = guest_box.bot [[ bot:on("publish", …) ]]     or guest_box.policy, .auth; raises
--                                what load answers when it fails. A second argument:
--     options=, grants=, name=, memory=, budget=, clock = seconds, from when it is loaded
--     stores = { [room or false] = { key = JSON } }, kept by box:commit()
--     files = { name = text } for require
--   box:event(event, ...)        hands over an event; returns what the guest answers
--   box:say(user, text)          a message in room "pool", and box:message { … } for any
--   box:begin(event, ...)        likewise, but stops at a sleep: a call; box:wake(call) goes on
--   box:judge(request, event)    request: a text, or a table
--   box:set_clock(seconds)       both clocks
--   box:commit()                 the changes by room and key, which are kept in box.stores
--   box.said                     { room, text, options } each; box:texts() only texts, and clears
--   box.failures, box.log, box.timers[id], box.patterns[id], box.loaded (rooms, in order)
--   box:close()                  for after_each; guest_box.close_all() closes all of a test
local core = require "moonpool.core"
local guest_code = require "moonpool.host.guest_code"

local guest_box = {}

local box_methods = {}
local box_mt = { __name = "guest_box", __index = box_methods }
local open = {}

-- ---- what it asks for ------------------------------------------------------------------------

local asks = {}

function asks.module(_, name) return guest_code.of(name) end

function asks.say(self, room, text, options)
  table.insert(self.said, { room, text, options })
  if self.refuses then return nil, "refused", "EPERM" end
  return ("1-%d-0000000000000001"):format(#self.said)
end

function asks.log(self, level, text) table.insert(self.log, level .. ": " .. text) end

function asks.fail(self, text, event) table.insert(self.failures, event .. ": " .. text) end

function asks.load_store(self, room)
  table.insert(self.loaded, room)
  if self.stores == "broken" then return nil, "no link", "ECONN" end
  local copy = {}
  for key, text in pairs(self.stores[room] or {}) do copy[key] = text end
  return copy
end

function asks.timer(self, id, seconds, is_repeated)
  self.timers[id] = { seconds = seconds, is_repeated = is_repeated }
end

function asks.cancel(self, id) self.timers[id] = nil end

function asks.pattern(self, id, pattern)
  if self.refuses then return nil, "refused", "EPERM" end
  self.patterns[id] = pattern
  return true
end

function asks.unpattern(self, id) self.patterns[id] = nil end

function asks.source(self, name)
  local text = self.files[name]
  self.required[name] = (self.required[name] or 0) + 1
  if text then return text, "@" .. name .. ".lua" end
  return nil, ("module '%s' not found"):format(name)
end

-- Anything else: what was asked is noted, and answered as the spec wants.
local function other(self, op, ...)
  table.insert(self.asked, { op, ... })
  if self.answer then return self.answer(op, ...) end
end

-- ---- calls -----------------------------------------------------------------------------------

local function go_on(self, outcome, call, op, ...)
  if outcome ~= "ask" then return outcome, call, op, ... end
  if op == "sleep" then return "asleep", call, ... end
  local results
  if asks[op] then
    results = table.pack(asks[op](self, ...))
  else
    results = table.pack(other(self, op, ...))
  end
  return go_on(self, self.isolate:answer(call, table.unpack(results, 1, results.n)))
end

local function done(outcome, ...)
  if outcome ~= "done" then error(("%s: %s"):format(outcome, tostring(...)), 3) end
  return ...
end

function box_methods:event(event, ...) return done(go_on(self, self.isolate:start(event, ...))) end

function box_methods:begin(event, ...)
  local outcome, call = go_on(self, self.isolate:start(event, ...))
  if outcome ~= "asleep" then error("it does not sleep: " .. outcome, 2) end
  return call
end

function box_methods:wake(call) return done(go_on(self, self.isolate:answer(call))) end

function box_methods:message(fields)
  self.last_id = self.last_id + 1
  local id = ("%d-1-0000000000000001"):format(self.last_id)
  local body = {}
  for name, value in pairs(fields) do body[name] = value end
  body.room = nil
  return (core.room.message(fields.room or "pool", id, core.json.encode(body)))
end

function box_methods:say(user, text)
  return self:event("publish", self:message { user = user, text = text })
end

function box_methods:judge(request, event, pattern_id)
  if type(request) == "string" then request = { text = request, user = "ann", room = "pool" } end
  return self:event("judge", event or "publish", request, pattern_id)
end

function box_methods:texts()
  local list = {}
  for index, entry in ipairs(self.said) do list[index] = entry[2] end
  self.said = {}
  return list
end

function box_methods:commit()
  local changes = {}
  for _, change in ipairs(self:event "commit") do
    local store = self.stores[change.room] or {}
    self.stores[change.room] = store
    store[change.key] = change.value
    changes[("%s.%s"):format(change.room or "own", change.key)] = change.value or "gone"
  end
  return changes
end

function box_methods:set_clock(seconds) self.isolate:set_clock(seconds, seconds) end

function box_methods:close() self.isolate:close() end

-- ---- loading ---------------------------------------------------------------------------------

local function load(kind, text, options)
  options = options or {}
  local self = setmetatable({
    isolate = assert(core.isolate.new {
      name = "script", memory = options.memory, budget = options.budget, seed = 1,
    }),
    said = {}, failures = {}, log = {}, timers = {}, patterns = {}, loaded = {}, asked = {},
    required = {}, stores = options.stores or {}, files = options.files or {}, last_id = 0,
  }, box_mt)
  open[#open + 1] = self
  if options.clock then self:set_clock(options.clock) end
  done(go_on(self, self.isolate:boot(guest_code.boot(), "=guest")))
  local description, problem = self:event("load", text, "@script.lua", kind,
    options.name or "script", options.options or {}, options.grants or {})
  if not description then error(problem, 0) end
  self.description = description
  return self
end

function guest_box.bot(text, options) return load("bot", text, options) end
function guest_box.policy(text, options) return load("policy", text, options) end
function guest_box.auth(text, options) return load("auth", text, options) end

function guest_box.close_all()
  for _, box in ipairs(open) do box:close() end
  open = {}
end

return guest_box
