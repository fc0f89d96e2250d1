--- All rooms whose channel matches a pattern: found by SCAN, followed by one PSUBSCRIBE.

local core = require "moonpool.core"
local room_options = require "moonpool.room_options"

local room = core.room

local SCAN_COUNT = 1000

local methods = {}

-- A pattern of names or of channels ("chat*" or "room:chat*") as one of channels.
local function channels_of(pattern)
  if pattern == nil then return "room:*" end
  if type(pattern) ~= "string" then
    error(("rooms: a pattern is needed, not %s"):format(type(pattern)), 3)
  end
  return "room:" .. pattern:gsub("^room:", "", 1)
end

--- The names of the rooms that have been written to, sorted.
---@return string[]?, string? message, string? code
function methods:list()
  local state = room.state(self)
  local names, seen, cursor = {}, {}, "0"
  local keys = "{" .. self.pattern .. "}:config"
  repeat
    local reply, message, code = state.client:call("SCAN", cursor, "MATCH", keys, "COUNT",
      SCAN_COUNT)
    if not reply then return nil, message, code end
    cursor = reply[1]
    for _, key in ipairs(reply[2]) do
      local name = key:match "^{room:(.*)}:config$"
      if name and not seen[name] then
        seen[name], names[#names + 1] = true, name
      end
    end
  until cursor == "0"
  table.sort(names)
  return names
end

--- Calls fn(event) for each of the event's, of all the rooms; "room": fn(name), once for each
--- room. Awaits that they are followed.
---@param event string
---@param fn fun(event: any)|nil
---@return moonpool.rooms?, string? message, string? code
function methods:on(event, fn)
  local ok, message, code = room.on(self, event, fn)
  if not ok then return nil, message, code end
  if event ~= "room" or not fn then return self end
  local names
  names, message, code = self:list()
  if not names then return nil, message, code end
  for _, name in ipairs(names) do room.found(self, name) end
  return self
end

--- An iterator of the messages, until the rooms are closed.
---@return fun(rooms: moonpool.rooms): moonpool.message?
---@return moonpool.rooms
function methods:messages()
  local ok, message, code = room.read(self)
  if not ok then error(("rooms:messages: %s (%s)"):format(message, code), 2) end
  return room.next, self
end

--- Figures of the feed.
---@return table<string, any>
function methods:stats() return room.stats(self) end

--- Follows no more; the client, too, is closed if it is only theirs.
---@return true
function methods:close()
  local state = room.state(self)
  room.close(self)
  if state.is_owner then state.client:close() end
  return true
end

local rooms = { methods = methods }

local PATTERN_OPTIONS = room_options.set("keep", "max_message", "max_mailbox", "max_mailbox_bytes",
  "page", "max_buffer", "max_buffer_bytes", "check", "check_grace", "resync_pause")

--- client:rooms(pattern, options) → rooms, or nil, message, code
---@param client moonpool.client
---@param pattern? string of names, or of channels; all rooms
---@param options? table
---@return moonpool.rooms?, string? message, string? code
function rooms.open(client, pattern, options)
  pattern = channels_of(pattern)
  room_options.check(options, PATTERN_OPTIONS, "rooms")
  local handle, message, code = room.open_rooms(client, pattern, options)
  if not handle then return nil, message, code end
  room.state(handle).client = client
  return handle
end

--- moonpool.rooms(pattern, options) → rooms on a client of their own, or nil, message, code
---@param pattern? string
---@param options? string|table as of moonpool.connect
---@return moonpool.rooms?, string? message, string? code
function rooms.connect(pattern, options)
  channels_of(pattern)
  local client, message, code = core.connect(options)
  if not client then return nil, message, code end
  local handle
  handle, message, code = rooms.open(client, pattern)
  if not handle then
    client:close()
    return nil, message, code
  end
  room.state(handle).is_owner = true
  return handle
end

return rooms
