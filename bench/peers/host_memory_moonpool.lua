-- What idle isolates hold. Each has the host's guest and, as a bot, the script of FILE, or one that
-- does nothing ("empty").
-- usage: lua5.4 host_memory_moonpool.lua FILE|empty COUNT
package.path = arg[0]:match("^(.-)[^/]*$") .. "../lib/?.lua;" .. package.path
local stream = require "stream"
local core = require "moonpool.core"
local instance = require "moonpool.host.instance"

local function resident()
  for line in io.lines "/proc/self/status" do
    local kilobytes = line:match "^VmRSS:%s*(%d+)"
    if kilobytes then return tonumber(kilobytes) * 1024 end
  end
end

local function collected()
  collectgarbage()
  collectgarbage()
  return collectgarbage "count" * 1024
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

local asks = {}
function asks.load_store() return {} end
function asks.timer() end
function asks.log() end

local file, count = arg[1], math.tointeger(arg[2])
local script = {
  kind = "bot", name = "bench", path = file,
  options = {}, grants = {}, text = file == "empty" and "" or read(file),
}

-- The first one brings what they share: the guest's code.
local kept = { assert(instance.load(script, asks)) }
stream.ready(file == "empty" and "an empty script" or file:match "[^/]*/[^/]*$")
local before, own_before, cpu, wall = resident(), collected(), os.clock(), core.now()
for i = 2, count + 1 do kept[i] = assert(instance.load(script, asks)) end
cpu, wall = os.clock() - cpu, core.now() - wall
local grown = resident() - before
print(("result %d %.0f %.0f bytes=%.0f held=%.0f host=%.0f"):format(count, cpu * 1e9, wall * 1e9,
  kept[2]:stats().memory, grown / count, (collected() - own_before) / count))
