--- Tests of bots and policies without Redis, on a clock that stands still until it is moved: real
--- isolates, the same guest and budgets as in a host. docs/testing.md is the manual.
require("moonpool.versions").check_isolates "bots and policies, and tests of them,"

local config_schema = require "moonpool.host.config_schema"
local config_scripts = require "moonpool.host.config_scripts"
local json = require("moonpool.core").json
local new_problems = require("moonpool.host.problems").new
local virtual = require "moonpool.host.virtual"

---@class moonpool.testing
local testing = {}

-- What is said of the test, not of the script.
local OF_TEST = {
  seed = "number", store = "table", room_stores = "table", room = "string", time = "number",
  keeps_errors = "boolean", policies = "table",
}

-- ---- making ------------------------------------------------------------------------------------

local function split(settings, path)
  local of_test, of_script = {}, { path }
  for name, value in pairs(settings or {}) do
    if OF_TEST[name] then
      if type(value) ~= OF_TEST[name] then
        error(("testing: %s: a %s is needed, not %s"):format(name, OF_TEST[name], type(value)), 4)
      end
      of_test[name] = value
    else
      of_script[name] = value
    end
  end
  return of_test, of_script
end

local function find_script(item, kind)
  local problems = new_problems(nil)
  local scripts = config_scripts.read({ item }, kind, "", "testing." .. kind, problems)
  if #problems.list > 0 then error(table.concat(problems.list, "\n"), 0) end
  if #scripts ~= 1 then error(("testing.%s: one script is needed"):format(kind), 0) end
  return scripts[1]
end

local function complete(item, kind, seed)
  local script = find_script(item, kind)
  local limits = config_schema.sections.limits
  script.memory = script.memory or limits.memory.default
  script.budget = script.budget or limits.budget.default
  script.seed = seed or 1
  return script
end

local function fill_store(world, script, room, values)
  local store = world:store_of({ kind = script.kind, id = script.name }, room)
  for key, value in pairs(values) do store[key] = assert(json.encode(value)) end
end

-- A room that the bot is in.
local function default_room(rooms)
  local first = ((rooms or {})[1] or "*"):gsub("^room:", ""):gsub("%*", "test")
  return first:find "[%[%]?\\]" and "test" or first
end

local function raise_problems(self, level)
  if self.keeps_errors or #self.errors == self.told then return end
  local new = table.concat(self.errors, "\n", self.told + 1)
  self.told = #self.errors
  error(new, level + 1)
end

-- ---- what both have ----------------------------------------------------------------------------

---@class moonpool.testing.script what bots and policies both are
---@field errors string[] what its functions failed of, with tracebacks
---@field logs { level: string, text: string }[]
---@field verdicts moonpool.testing.verdict[] what policies rejected or rewrote
---@field description table what it is and reacts to
---@field room string in which things happen
---@field package said moonpool.testing.said[]
---@field package world moonpool.host.virtual
---@field package member table of the world
---@field package script table as of a configuration
---@field package keeps_errors boolean
---@field package told integer of its errors have been raised
---@field package verdict table? of what was published last
local common = {}

---@class moonpool.testing.said what a bot has said
---@field bot string its name
---@field room string
---@field text string
---@field type string
---@field id string
---@field at number seconds since 1970
---@field key string?
---@field event string? in which it was said

---@class moonpool.testing.verdict
---@field policy string
---@field verdict "rejected"|"rewritten"|"policy failed"
---@field reason string?
---@field user string?
---@field room string?

--- Moves the clock: timers fire, and who sleeps wakes, in order and each at its time.
---@param seconds number
---@return string[] texts what the bot said meanwhile
function common:advance(seconds)
  local before = #self.said
  self.world:advance(seconds)
  raise_problems(self, 2)
  return self:texts(before)
end

--- Seconds since 1970, as the script sees it.
---@return number
function common:time() return self.world.clock:time() end

--- What the script has in its store, or in a room's: a copy.
---@param room? string
---@return table<string, any>
function common:stored(room)
  local values = {}
  for key, text in pairs(self.world:store_of(self.member, room or false)) do
    values[key] = json.decode(text)
  end
  return values
end

--- Ends it. What is not ended is, when it is collected.
function common:close() self.world:close() end

---@package
---@param from integer
---@return string[]
function common:texts(from)
  local texts = {}
  for index = from + 1, #self.said do texts[#texts + 1] = self.said[index].text end
  return texts
