--- A room without Redis: its history and who is in it.
local virtual_room = {}

local KEPT = 1000 -- messages, as rooms keep unless they are told otherwise
local LIMIT = 1000

---@class moonpool.host.virtual_room
---@field name string
---@field last_id string? of what was stored last
---@field package messages table[] plain
---@field package members table<string, table>
---@field package count integer of ids
local methods = {}
local mt = { __name = "moonpool.host.virtual_room", __index = methods }

-- An id as Redis would make it: milliseconds, a number, and a tag that is not by chance here.
local function new_id(self, time)
  self.count = self.count + 1
  return ("%d-%d-%016x"):format(math.floor(time * 1000), self.count, self.count)
end

--- Stores a message.
---@param message table its fields; gets `id`, `at` and `room`
---@param time number seconds since 1970
---@return string id
function methods:store(message, time)
  message.id, message.at, message.room = new_id(self, time), time, self.name
  local list = self.messages
  list[#list + 1] = message
  if #list >= 2 * KEPT then
    self.messages = table.move(list, #list - KEPT + 1, #list, 1, {})
  end
  self.last_id = message.id
  return message.id
end

-- The ms and seq of an id, which tell what came first.
local function place(id)
  local ms, seq = id:match "^(%d+)%-(%d+)%-%x+$"
  if not ms then return nil end
  return math.tointeger(ms), math.tointeger(seq)
end

local function is_before(one, other)
  local ms, seq = place(one)
  local other_ms, other_seq = place(other)
  return ms < other_ms or (ms == other_ms and seq < other_seq)
end

local function fits(message, wanted)
  return not (wanted.since and message.at < wanted.since
    or wanted.till and message.at > wanted.till
    or wanted.after and not is_before(wanted.after, message.id)
    or wanted.before and not is_before(message.id, wanted.before))
end

--- Messages that meet all that is asked for, oldest first; see docs/rooms.md.
---@param wanted { last: integer?, limit: integer?, since: number?, till: number?, before: string?,
--- after: string? }
---@return table[]? messages plain
---@return string? message
---@return string? code "EARG"
function methods:history(wanted)
  for _, name in ipairs { "before", "after" } do
    if wanted[name] and not place(wanted[name]) then
      return nil, ("'%s' is not the id of a message"):format(name), "EARG"
    end
  end
  local found = {}
  for index = math.max(1, #self.messages - KEPT + 1), #self.messages do
    local message = self.messages[index]
    if fits(message, wanted) then found[#found + 1] = message end
  end
  local most = math.floor(wanted.last or wanted.limit or LIMIT)
  local is_oldest = not wanted.last and (wanted.since or wanted.after)
  local from = is_oldest and 1 or math.max(1, #found - most + 1)
  return table.move(found, from, math.min(#found, from + most - 1), 1, {})
end

--- Removes a message.
---@param id string
---@return boolean? ok false: there is none
---@return string? message
---@return string? code
function methods:delete(id)
  if not place(id) then return nil, "that is not the id of a message", "EARG" end
  for index, message in ipairs(self.messages) do
    if message.id == id then
      table.remove(self.messages, index)
      return true
    end
  end
  return false
end

--- Somebody joins, leaves, or is called otherwise from now on.
---@param kind "join"|"leave"|"rename"
---@param user string
---@param time number seconds since 1970
---@param to? string
function methods:note(kind, user, time, to)
  if kind == "join" then
    self.members[user] = self.members[user] or { user = user, since = time, places = 1 }
    return
  end
  local member = self.members[user]
  self.members[user] = nil
  if kind == "rename" and to then
    self.members[to] = { user = to, since = member and member.since or time, places = 1 }
  end
end

--- Who is here, by time of joining.
---@return { user: string, since: number, places: integer }[]
function methods:who()
  local list = {}
  for _, member in pairs(self.members) do list[#list + 1] = member end
  table.sort(list, function(one, other)
    if one.since ~= other.since then return one.since < other.since end
    return one.user < other.user
  end)
  return list
end

---@param name string
---@return moonpool.host.virtual_room
function virtual_room.new(name)
  return setmetatable({ name = name, messages = {}, members = {}, count = 0 }, mt)
end

return virtual_room
