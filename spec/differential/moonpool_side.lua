-- Runs the steps with moonpool and writes each reply as a line of JSON (lib/normal.lua's tagged
-- values).
-- usage: lua5.4 moonpool_side.lua STEPS SOCKET [ALTER]
-- ALTER, a command's name: its first reply is falsified, to see that the comparison notices.
local moonpool = require "moonpool"
local json = moonpool.json

-- Commands whose name is one of moonpool's own methods, or a word of Lua's.
local OWN_METHODS = { subscribe = true, psubscribe = true, ssubscribe = true }
local RECEIVE_SECONDS = 10

local replies = {} -- by name: what steps have saved
local messages = {}

local function hex_of(text)
  return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function text_of(hex)
  return (hex:gsub("..", function(digits) return string.char(tonumber(digits, 16)) end))
end

local tagged

-- Lua does not tell a list from a map: one whose keys are 1, 2, 3 … passes for a list.
local function is_list(value)
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  return count == #value
end

local function tagged_list(value)
  local list = json.array {}
  for i, item in ipairs(value) do list[i] = tagged(item) end
  return { "a", list }
end

local function tagged_map(value)
  local list = json.array {}
  for key, item in pairs(value) do
    list[#list + 1] = tagged(key)
    list[#list + 1] = tagged(item)
  end
  return { "m", list }
end

local NUMBERS = {
  integer = function(value) return { "i", ("%d"):format(value) } end,
  float = function(value) return { "d", ("%.17g"):format(value) } end,
}

function tagged(value)
  if value == nil or value == moonpool.null then return { "n" } end
  if type(value) == "string" then return { "s", hex_of(value) } end
  if type(value) == "number" then return NUMBERS[math.type(value)](value) end
  if type(value) == "boolean" then return { "b", value } end
  if moonpool.is_error(value) then return { "e", hex_of(value.message) } end
  return is_list(value) and tagged_list(value) or tagged_map(value)
end

-- Codes with which moonpool hands on Redis's own words.
local REDIS_CODES = { EREDIS = true, EPERM = true, EAUTH = true }

local function tagged_result(value, message, code)
  if value ~= nil or code == nil then return tagged(value) end
  if REDIS_CODES[code] then return { "e", hex_of(message) } end
  return { "f", code, hex_of(message) }
end

local function argument_of(portable)
  if portable.h then return text_of(portable.h) end
  if portable.r then return replies[portable.r] end
  return portable.n
end

local function arguments_of(command)
  local list = {}
  for i, portable in ipairs(command) do list[i] = argument_of(portable) end
  return list
end

-- By method, as programs do it.
local function send(target, command)
  local arguments = arguments_of(command)
  local method = arguments[1]:lower()
  if OWN_METHODS[method] or not method:find "^%a[%w_]*$" then
    return target:call(table.unpack(arguments))
  end
  return target[method](target, table.unpack(arguments, 2))
end

local function record_all(commands)
  return function(recorder)
    for _, command in ipairs(commands) do send(recorder, command) end
  end
end

-- A transaction's failure names the command that Redis refused first.
local function tagged_transaction(value, message, code)
  local first = code == "EREDIS" and message:match "^command %d+ %([^)]*%): (.*) %(EXECABORT .*%)$"
  if first then return { "a", { { "s", hex_of "EXECABORT" }, { "e", hex_of(first) } } } end
  if code == "ECONFLICT" then return { "n" } end
  if type(value) == "table" then return tagged(value) end
  return tagged_result(value, message, code)
end

local function optimistic(redis, step, other)
  return tagged_transaction(redis:optimistic(step.watch, function(_, tx)
    if step.conflict then assert(send(other, step.conflict)) end
    record_all(step.transaction)(tx)
  end, { retries = 0 }))
end

local function receive(count)
  local deadline = moonpool.now() + RECEIVE_SECONDS
  while #messages < count and moonpool.now() < deadline do moonpool.sleep(0.005) end
  local taken = messages
  messages = {}
  return tagged(taken)
end

local function on_message(payload, channel, pattern)
  messages[#messages + 1] = { channel, payload, pattern or moonpool.null }
end

local function subscribe(redis, step)
  for _, kind in ipairs { "subscribe", "psubscribe", "ssubscribe" } do
    if step[kind] then
      assert(redis[kind](redis, step[kind], on_message))
      return tagged "subscribed"
    end
  end
end

local function run_step(redis, step, other)
  if step.command then
    local value, message, code = send(redis, step.command)
    if step.save then replies[step.save] = value end
    return tagged_result(value, message, code)
  elseif step.watch then
    return optimistic(redis, step, other)
  elseif step.transaction then
    return tagged_transaction(redis:transaction(record_all(step.transaction)))
  elseif step.pipeline then
    return tagged_result(redis:pipeline(record_all(step.pipeline)))
  elseif step.receive then
    return receive(step.receive)
  end
  return subscribe(redis, step)
end

-- The last text or number in it: one digit, or its type.
local function alter(value)
  local tag, part = value[1], value[2]
  if tag == "a" or tag == "m" then
    if #part > 0 then alter(part[#part]) else value[1], value[2] = "n", nil end
  elseif tag == "i" then
    value[1], value[2] = "s", hex_of(part)
  elseif (tag == "s" or tag == "e") and #part > 0 then
    value[2] = part:sub(1, -2) .. (part:sub(-1) == "0" and "1" or "0")
  elseif tag == "n" then
    value[1], value[2] = "s", ""
  else
    value[1], value[2] = "n", nil
  end
end

local function run_all(steps, socket, altered)
  local redis = assert(moonpool.connect("unix://" .. socket))
  local other = assert(moonpool.connect("unix://" .. socket))
  for _, step in ipairs(steps) do
    local reply = run_step(redis, step, other)
    if altered and step.command and text_of(step.command[1].h) == altered then
      alter(reply)
      altered = nil
    end
    print(json.encode(reply))
  end
  redis:close()
  other:close()
end

local file = assert(io.open(arg[1]))
local steps = assert(json.decode(file:read "a"))
file:close()
moonpool.run(run_all, steps, arg[2], arg[3])
