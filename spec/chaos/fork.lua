-- A fork of history: sentinels promote a replica that lacks the tail of what its master had
-- acknowledged, while writers and followers are at work.
--
--   local fork = require "spec.chaos.fork"
--   local run = fork.run { seed = 1, clock = "equal" }    in moonpool's loop
--   run.result, run.facts     of checker.lua
--   run.collisions            ids of lost messages whose ms and seq another message has now
--   run.trimmed               with trim: result and facts of the follower that was away meanwhile
--
-- Options: clock = "equal" | "behind" (the replica's, by 5 s) | "collide" (both are stepped back a
-- minute before the fork, so that ms stands still and both branches have the same ids);
-- trim = true: when the new master has gone on, its history is cut down to what came after the
-- fork, before one of the followers is back; noise = true: links are killed, too, before and after;
-- tail = how many messages the fork has at least (1,000 and more: followers forget where it began);
-- writers (default 4), followers (4).
local cast = require "spec.chaos.cast"
local chaos = require "spec.chaos.chaos"
local checker = require "spec.chaos.checker"
local clock = require "spec.chaos.clock"
local ids = require "spec.chaos.ids"
local sentinel = require "spec.support.sentinel"
local wait = require "spec.chaos.wait"

local fork = {}

local ENOUGH = 30 -- messages of each writer in each part of a run
local PACE = 5          -- of writers
local REMEMBERED = 1000 -- messages by a follower
local PATIENCE = 60000 -- ms until a sentinel takes a silent server for dead
local KEPT = 5    -- messages that a trimmed history is left with

local function count_stored(one)
  local count = 0
  for _, fact in ipairs(one:records()) do
    if fact.said and fact.id then count = count + 1 end
  end
  return count
end

local function count_messages(one)
  local count = 0
  for _, fact in ipairs(one:records()) do
    if fact.event == "message" then count = count + 1 end
  end
  return count
end

