-- tasks: WIDTH tasks that each GET or SET and await, again and again, on one client.
-- pipeline: one task, WIDTH commands a pipeline, one pipeline after the other.
-- usage: lua5.4 commands_moonpool.lua ADDRESS get|set tasks|pipeline WIDTH WARMUP COUNT
package.path = arg[0]:match("^(.-)[^/]*$") .. "../lib/?.lua;" .. package.path
local keys = require "keys"
local stream = require "stream"
local moonpool = require "moonpool"

local names, values = keys.make()
local address, command, kind, width = arg[1], arg[2], arg[3], math.tointeger(arg[4])
local COUNT = keys.COUNT
local cursor = 0 -- the pair that was used last
local left = 0   -- commands that no task has taken

local task_of = {}

function task_of.get(redis)
  while left > 0 do
    left = left - 1
    local i = cursor < COUNT and cursor + 1 or 1
    cursor = i
    local value, message = redis:get(names[i])
    if value ~= values[i] then error(message or "GET " .. names[i] .. ": not its value", 0) end
  end
end

function task_of.set(redis)
  while left > 0 do
    left = left - 1
    local i = cursor < COUNT and cursor + 1 or 1
    cursor = i
    local status, message = redis:set(names[i], values[i])
    if status ~= "OK" then error(message or "SET " .. names[i] .. ": not OK", 0) end
  end
end

local function run_tasks(redis, count)
  local tasks = {}
  left = count
  for i = 1, width do tasks[i] = moonpool.spawn(task_of[command], redis) end
  for _, task in ipairs(tasks) do
    local _, message, code = task:await()
    if code then error(message, 0) end
  end
end

local pipeline_of = {}

function pipeline_of.get(redis, size)
  local replies = assert(redis:pipeline(function(p)
    local i = cursor
    for _ = 1, size do
      i = i < COUNT and i + 1 or 1
      p:get(names[i])
    end
  end))
  assert(#replies == size, "replies are missing")
  local i = cursor
  for j = 1, size do
    i = i < COUNT and i + 1 or 1
    if replies[j] ~= values[i] then error("GET " .. names[i] .. ": not its value", 0) end
  end
  cursor = i
end

function pipeline_of.set(redis, size)
  local replies = assert(redis:pipeline(function(p)
    local i = cursor
    for _ = 1, size do
      i = i < COUNT and i + 1 or 1
      p:set(names[i], values[i])
    end
    cursor = i
  end))
  assert(#replies == size, "replies are missing")
  for j = 1, size do
    if replies[j] ~= "OK" then error("SET: not OK", 0) end
  end
end

local function run_pipelines(redis, count)
  local run_one = pipeline_of[command]
  for rest = count, 1, -width do run_one(redis, math.min(rest, width)) end
end

local function numbers(redis)
  return os.clock(), moonpool.now(), redis:stats().writes
end

moonpool.run(function()
  local redis = assert(moonpool.connect(stream.url(address)))
  local run = kind == "pipeline" and run_pipelines or run_tasks
  local warmup, count = math.tointeger(arg[5]), math.tointeger(arg[6])
  stream.ready("moonpool " .. moonpool.version)
  run(redis, warmup)
  local cpu, wall, writes = numbers(redis)
  run(redis, count)
  local cpu_end, wall_end, writes_end = numbers(redis)
  print(("result %d %.0f %.0f writes=%d"):format(count, (cpu_end - cpu) * 1e9,
    (wall_end - wall) * 1e9, writes_end - writes))
  redis:close()
end)
