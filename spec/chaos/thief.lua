-- A proxy between a Redis and its subscribers, in a process of its own, that keeps one message for
-- itself: the first one whose payload has a certain text.
--
--   local thief = require "spec.chaos.thief"
--   local proxy = thief.start(server.socket, "w1:50:")
--   local proxy = thief.start(server.socket, "w1:50:", { relink = true })   and the message after
--                            it on that channel is made to follow the one before it: its "prev" is
--                            that of the stolen one
--   proxy.url                unix:///PATH
--   proxy:is_done()          it has stolen it (and relinked the next one)
--   proxy:stop()
local program = require "spec.support.program"
local scratch = require "spec.support.scratch"

local thief = {}

local here = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$") or "."

local thief_methods = {}
local thief_mt = { __name = "thief", __index = thief_methods }

function thief_methods:is_done() return self.process:output():find "\ndone\n" ~= nil end

function thief_methods:stop() self.process:stop() end

---@param path string      Redis's socket
---@param text string
---@param options { relink: boolean? }?
function thief.start(path, text, options)
  local self = setmetatable({ path = scratch.folder() .. "/thief.sock" }, thief_mt)
  local mode = options and options.relink and "relink" or "plain"
  self.process = program.start { "lua5.4", here .. "/thief_process.lua", self.path, path, mode,
    text }
  self.process:expect "^listening$"
  self.url = "unix://" .. self.path
  return self
end

return thief
