-- A chaos run against one Redis: writers and followers at work while its schedule is performed; in
-- the end all is recorded and checked.
--
--   local chaos = require "spec.chaos.chaos"
--   local run = chaos.run { seed = 1, seconds = 5 }      in moonpool's loop
--   run.result, run.facts     of checker.lua
--   run.steps                 how many steps of the schedule were performed
--
-- Options: writers (how many, default 4), followers (4), only (actions of schedule.lua; default
-- all), every (seconds between two of them), print (called with a line for each step),
-- follower_options, follower_url (function of the server: where the followers connect).
--
-- Every second worker has a process of its own. Of the writers in this process, one awaits each
-- say; of the followers, one is slow and one begins at the end, while it runs.
local cast = require "spec.chaos.cast"
local checker = require "spec.chaos.checker"
local faults = require "spec.chaos.faults"
local ids = require "spec.chaos.ids"
local moonpool = require "moonpool"
local random = require "spec.chaos.random"
local redis_server = require "spec.support.redis"
local schedule = require "spec.chaos.schedule"
local wait = require "spec.chaos.wait"

local chaos = {}

local ROOM = "chaos"
local SAY_SECONDS = 10

chaos.ROOM = ROOM
chaos.CHANNEL = "room:" .. ROOM
chaos.LOG = "{room:" .. ROOM .. "}:log"

chaos.CONNECT = { heartbeat = 0.5, backoff_min = 0.005, backoff_max = 0.2, max_retries = 1000000 }
-- Pages and buffers so small that they fill.
chaos.ROOM_OPTIONS = { keep = 0, check = 1, check_grace = 0.2, page = 50, max_buffer = 100 }

-- Those and others of one's own.
function chaos.with_options(more)
  local all = {}
  for _, from in ipairs { chaos.ROOM_OPTIONS, more } do
    for name, value in pairs(from) do all[name] = value end
  end
  return all
end

chaos.CONFIG = {
  "appendonly yes", "appendfsync always", "client-output-buffer-limit pubsub 256kb 0 0",
}

-- ---- who takes part ----------------------------------------------------------------------------

-- `pace` (default 1) makes them slower.
function chaos.add_writers(people, count, name, pace)
  for number = 1, count do
    people:add {
      role = "writer", name = (name or "w") .. number, apart = number % 2 == 0,
      timeout = SAY_SECONDS,
      in_flight = number % 4 < 2 and 20 or 1,
      pace = (number % 4 < 2 and 0.004 or 0.001) * (pace or 1),
    }
  end
end

-- Every fourth one is slow, and has a mailbox that is soon full: its feed is paused and resumed.
function chaos.add_followers(people, count, url)
  for number = 1, count do
    local is_slow = number % 4 == 3
    people:add {
      role = "follower", name = "f" .. number, apart = number % 2 == 0, from = ids.ORIGIN,
      url = url, slow = is_slow and 0.3 or nil,
      room_options = chaos.with_options(is_slow and { max_mailbox = 20 } or {}),
    }
  end
end

-- ---- the end -----------------------------------------------------------------------------------

local function all_done(list)
  for _, one in ipairs(list) do
    if not one:is_done() then return false end
  end
  return true
end

-- The id as the room writes it, of an entry of XRANGE.
local function entry_of(reply)
  local fields = {}
  for index = 1, #reply[2], 2 do fields[reply[2][index]] = reply[2][index + 1] end
  local body = assert(moonpool.json.decode(fields.m))
  return { id = reply[1] .. "-" .. fields.t, user = body.user, text = body.text }
end

function chaos.entries_of(replies)
  local log = {}
  for index, reply in ipairs(replies) do log[index] = entry_of(reply) end
  return log
end

function chaos.read_log(server)
  return chaos.entries_of(assert(server:call("XRANGE", chaos.LOG, "-", "+")))
end

local function last_entry(server)
  local list = assert(server:call("XREVRANGE", chaos.LOG, "+", "-", "COUNT", "1"))
  return list[1] and entry_of(list[1]).id
end

local function is_at(one, id)
  local facts = one:records()
  for place = #facts, 1, -1 do
    if facts[place].event == "message" then return facts[place].id == id end
  end
  return id == nil
end

-- What does not come to its end in time is left to the checker, which has names for it.

function chaos.end_writers(people)
  people:tell "writer"
  wait.try(function() return all_done(people:of "writer") end)
end

-- Until these followers have been given all that is in the log.
function chaos.wait_for_end(server, followers)
  local last = last_entry(server)
  wait.try(function()
    for _, one in ipairs(followers) do
      if not is_at(one, last) then return false end
    end
    return true
  end)
end

-- Lets writers end, followers come to the end of the log, and then end, too.
function chaos.calm(people, server)
  chaos.end_writers(people)
  chaos.wait_for_end(server, people:of "follower")
  people:tell "follower"
  wait.try(function() return all_done(people:of "follower") end)
end

function chaos.check(people, server, more)
  local facts = people:facts()
  facts.log = chaos.read_log(server)
  for name, value in pairs(more or {}) do facts[name] = value end
  return { facts = facts, result = checker.check(facts) }
end

-- ---- one Redis ---------------------------------------------------------------------------------

local function perform(steps, place, print_line)
  local began = moonpool.now()
  for _, step in ipairs(steps) do
    moonpool.sleep(math.max(0, began + step.at - moonpool.now()))
    if print_line then print_line(schedule.describe(step)) end
    faults.perform(step, place)
  end
end

-- Links are killed for a while, by one way or another.
function chaos.disturb(people, server, seed)
  perform(schedule.make {
    random = random.new(seed), seconds = 1.5, every = 0.2,
    only = { "kill", "kill_one", "forget", "overflow" },
  }, { server = server, people = people, channel = chaos.CHANNEL })
end

-- One that begins at the end while others write: what is said after that must reach it.
local function add_late_follower(people, server)
  local one = people:add { role = "follower", name = "late" }
  wait.till(function()
    people:check()
    for _, fact in ipairs(one:records()) do
      if fact.event == "begun" then return true end
    end
  end, "a follower to begin")
  local before = last_entry(server)
  wait.till(function() return last_entry(server) ~= before end, "another message")
  one.sees = last_entry(server)
end

local function run_on(server, options)
  local stream = random.new(options.seed)
  local people = cast.new {
    url = server.url, room = ROOM, seed = options.seed, connect = chaos.CONNECT,
    room_options = chaos.ROOM_OPTIONS,
  }
  local steps = schedule.make {
    random = stream:fork "schedule", seconds = options.seconds, every = options.every,
    only = options.only,
  }
  local ok, run = xpcall(function()
    local url = options.follower_url and options.follower_url(server)
    chaos.add_followers(people, options.followers or 4, url)
    chaos.add_writers(people, options.writers or 4)
    add_late_follower(people, server)
    perform(steps, { server = server, people = people, channel = chaos.CHANNEL }, options.print)
    chaos.calm(people, server)
    return chaos.check(people, server)
  end, debug.traceback)
  people:stop()
  if not ok then error(run, 0) end
  run.steps = #steps
  return run
end

---@param options table
function chaos.run(options)
  local server = redis_server.start { config = chaos.CONFIG }
  local ok, run = pcall(run_on, server, options)
  server:stop()
  if not ok then error(run, 0) end
  return run
end

return chaos
