--- The rooms that a follower wants, of those that there are: by name, and by patterns, of which
--- discovery tells those that come later.
local glob = require "moonpool.glob"
local room_name = require "moonpool.room_name"
local store = require "moonpool.host.store"

local room_search = {}

local function add(names, list, pattern)
  for _, name in ipairs(list) do
    if glob.match(pattern, "room:" .. name) then names[name] = true end
  end
end

-- The rooms that match a pattern into `names`: that are in Redis, where the follower has a
-- position, and in which others have heard something that is in no history.
local function find(follower, pattern, names)
  local discovery, client = follower.discovery, follower.client
  local ok, message, code = discovery:watch(pattern, follower)
  if not ok then return nil, message, code end
  local list
  list, message, code = discovery:list(pattern)
  if not list then return nil, message, code end
  add(names, list, pattern)
  list, message, code = store.rooms_of(client, follower.follower, pattern)
  if not list then return nil, message, code end
  add(names, list, pattern)
  add(names, discovery:heard_of(), pattern)
  return true
end

--- The names of rooms for names and patterns; the patterns are watched from now on.
---@param follower moonpool.host.following
---@param wanted string[]
---@return table<string, true>? names
---@return string? message
---@return string? code
function room_search.find(follower, wanted)
  local names = {}
  for _, room in ipairs(wanted) do
    local name, message, code = room_name(room)
    if not name then return nil, message, code end
    if glob.is_pattern(name) then
      local ok
      ok, message, code = find(follower, "room:" .. name, names)
      if not ok then return nil, message, code end
    else
      names[name] = true
    end
  end
  return names
end

--- The patterns in a list of rooms, as those of channels.
---@param wanted string[]
---@return table<string, true>
function room_search.patterns(wanted)
  local patterns = {}
  for _, room in ipairs(wanted) do
    local name = room_name(room)
    if name and glob.is_pattern(name) then patterns["room:" .. name] = true end
  end
  return patterns
end

return room_search
