-- Bots under the real host on a real Redis, and a reader of all that is published there.
--
--   local bot_room = require "spec.support.bot_room"
--   local room = bot_room.open { "bots/dice.lua" }          paths; returns when the bots are ready
--   local room = bot_room.open { script = "bot:on(…)" }      a script of the spec's own: script.lua
--   local room = bot_room.open { scripts = { ["a.lua"] = "…", ["b.lua"] = "…" } }
--   room:say("ann", "!roll")                publishes a user's message in room:pool
--   room:publish(payload[, channel])        any payload
--   room:join("ann"), room:leave("ann"), room:rename("ann", "bob"), room:act("ann", "waves")
--   local message = room:expect("dice"[, seconds])   the next message of that user: its fields and
--                                           .channel; what others say meanwhile is passed over
--                                           (that a bot keeps silent shows when its next answer is
--                                           one to something said later: it answers in order)
--   room:next([seconds])                    the next message of anybody, on any channel
--   room.host                               the program (spec.support.program); room.server
--   room:stop()                             SIGTERM to the host: exit status, stdout, stderr
--   room:close()                            everything away; for after_each
local json = require("moonpool").json
local room_frame = require "moonpool.room_frame"
local program = require "spec.support.program"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"

local bot_room = {}

local CHANNEL = "room:pool"

local room_methods = {}
local room_mt = { __name = "bot_room", __index = room_methods }

local function script_paths(options)
  local scripts = options.scripts or options.script and { ["script.lua"] = options.script }
  if not scripts then return options end
  local folder = scratch.folder()
  for name, text in pairs(scripts) do scratch.write(folder .. "/" .. name, text) end
  return { folder }, folder
end

---@param options table
function bot_room.open(options)
  local server = redis_server.start()
  local paths, folder = script_paths(options)
  local self = setmetatable({ server = server, folder = folder }, room_mt)
  self.reader = program.moonpool { "sub", "--json", "--pattern", "*", "--redis", server.url }
  self.reader:expect '"event":"subscribe"'
  local command = { "run", "--redis", server.url }
  table.move(paths, 1, #paths, #command + 1, command)
  self.host = program.moonpool(command)
  self.host:expect_error "^moonpool: ready"
  return self
end

function room_methods:publish(payload, channel)
  return self.server:call("PUBLISH", channel or CHANNEL, payload)
end

local function publish_object(self, object)
  return self:publish(assert(json.encode(object)))
end

function room_methods:say(user, text) return publish_object(self, { user = user, text = text }) end

function room_methods:act(user, text)
  return publish_object(self, { type = "action", user = user, text = text })
end

function room_methods:join(user) return publish_object(self, { type = "join", user = user }) end

function room_methods:leave(user) return publish_object(self, { type = "leave", user = user }) end

function room_methods:rename(user, to)
  return publish_object(self, { type = "rename", user = user, to = to })
end

function room_methods:next(seconds)
  local event = assert(json.decode((self.reader:expect('"event":"message"', seconds))))
  local body = room_frame.open(event.payload or "") -- no UTF-8: not of a bot
  local message = json.decode(body)
  if type(message) ~= "table" then message = { text = event.payload } end
  message.channel = event.channel
  return message
end

function room_methods:expect(user, seconds)
  repeat
    local message = self:next(seconds)
    if message.user == user then return message end
  until false
end

function room_methods:stop()
  self.host:signal "TERM"
  return self.host:wait(), self.host:output(), self.host:errors()
end

function room_methods:close()
  self.host:stop()
  self.reader:stop()
  self.server:stop()
end

return bot_room
