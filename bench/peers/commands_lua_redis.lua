-- Debian's lua-redis (redis-lua on LuaSocket), which blocks: one command at a time (tasks, WIDTH
-- 1), or its pipeline.
-- usage: lua5.1 commands_lua_redis.lua ADDRESS get|set tasks|pipeline WIDTH WARMUP COUNT
package.path = arg[0]:match("^(.-)[^/]*$") .. "../lib/?.lua;" .. package.path
local keys = require "keys"
local stream = require "stream"
local redis = require "redis"
local gettime = require "socket".gettime

local names, values = keys.make()
local command, kind, width = arg[2], arg[3], tonumber(arg[4])
local COUNT = keys.COUNT
local cursor = 0 -- the pair that was used last
local client = redis.connect(stream.url(arg[1]))

local task_of = {}

function task_of.get(count)
  local i = cursor
  for _ = 1, count do
    i = i < COUNT and i + 1 or 1
    if client:get(names[i]) ~= values[i] then error("GET " .. names[i] .. ": not its value", 0) end
  end
  cursor = i
end

function task_of.set(count)
  local i = cursor
  for _ = 1, count do
    i = i < COUNT and i + 1 or 1
    if client:set(names[i], values[i]) ~= true then error("SET " .. names[i] .. ": not OK", 0) end
  end
  cursor = i
end

local pipeline_of = {}

function pipeline_of.get(size)
  local replies = client:pipeline(function(p)
    local i = cursor
    for _ = 1, size do
      i = i < COUNT and i + 1 or 1
      p:get(names[i])
    end
  end)
  assert(#replies == size, "replies are missing")
  local i = cursor
  for j = 1, size do
    i = i < COUNT and i + 1 or 1
    if replies[j] ~= values[i] then error("GET " .. names[i] .. ": not its value", 0) end
  end
  cursor = i
end

function pipeline_of.set(size)
  local replies = client:pipeline(function(p)
    local i = cursor
    for _ = 1, size do
      i = i < COUNT and i + 1 or 1
      p:set(names[i], values[i])
    end
    cursor = i
  end)
  assert(#replies == size, "replies are missing")
  for j = 1, size do
    if replies[j] ~= true then error("SET: not OK", 0) end
  end
end

local function run(count)
  if kind ~= "pipeline" then return task_of[command](count) end
  for left = count, 1, -width do pipeline_of[command](math.min(left, width)) end
end

local count = tonumber(arg[6])
stream.ready(redis._VERSION)
run(tonumber(arg[5]))
local cpu, wall = os.clock(), gettime()
run(count)
print(("result %d %.0f %.0f"):format(count, (os.clock() - cpu) * 1e9, (gettime() - wall) * 1e9))
