--- Commits what scripts have in their stores, and how far bots have come in their rooms: several
--- times a second, and when a version ends. A script's store is read between two calls, so that
--- what is committed is no half of a function's work.
local moonpool = require "moonpool"
local store = require "moonpool.host.store"

local committer = {}

local INTERVAL = 0.1 -- seconds
local ALIVE_SECONDS = 5 -- who has nothing to commit tells at least so often that it is there

---@class moonpool.host.committer
---@field package client table
---@field package log moonpool.host.log
---@field package clock number what Redis's clock is ahead of ours, in seconds
---@field package entries table<moonpool.host.actor, table>
local methods = {}
local mt = { __name = "moonpool.host.committer", __index = methods }

-- ---- collecting --------------------------------------------------------------------------------

-- What is committed and what has changed since, by room and key.
local function merge_changes(unsaved, changes)
  for _, change in ipairs(changes) do
    unsaved.changes[("%s\0%s"):format(change.room or "", change.key)] = change
    unsaved.has_any = true
  end
end

local function merge_positions(unsaved, positions)
  for room, id in pairs(positions or {}) do
    unsaved.positions[room] = id
    unsaved.has_any = true
  end
end

local function new_unsaved() return { changes = {}, positions = {}, has_any = false } end

-- Takes what has changed; no call of the script's is under way.
local function collect(entry)
  local actor = entry.actor
  local has_failed = false
  if actor.touched and actor.instance then
    actor.touched = false
    local outcome, changes = actor.instance:call({}, "commit")
    if outcome == "done" then merge_changes(entry.unsaved, changes) else has_failed = true end
  end
  if entry.following then merge_positions(entry.unsaved, entry.following:take_positions()) end
  return not has_failed
end

-- ---- writing -----------------------------------------------------------------------------------

local function list_of(changes)
  local list = {}
  for _, change in pairs(changes) do list[#list + 1] = change end
  return list
end

-- What was not saved is saved with what has changed since, which counts more.
local function give_back(entry, unsaved)
  for key, change in pairs(unsaved.changes) do
    if entry.unsaved.changes[key] == nil then entry.unsaved.changes[key] = change end
  end
  for room, id in pairs(unsaved.positions) do
    if entry.unsaved.positions[room] == nil then entry.unsaved.positions[room] = id end
  end
  entry.unsaved.has_any = true
end

local function write(self, entry)
  local unsaved = entry.unsaved
  local now = moonpool.now()
  local is_due = entry.following and now - entry.written >= ALIVE_SECONDS
  if not unsaved.has_any and not is_due then return end
  entry.unsaved, entry.written = new_unsaved(), now
  local actor = entry.actor
  local ok, message, code = store.commit(self.client, actor.kind, actor.id, entry.follower, {
    positions = unsaved.positions, changes = list_of(unsaved.changes),
    time = entry.following and moonpool.time() + self.clock or nil,
  })
  if ok then
    entry.has_failed = false
    return
  end
  give_back(entry, unsaved)
  if entry.has_failed then return end
  entry.has_failed = true
  self.log:write("warning", "not committed, tried again: " .. message, {
    script = actor.name, code = code,
  })
end

local function work(self, entry)
  if entry.is_busy then return end
  entry.is_busy = true
  if entry.actor.touched then
    entry.actor:hold(function() collect(entry) end)
  else
    collect(entry)
  end
  write(self, entry)
  entry.is_busy = false
end

local function run(self)
  while not self.is_closed do
    for _, entry in pairs(self.entries) do moonpool.spawn(work, self, entry) end
    moonpool.sleep(INTERVAL)
  end
end

-- ---- for the host ------------------------------------------------------------------------------

--- Commits for an actor from now on.
---@param actor moonpool.host.actor
---@param following moonpool.host.following? a bot's
---@param follower string? whose positions they are
function methods:add(actor, following, follower)
  self.entries[actor] = {
    actor = actor, following = following, follower = follower, unsaved = new_unsaved(),
    written = -math.huge, is_busy = false, has_failed = false,
  }
end

--- Commits that a message is handled, before it is. Awaits Redis.
---@param actor moonpool.host.actor
---@param room string
---@param id string
function methods:commit_position(actor, room, id)
  local entry = self.entries[actor]
  merge_positions(entry.unsaved, { [room] = id })
  write(self, entry)
end

--- Ends committing for an actor, which has committed.
---@param actor moonpool.host.actor
function methods:remove(actor) self.entries[actor] = nil end

--- Commits an actor's changes now; no call of its script's is under way. Awaits Redis.
---@param actor moonpool.host.actor
function methods:commit(actor)
  local entry = self.entries[actor]
  if not entry then return end
  collect(entry)
  write(self, entry)
end

--- Commits an actor's changes between two calls of its script's, where nobody does so several times
--- a second. Awaits Redis.
---@param actor moonpool.host.actor
function methods:flush(actor)
  local entry = self.entries[actor]
  if not entry then return end
  entry.is_wanted = true
  if entry.is_busy then return end
  while entry.is_wanted do
    entry.is_wanted = false
    work(self, entry)
  end
end

function methods:start()
  local time = self.client:call "TIME"
  if time then self.clock = tonumber(time[1]) + tonumber(time[2]) / 1e6 - moonpool.time() end
  moonpool.spawn(run, self)
end

function methods:close() self.is_closed = true end

---@param client table
---@param log moonpool.host.log
---@return moonpool.host.committer
function committer.new(client, log)
  return setmetatable({ client = client, log = log, clock = 0, entries = {}, is_closed = false },
    mt)
end

return committer