end

-- ---- bots --------------------------------------------------------------------------------------

---@class moonpool.testing.bot: moonpool.testing.script
---@field said moonpool.testing.said[] all that it has said
local bot_methods = setmetatable({}, { __index = common })
local bot_mt = { __name = "moonpool.testing.bot", __index = bot_methods }

local function publish(self, message, options)
  local before = #self.said
  for name, value in pairs(options or {}) do
    if name ~= "room" then message[name] = value end
  end
  self.verdict = self.world:publish(options and options.room or self.room, message)
  raise_problems(self, 3)
  return self:texts(before)
end

--- A user says something in the bot's room.
---@param user string
---@param text string
---@param options? { room: string?, type: string?, bot: boolean? } type "action" is "/me waves"
---@return string[] texts what the bot said to it
function bot_methods:says(user, text, options)
  return publish(self, { user = user, text = text }, options)
end

--- A user comes in.
---@param user string
---@param options? { room: string?, bot: boolean? }
---@return string[] texts what the bot said to it
function bot_methods:join(user, options)
  return publish(self, { type = "join", user = user }, options)
end

--- A user leaves.
---@param user string
---@param options? { room: string?, bot: boolean? }
---@return string[] texts
function bot_methods:leave(user, options)
  return publish(self, { type = "leave", user = user }, options)
end

--- A user takes another name.
---@param user string
---@param to string
---@param options? { room: string?, bot: boolean? }
---@return string[] texts
function bot_methods:rename(user, to, options)
  return publish(self, { type = "rename", user = user, to = to }, options)
end

--- Something is published on a channel; the bot hears it where it has a pattern that matches.
---@param channel string
---@param payload string
---@return string[] texts
function bot_methods:publish(channel, payload)
  local before = #self.said
  self.world:publish_on(channel, payload)
  raise_problems(self, 2)
  return self:texts(before)
end

---@alias moonpool.testing.event_name
---| "publish" | "subscribe" | "unsubscribe" | "rename" | "gap" | "reconnect" | "start" | "stop"

local TYPES = {
  publish = "message", subscribe = "join", unsubscribe = "leave", rename = "rename",
}

--- Another event.
---@param kind moonpool.testing.event_name
---@param fields? table of the event: `missing`, `reason`; of a message; `room`
---@return string[] texts
function bot_methods:event(kind, fields)
  fields = fields or {}
  if TYPES[kind] then
    local message = { type = TYPES[kind], user = "someone", text = kind == "publish" and "" or nil }
    return publish(self, message, fields)
  end
  if kind ~= "gap" and kind ~= "reconnect" and kind ~= "start" and kind ~= "stop" then
    error(("testing: there is no event %q"):format(tostring(kind)), 2)
  end
  local before, event = #self.said, {}
  for name, value in pairs(fields) do
    if name ~= "room" then event[name] = value end
  end
  local room = (kind == "gap" or kind == "reconnect") and (fields.room or self.room) or nil
  self.world:tell(kind, room, room and event or nil)
  raise_problems(self, 2)
  return self:texts(before)
end

local function begin(self)
  local message
  self.member, message = self.world:add(self.script)
  if not self.member then error(message, 0) end
  self.errors, self.told = self.member.errors, 0
  self.description = self.member.description
  self.room = self.room or default_room(self.member.rooms)
end

--- Ends the bot, as a host does that ends, and loads it again: what is in its stores stays.
---@return string[] texts what it said meanwhile
function bot_methods:restart()
  local before = #self.said
  self.world:stop(self.member)
  raise_problems(self, 2)
  begin(self)
  self.world:start(self.member)
  raise_problems(self, 2)
  return self:texts(before)
end

--- Another version takes over, or the same again: it has the stores, and what was in `bot.state`,
--- and its functions for upgrade are called, or else those for start. Raises what it fails of; the
--- old one runs on then.
---@param path? string of another file
---@return string[] texts what it said meanwhile
function bot_methods:reload(path)
  local before, script = #self.said, {}
  for name, value in pairs(self.script) do script[name] = value end
  script.path = path or script.path
  local member, message = self.world:replace(self.member, script)
  if not member then error(message, 2) end
  self.member, self.script, self.description = member, script, member.description
  self.errors, self.told = member.errors, 0
  raise_problems(self, 2)
  return self:texts(before)
