-- A TCP forwarder in a process of its own, as a proxy or load balancer is: each connection that it
-- accepts goes to the upstream that is set at that moment, and stays there.
--
--   local forwarder = require "spec.support.forwarder"
--   local proxy = forwarder.start(server.socket)   a Unix socket's path
--   proxy.url              redis://127.0.0.1:N
--   proxy:set(other.socket)       later connections go there
--   proxy:wait_for(2)             until it has accepted so many; raises at the deadline
--   proxy:stop()
--
-- forwarder.start(path, { piece = 1 }) forwards one byte at a time, both ways.
local program = require "spec.support.program"
local scratch = require "spec.support.scratch"

local forwarder = {}

local here = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$") or "."

local forwarder_methods = {}
local forwarder_mt = { __name = "forwarder", __index = forwarder_methods }

-- Renamed into place: whoever reads it meets the old path or the new one.
function forwarder_methods:set(path)
  scratch.write(self.folder .. "/next", path)
  assert(os.rename(self.folder .. "/next", self.folder .. "/upstream"))
end

function forwarder_methods:wait_for(count)
  self.process:expect("^accepted " .. count .. "$")
end

function forwarder_methods:stop()
  self.process:stop()
end

function forwarder.start(path, options)
  local self = setmetatable({ folder = scratch.folder() }, forwarder_mt)
  self:set(path)
  self.process = program.start { "lua5.4", here .. "/forwarder_process.lua", self.folder,
    tostring(options and options.piece or 65536) }
  self.port = tonumber((select(2, self.process:expect "^listening (%d+)$")))
  self.url = "redis://127.0.0.1:" .. self.port
  return self
end

return forwarder
