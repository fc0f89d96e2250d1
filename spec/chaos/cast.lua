-- The writers and followers of a chaos run: those in this process and those in processes of their
-- own, and what they have recorded.
--
--   local people = cast.new(common)       common: options that all workers get
--   local one = people:add { role = "writer", name = "w1", apart = true, … }   worker.lua's;
--                         apart = true: a process of its own
--   cast.replace(one)     its process is SIGKILLed, and another one goes on where it was
--   cast.freeze(one), cast.thaw(one)     SIGSTOP and SIGCONT of its process
--   people:of("writer")     those of a role; people:at_work("writer"): those of them that were not
--                         told to end; people:apart(): those that are processes
--   one:records()         its facts so far: a list that grows
--   one:is_done()         it has ended of itself; raises when it failed
--   people:check()        raises when one of them has failed
--   people:tell("writer")   those of the role are to end
--   people:stop()           ends all at once
--   people:facts()          { writers =, followers = } for checker.lua
local moonpool = require "moonpool"
local program = require "spec.support.program"
local scratch = require "spec.support.scratch"
local worker = require "spec.chaos.worker"

local cast = {}

local here = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$") or "."

-- ---- one worker --------------------------------------------------------------------------------

local one_methods = {}
local one_mt = { __name = "worker", __index = one_methods }

local function start_here(one)
  one.task = moonpool.spawn(worker.run, one.options, function(fact)
    one.facts[#one.facts + 1] = fact
  end, function() return one.is_told end)
end

local function start_apart(one)
  one.folder = scratch.folder()
  one.options.folder = one.folder
  one.process = program.start { "lua5.4", here .. "/worker_process.lua",
    moonpool.json.encode(one.options),
    env = { LUA_PATH = package.path, LUA_CPATH = package.cpath } }
  one.offset, one.rest = 0, ""
end

-- Takes what its process has written since the last look; a line that a SIGKILL cut is none.
local function read_on(one)
  local file = io.open(one.process.folder .. "/stdout", "rb")
  if not file then return end
  file:seek("set", one.offset)
  local text = file:read "a"
  file:close()
  one.offset = one.offset + #text
  text = one.rest .. text
  local taken = 1
  for line, next_line in text:gmatch "([^\n]*)\n()" do
    one.facts[#one.facts + 1] = assert(moonpool.json.decode(line))
    taken = next_line
  end
  one.rest = text:sub(taken)
end

function one_methods:records()
  if self.process then read_on(self) end
  return self.facts
end

function one_methods:is_done()
  if not self.process then
    if not self.task.is_ended then return false end
    local _, traceback, code = self.task:await()
    if code == "ESCRIPT" then error(self.options.name .. ": " .. traceback, 0) end
    return true
  end
  if self.process:is_running() then return false end
  local status = self.process:status()
  if status ~= 0 then
    error(("%s ended with status %d: %s"):format(self.options.name, status, self.process:errors()),
      0)
  end
  return true
end

-- Where its process is to go on: after the last message. What came after that, such as a gap, comes
-- again.
local function resume_follower(one)
  local facts = one.facts
  for place = #facts, 1, -1 do
    if facts[place].event == "message" then
      one.options.from = facts[place].id
      return
    end
    facts[place] = nil
  end
end

local function resume_writer(one)
  local first = one.options.first or 1
  for _, fact in ipairs(one.facts) do
    if fact.said and fact.id then first = math.max(first, fact.said + 1) end
  end
  one.options.first = first
end

-- ---- all of them -------------------------------------------------------------------------------

local cast_methods = {}
local cast_mt = { __name = "cast", __index = cast_methods }

function cast.new(common)
  return setmetatable({ common = common, list = {} }, cast_mt)
end

function cast_methods:add(options)
  local all = {}
  for _, from in ipairs { self.common, options } do
    for name, value in pairs(from) do all[name] = value end
  end
  all.apart = nil
  local one = setmetatable({ options = all, facts = {}, from = all.from, lives = 1 }, one_mt)
  self.list[#self.list + 1] = one
  if options.apart then start_apart(one) else start_here(one) end
  return one
end

function cast.replace(one)
  one.process:signal("KILL")
  one.process:wait()
  one:records()
  if one.options.role == "follower" then resume_follower(one) else resume_writer(one) end
  one.lives = one.lives + 1
  start_apart(one)
end

function cast.freeze(one) one.process:signal("STOP") end

function cast.thaw(one) one.process:signal("CONT") end

local function filter(list, fn)
  local found = {}
  for _, one in ipairs(list) do
    if fn(one) then found[#found + 1] = one end
  end
  return found
end

function cast_methods:of(role)
  return filter(self.list, function(one) return one.options.role == role end)
end

function cast_methods:at_work(role)
  return filter(self:of(role), function(one) return not one.is_told end)
end

function cast_methods:apart()
  return filter(self.list, function(one) return one.process end)
end

function cast_methods:tell(role)
  for _, one in ipairs(self:of(role)) do
    one.is_told = true
    if one.process then scratch.write(one.folder .. "/stop", "") end
  end
end

function cast_methods:stop()
  for _, one in ipairs(self.list) do
    one.is_told = true
    if one.process then
      one.process:signal("KILL")
      one.process:wait()
    end
  end
end

-- Raises when one has failed.
function cast_methods:check()
  for _, one in ipairs(self.list) do one:is_done() end
end

-- ---- facts -------------------------------------------------------------------------------------

-- One say a number, whatever it took; a worker that was replaced says what was cut off again.
local function says_of(one)
  local says, by_number = {}, {}
  for _, fact in ipairs(one:records()) do
    local number = fact.say or fact.said
    local say = number and by_number[number]
    if fact.say and not say then
      say = { user = one.options.name, text = worker.text_of(one.options, number) }
      says[#says + 1], by_number[number] = say, say
    end
    if fact.say then
      say.ended = nil
    elseif fact.said then
      say.ended, say.code, say.message = true, fact.code, fact.message
      say.late = math.max(say.late or -math.huge, fact.late)
      say.id = say.id or fact.id
      if fact.id and not fact.code then say.is_durable = one.options.is_durable end
    end
  end
  return says
end

function cast_methods:facts()
  local facts = { writers = {}, followers = {} }
  for _, one in ipairs(self:of "writer") do
    facts.writers[one.options.name] = { says = says_of(one), awaits = one.options.in_flight == 1 }
  end
  for _, one in ipairs(self:of "follower") do
    facts.followers[one.options.name] = { events = one:records(), from = one.from,
      sees = one.sees }
  end
  return facts
end

return cast
