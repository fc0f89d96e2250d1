-- Debian's lua-redis (redis-lua on LuaSocket): Lua 5.1 to 5.3.
-- usage: lua5.1 receive_lua_redis.lua ADDRESS CHANNELS WARMUP MESSAGES
package.path = arg[0]:match("^(.-)[^/]*$") .. "../lib/?.lua;" .. package.path
local stream = require "stream"
local redis = require "redis"
local gettime = require "socket".gettime

local channels = tonumber(arg[2])
local is_done = false
local make_handler = stream.counter(tonumber(arg[3]), tonumber(arg[4]), gettime, function()
  is_done = true
end)
local received = make_handler()

local confirmed = 0
for message in redis.connect(stream.url(arg[1])):pubsub { subscribe = stream.names(channels) } do
  if message.kind == "message" then
    received(message.payload)
    if is_done then break end
  else
    confirmed = confirmed + 1
    if confirmed == channels then stream.ready(redis._VERSION) end
  end
end
