--- Somebody who speaks in a room from the command line: by the host that runs for this Redis, whose
--- policies judge what is said, or, when there is none, by itself.
local control_client = require "moonpool.host.control_client"
local host_control = require "moonpool.cli.host_control"
local moonpool = require "moonpool"
local system = require("moonpool.core").system
local text = require "moonpool.text"

local speaker = {}

local LOOK_SECONDS = 1 -- how long it is taken for granted that there is no host
local HOST_SECONDS = 30 -- for a host that was lost to answer

---@class moonpool.cli.speaker
---@field package room moonpool.room
---@field package user string
---@field package path string? of the host's socket
---@field package options table of the room
---@field package client moonpool.host.control_client?
---@field package next_look number
local speaker_methods = {}
local speaker_mt = { __name = "moonpool.cli.speaker", __index = speaker_methods }

---@param room moonpool.room
---@param user string
---@param args table of the subcommand
---@param context moonpool.cli.context
---@param options? table with which the room was opened
---@return moonpool.cli.speaker
function speaker.new(room, user, args, context, options)
  local path = host_control.path(args, context) -- nil: no host can be there either
  return setmetatable({
    room = room, user = user, path = path, options = options or {}, next_look = 0,
  }, speaker_mt)
end

-- The host, or nil when there is none, or nil, message, code when it cannot be reached.
local function find_host(self)
  if self.client then return self.client end
  local now = moonpool.now()
  if not self.path or now < self.next_look then return nil end
  local client, message, code = control_client.connect(self.path)
  if self.client then -- another task has been faster
    if client then client:close() end
    return self.client
  end
  self.client = client
  if client then return client end
  if code ~= "ECONN" then return nil, message, code end
  self.next_look = now + LOOK_SECONDS
end

local function lose_host(self, client)
  client:close()
  if self.client == client then self.client = nil end
end

-- Asks the host until it answers; it may be starting anew. false: there is none.
local function ask_host(self, op, fields)
  local deadline = moonpool.now() + HOST_SECONDS
  while true do
    local client, problem, reason = find_host(self)
    if not client then
      if problem then return nil, problem, reason end
      return false
    end
    local result, message, code, id = client:call(op, fields)
    if code ~= "ECONN" or moonpool.now() >= deadline then return result, message, code, id end
    lose_host(self, client)
  end
end

local function random_key()
  return (system.random(16):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

--- Says something. Awaits. Safe to be repeated with the same key.
---@param message { text: string, type: string? }
---@param key? string
---@return string? id
---@return string? message "EREJECTED": the reason, for the user
---@return string? code
---@return string? stored_id of "EPARTIAL"
function speaker_methods:say(message, key)
  local id, reason, code, stored = ask_host(self, "say", {
    room = self.room.name, user = self.user, text = text.to_utf8(message.text),
    type = message.type, key = key or random_key(), options = next(self.options) and self.options,
  })
  if id ~= false then return id, reason, code, stored end
  return self.room:say({ text = message.text, type = message.type, user = self.user },
    { key = key })
end

--- May the user join the room? Awaits. The room is to be joined after that.
---@return boolean? yes
---@return string? message "EREJECTED": the reason, for the user
---@return string? code
function speaker_methods:ask_to_join()
  local result, message, code = ask_host(self, "join", { room = self.room.name, user = self.user })
  if result == nil then return nil, message, code end
  return true
end

--- Ends the connection to the host.
function speaker_methods:close()
  if self.client then lose_host(self, self.client) end
end

return speaker
