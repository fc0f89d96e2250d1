--- Standard output of a program that lives in the loop: lines are gathered and leave together once
--- a loop turn. A slow reader never blocks the loop for long: what it does not take waits here, and
--- who writes more than that may be waits too.
local moonpool = require "moonpool"
local system = require("moonpool.core").system

local output = {}

local PATIENCE_SECONDS = 0.01 -- how long one loop turn may wait for a reader
local PAUSE_SECONDS = 0.001 -- what the loop gets between two attempts; 0 would start no new turn
local HIGH_BYTES, LOW_BYTES = 4 << 20, 1 << 20

---@class moonpool.cli.output
---@field package fd integer
---@field package lines string[] gathered, not yet in `chunk`
---@field package count integer
---@field package bytes integer in `lines`
---@field package chunk string? on its way out
---@field package from integer how much of `chunk` is out
---@field package is_flushing boolean
---@field package is_broken boolean nobody reads it, or it cannot be written
---@field package on_broken fun(message: string, name: string)
local output_methods = {}
local output_mt = { __name = "moonpool.cli.output", __index = output_methods }

---@param fd integer
---@param on_broken fun(message: string, name: string) called once when a write failed: `name` is
--- "EPIPE" when the reader is gone, "ENOSPC"…
---@return moonpool.cli.output
function output.new(fd, on_broken)
  return setmetatable({
    fd = fd, lines = {}, count = 0, bytes = 0, from = 0,
    is_flushing = false, is_broken = false, on_broken = on_broken,
  }, output_mt)
end

local function give_up(self, message, name)
  self.is_broken = true
  self.lines, self.count, self.bytes, self.chunk = {}, 0, 0, nil
  self.on_broken(message, name)
end

-- Writes as much as the reader takes in `seconds`: true when all of it is out (or given up).
local function write_some(self, seconds)
  if not self.chunk then
    if self.count == 0 then return true end
    self.chunk, self.from = table.concat(self.lines, "", 1, self.count), 0
    self.count, self.bytes = 0, 0
  end
  local done, message, _, name = system.write(self.fd, self.chunk, self.from, seconds)
  if not done then
    give_up(self, message, name)
    return true
  end
  self.from = done
  if done == #self.chunk then self.chunk = nil end
  return self.chunk == nil and self.count == 0
end

local function flush_each_turn(self)
  moonpool.sleep(0)
  while not write_some(self, PATIENCE_SECONDS) do moonpool.sleep(PAUSE_SECONDS) end
  self.is_flushing = false
end

local function waiting_bytes(self)
  return self.bytes + (self.chunk and #self.chunk - self.from or 0)
end

--- Writes bytes as they are. Returns at once, unless the reader is megabytes behind: then it
--- awaits until he has caught up.
---@param bytes string
function output_methods:write(bytes)
  if self.is_broken then return end
  local count = self.count + 1
  self.lines[count] = bytes
  self.count = count
  self.bytes = self.bytes + #bytes
  if not self.is_flushing then
    self.is_flushing = true
    moonpool.spawn(flush_each_turn, self)
  end
  if self.bytes < HIGH_BYTES then return end
  while waiting_bytes(self) > LOW_BYTES do moonpool.sleep(PATIENCE_SECONDS) end
end

--- Writes a line.
---@param text string
function output_methods:line(text)
  self:write(text .. "\n")
end

--- Writes all that is left, whether the loop runs or not; blocks. For the program's end.
---@param seconds number? gives up after that time; default: never
---@return boolean is_complete
function output_methods:finish(seconds)
  local deadline = seconds and moonpool.time() + seconds
  repeat
    if write_some(self, deadline and 0.1 or 1) then return not self.is_broken end
  until deadline and moonpool.time() >= deadline
  return false
end

return output