-- Until each writer has had so many stored, and each follower been given so many, since now. Those
-- that wait for replicas take their time.
local function progress(people, count, followers)
  local due = {}
  for _, one in ipairs(people:at_work "writer") do
    due[one] = count_stored(one) + (one.options.is_durable and 2 or count)
  end
  for _, one in ipairs(followers or people:of "follower") do
    due[one] = count_messages(one) + count
  end
  local function laggards()
    local list = {}
    for one, least in pairs(due) do
      local have = (one.options.role == "writer" and count_stored or count_messages)(one)
      if have < least then
        list[#list + 1] = ("%s (%d of %d)"):format(one.options.name, have, least)
      end
    end
    return list
  end
  local all_go_on = wait.try(function()
    people:check()
    return #laggards() == 0
  end)
  if not all_go_on then error("waited too long for " .. table.concat(laggards(), ", ")) end
end

local function set_clocks(kind, clocks)
  if kind == "behind" then
    clocks[2]:set(-5)
  elseif kind == "collide" then
    for _, each in ipairs(clocks) do each:set(-60) end
  end
end

-- From here on nothing reaches the replica; it looks well to the sentinels.
local function cut_replica(master)
  assert(master:call("ACL", "SETUSER", "default", "-psync", "-sync"))
  master:call("CLIENT", "KILL", "TYPE", "replica")
  wait.till(function()
    return master:call("INFO", "replication"):find "connected_slaves:0"
  end, "the replica to be cut off")
end

-- By hand, for they are told to be patient (a busy machine must not make them promote anybody
-- earlier); refused as long as a sentinel does not see the replica well.
local function promote(service)
  service.master:kill()
  wait.till(function()
    return service.sentinels[1]:call("SENTINEL", "FAILOVER", service.name)
  end, "a sentinel to begin a failover")
  wait.till(function()
    for port in pairs(service:named()) do
      if port ~= service.replica.port then return false end
    end
    return service.replica:call("ROLE")[1] == "master"
  end, "the replica to be promoted")
end

local function others(people, away)
  local list = {}
  for _, one in ipairs(people:of "follower") do
    if one ~= away then list[#list + 1] = one end
  end
  return list
end

-- Cuts the history down once everybody has it but the one who is away; returns what it was.
local function trim(people, server, away)
  progress(people, ENOUGH, others(people, away))
  chaos.end_writers(people)
  chaos.wait_for_end(server, others(people, away))
  local log = chaos.read_log(server)
  assert(server:call("XTRIM", chaos.LOG, "MAXLEN", KEPT))
  cast.thaw(away)
  chaos.add_writers(people, 2, "after", PACE)
  return log
end

-- ---- the end -----------------------------------------------------------------------------------

-- Those of the first list and, after its last, those of the second.
local function join_logs(first, second)
  local joined, index = table.move(first, 1, #first, 1, {}), {}
  for _, entry in ipairs(first) do index[entry.id] = true end
  for _, entry in ipairs(second) do
    if not index[entry.id] then joined[#joined + 1] = entry end
  end
  return joined
end

local function collisions_of(facts)
  local tags, found = {}, {}
  for _, entry in ipairs(facts.log) do
    local place, tag = entry.id:match "^(%d+%-%d+)%-(%x+)$"
    tags[place] = tag
  end
  for _, writer in pairs(facts.writers) do
    for _, say in ipairs(writer.says) do
      local place, tag = (say.id or ""):match "^(%d+%-%d+)%-(%x+)$"
      if tags[place] and tags[place] ~= tag then found[#found + 1] = say.id end
    end
  end
  return found
end

local function judge(people, server, before_trim, away)
  local run = chaos.check(people, server, { may_fork = true, remembers = REMEMBERED })
  if before_trim then
    local trimmed = { log = run.facts.log, writers = {}, may_fork = true, may_trim = true,
      followers = { [away.options.name] = run.facts.followers[away.options.name] } }
    run.trimmed = { facts = trimmed, result = checker.check(trimmed) }
    run.facts.followers[away.options.name] = nil
    run.facts.log = join_logs(before_trim, run.facts.log)
    run.result = checker.check(run.facts)
  end
  run.collisions = collisions_of(run.facts)
  return run
end

-- ---- the run -----------------------------------------------------------------------------------

local function play(service, clocks, people, options)
  local away, before_trim
  chaos.add_followers(people, options.followers or 4)
  chaos.add_writers(people, options.writers or 4, "w", options.tail and 1 or PACE)
  people:add { role = "writer", name = "durable", timeout = 20, in_flight = 1, pace = 0.005,
    is_durable = true, room_options = chaos.with_options { durability = "replicas:1",
      replicas_timeout = 0.05 } }
  if options.noise then chaos.disturb(people, service.master, options.seed) end
  progress(people, ENOUGH)
  set_clocks(options.clock, clocks)
  progress(people, ENOUGH)
  cut_replica(service.master)
  progress(people, ENOUGH)
  if options.tail then progress(people, options.tail // #people:of "writer") end
  if options.trim then
    away = people:apart()[1]
    cast.freeze(away)
  end
  promote(service)
  if options.trim then
    before_trim = trim(people, service.replica, away)
  end
  if options.noise then chaos.disturb(people, service.replica, options.seed) end
  progress(people, ENOUGH)
  chaos.calm(people, service.replica)
  return judge(people, service.replica, before_trim, away)
end

---@param options { seed: integer, clock: string, trim: boolean?, noise: boolean?,
---  tail: integer?, writers: integer?, followers: integer? }
function fork.run(options)
  local clocks = { clock.new(), clock.new() }
  local service = sentinel.start {
    env = { clocks[1].env, clocks[2].env }, down_after = PATIENCE, config = chaos.CONFIG }
  local people = cast.new {
    url = service.url, room = chaos.ROOM, seed = options.seed, connect = chaos.CONNECT,
    room_options = chaos.ROOM_OPTIONS, from = ids.ORIGIN,
  }
  local ok, run = xpcall(play, debug.traceback, service, clocks, people, options)
  people:stop()
  service:stop()
  if not ok then error(run, 0) end
  return run
end

return fork
