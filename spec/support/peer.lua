-- A fake Redis in a process of its own, to say what a real one never would: bad bytes, silence,
-- half a reply.
--
--   local peer = require("spec.support.peer").start { script = { STEP, STEP, … } }
--   peer.url            redis://127.0.0.1:N, or unix:///PATH with unix = true; also port, socket
--   peer:received()     the commands so far: { { connection = 1, "SUBSCRIBE", "a" }, … }, of those
--                       that a step has read
--   peer:connections()  how many connections it has accepted
--   peer:wait_for(function(peer) return peer:connections() == 2 end, nil, "a second connection")
--   peer:wait_for_command "SUBSCRIBE"        the command; raises at the deadline
--   peer:stop()         closes every connection
--
-- script = {…} is played on each connection; scripts = { {…}, {…} }: on the first, the second…, the
-- last one again for all later ones. Connections are served at the same time. Steps:
--   "bytes"                          sends them
-- last one again on all later ones. Connections are served at the same time. Steps:
--   { read = 2 }                     reads that many commands and does not answer
--   { serve = "SUBSCRIBE" }          answers as a Redis 5 would (HELLO is unknown, PING gets PONG,
--                                    else OK) until that command comes; that is read, not answered
--   { serve = "SUBSCRIBE", replies = { PING = "-LOADING x\r\n" } }
--                                    with other answers, whole and raw, by command
--   { serve = true }                 until the client closes
--   { silence = 0.2 }                says and reads nothing for so long: a fault, not a way to wait
--   { silence = true }               says and reads nothing any more, keeps the connection open
--   { close = true }                 closes; { reset = true } closes with a TCP reset
-- After the last step: silence = true.
local program = require "spec.support.program"
local scratch = require "spec.support.scratch"

local peer = {}

local here = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$") or "."

local STEPS = {
  send = true, piece = true, read = true, serve = true, replies = true, silence = true,
  close = true, reset = true,
}

local peer_methods = {}
local peer_mt = { __name = "peer", __index = peer_methods }

local function literal(value)
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  local parts = {}
  for key, item in pairs(value) do
    parts[#parts + 1] = ("[%s]=%s"):format(literal(key), literal(item))
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function check_scripts(scripts)
  for _, script in ipairs(scripts) do
    for index, step in ipairs(script) do
      local fields = type(step) == "string" and { send = step } or step
      assert(type(fields) == "table" and next(fields), ("peer: step %d is empty"):format(index))
      for name in pairs(fields) do
        assert(STEPS[name], ("peer: step %d has an unknown field %s"):format(index, name))
      end
    end
  end
end

---@param options { script: table?, scripts: table[]?, unix: boolean? }
function peer.start(options)
  local scripts = options.scripts or { options.script or {} }
  check_scripts(scripts)
  local folder = scratch.folder()
  local self = setmetatable({ folder = folder, journal = folder .. "/journal" }, peer_mt)
  scratch.write(folder .. "/scripts.lua", "return " .. literal(scripts))
  scratch.write(self.journal, "")
  local place = options.unix and folder .. "/peer.sock" or "tcp"
  self.process = program.start { "lua5.4", here .. "/peer_process.lua", folder, place }
  local address = self.process:expect("^listening (.*)$"):match(" (.*)")
  if options.unix then
    self.socket = place
    self.url = "unix://" .. place
  else
    self.port = tonumber(address)
    self.url = "redis://127.0.0.1:" .. address
  end
  return self
end

local function entries(self)
  local all = {}
  for line in scratch.read(self.journal):gmatch("(.-) ;\n") do
    all[#all + 1] = assert(load("return " .. line, "=journal", "t", {}))()
  end
  return all
end

function peer_methods:received()
  local commands = {}
  for _, entry in ipairs(entries(self)) do
    if not entry.accepted then
      commands[#commands + 1] = entry
    end
  end
  return commands
end

function peer_methods:connections()
  local count = 0
  for _, entry in ipairs(entries(self)) do
    count = count + (entry.accepted and 1 or 0)
  end
  return count
end

function peer_methods:wait_for(fn, seconds, what)
  return scratch.wait_until(function()
    return fn(self)
  end, seconds, what or "the peer")
end

function peer_methods:wait_for_command(name, seconds)
  return self:wait_for(function()
    for _, command in ipairs(self:received()) do
      if command[1]:upper() == name:upper() then
        return command
      end
    end
  end, seconds, "the peer to receive " .. name)
end

function peer_methods:stop()
  self.process:stop()
end

return peer
