-- usage: lua5.4 receive_moonpool.lua ADDRESS CHANNELS WARMUP MESSAGES
package.path = arg[0]:match("^(.-)[^/]*$") .. "../lib/?.lua;" .. package.path
local stream = require "stream"
local moonpool = require "moonpool"

local address, channels = arg[1], math.tointeger(arg[2])
local url = (address:sub(1, 1) == "/" and "unix://" or "redis://") .. address

moonpool.run(function()
  local redis = assert(moonpool.connect(url))
  local make_handler = stream.counter(math.tointeger(arg[3]), math.tointeger(arg[4]), moonpool.now,
    moonpool.stop)
  for _, name in ipairs(stream.names(channels)) do
    assert(redis:subscribe(name, make_handler()))
  end
  stream.ready("moonpool " .. moonpool.version)
end)