end

local function new_world(self, time)
  return virtual.new {
    time = time,
    on_said = function(said) table.insert(self.said, said) end,
    on_log = function(_, level, text) table.insert(self.logs, { level = level, text = text }) end,
    on_verdict = function(policy, what, fields)
      table.insert(self.verdicts, { policy = policy, verdict = what, reason = fields.reason,
        user = fields.user, room = fields.room })
    end,
  }
end

-- A world with the script; it has not been loaded.
local function new(settings, path, kind, mt)
  local of_test, item = split(settings, path)
  local self = setmetatable({
    said = {}, logs = {}, verdicts = {}, room = of_test.room,
    keeps_errors = of_test.keeps_errors or false,
  }, mt)
  self.world = new_world(self, of_test.time)
  self.script = complete(item, kind, of_test.seed)
  fill_store(self.world, self.script, false, of_test.store or {})
  for room, values in pairs(of_test.room_stores or {}) do
    fill_store(self.world, self.script, room, values)
  end
  return self, of_test
end

---@class moonpool.testing.settings
---@field options table? the script's
---@field name string?
---@field rooms string[]?
---@field memory integer?
---@field budget number?
---@field priority number? a policy's
---@field redis boolean? the script has a field `redis`, of which each call fails: there is none
---@field seed integer? of its random numbers (1)
---@field store table<string, any>? what is in its store
---@field room_stores table<string, table<string, any>>? in those of rooms
---@field room string? in which things happen; one that the bot is in
---@field time number? seconds since 1970 at which the clock begins; 2026-01-01T00:00:00Z
---@field policies (string|table)[]? who judges what is said, as in a configuration
---@field keeps_errors boolean? what fails in the script is in `errors` only, and not raised

--- Loads a bot and starts it. Raises what it fails of.
---@param path string
---@param settings? moonpool.testing.settings
---@return moonpool.testing.bot
function testing.bot(path, settings)
  local self, of_test = new(settings, path, "bot", bot_mt)
  for _, item in ipairs(of_test.policies or {}) do
    local policy, message = self.world:add(complete(item, "policy", of_test.seed))
    if not policy then error(message, 0) end
  end
  begin(self)
  self.world:start(self.member)
  raise_problems(self, 2)
  return self
end

-- ---- policies ----------------------------------------------------------------------------------

---@class moonpool.testing.policy: moonpool.testing.script
local policy_methods = setmetatable({}, { __index = common })
local policy_mt = { __name = "moonpool.testing.policy", __index = policy_methods }

local function judge(self, event, request)
  local all = {
    room = self.room, user = "someone", type = "message", bot = false, via = "say",
    time = self.world.clock:time(), text = event == "publish" and "" or nil,
  }
  for name, value in pairs(request) do all[name] = value end
  local verdict = self.world.chain:judge(event, all)
  raise_problems(self, 3)
  if verdict.verdict == "reject" then return "reject", verdict.reason end
  if verdict.is_rewritten then return "rewrite", verdict.text end
  return "allow"
end

---@class moonpool.testing.message
---@field text string
---@field user string?
---@field room string?
---@field type string?
---@field bot boolean?

--- Somebody is about to say something.
---@param request string|moonpool.testing.message the text alone, or all of it
---@return "allow"|"reject"|"rewrite" verdict
---@return string? value the reason, or the new text
function policy_methods:publish(request)
  if type(request) == "string" then request = { text = request } end
  return judge(self, "publish", request)
end

--- Somebody is about to join.
---@param request string|{ user: string?, room: string? } or the user alone
---@return "allow"|"reject" verdict
---@return string? reason
function policy_methods:join(request)
  if type(request) == "string" then request = { user = request } end
  return judge(self, "subscribe", request)
end

--- Something is about to be published on a channel that is no room's.
---@param channel string
---@param text string
---@return "allow"|"reject"|"rewrite" verdict
---@return string? value
function policy_methods:pattern(channel, text)
  return judge(self, "pattern", { channel = channel, text = text })
end

--- Loads a policy: a file, or one of the library by name. Raises what it fails of.
---@param name string
---@param settings? moonpool.testing.settings other names are options of the policy
---@return moonpool.testing.policy
function testing.policy(name, settings)
  local self = new(settings, name, "policy", policy_mt)
  begin(self)
  return self
end

return testing
