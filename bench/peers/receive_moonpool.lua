-- usage: lua5.4 receive_moonpool.lua ADDRESS CHANNELS WARMUP MESSAGES
package.path = arg[0]:match("^(.-)[^/]*$") .. "../lib/?.lua;" .. package.path
local stream = require "stream"
local moonpool = require "moonpool"

moonpool.run(function()
  local redis = assert(moonpool.connect(stream.url(arg[1])))
  local make_handler = stream.counter(math.tointeger(arg[3]), math.tointeger(arg[4]), moonpool.now,
    moonpool.stop)
  for _, name in ipairs(stream.names(math.tointeger(arg[2]))) do
    assert(redis:subscribe(name, make_handler()))
  end
  stream.ready("moonpool " .. moonpool.version)
end)
