-- The steps: what both libraries are made to do, one after the other, from families/*.lua.
--
-- A family returns a list of steps; each begins on an empty database. A step is one of
--   { "SET", "k", "v" }                        a command
--   { pipeline = { { "SET", … }, … } }         the commands by the library's own pipeline
--   { transaction = { { "SET", … }, … } }      likewise; a failure is { "EXECABORT", the first
--                                              command's error }
--   { watch = { "k" }, conflict = { "SET", … }, transaction = { … } }
--                                              optimistic locking; `conflict` is done by another
--                                              connection after WATCH
--   { subscribe = { "a" } }, { psubscribe = … }, { ssubscribe = … }   on a link of its own
--   { receive = 2 }                            waits for messages: [channel, payload, pattern] each
-- with these fields:
--   reply = RULE        of lib/normal.lua (default: any)
--   save = NAME         keeps the reply; { reply = NAME } as an argument is its bytes
--   resp3 = true        moonpool refuses it on hiredis 0.14 (docs/lua.md): left out there
-- Arguments: strings (any bytes), integers and floats (given to the library as its numbers).
local json = require "moonpool".json
local normal = require "normal"

local steps = {}

local FAMILIES = {
  "strings", "bitmaps", "hyperloglog", "geo", "hashes", "lists", "sets", "sorted_sets", "streams",
  "keys", "scripting", "batches", "pubsub", "server", "errors", "bytes", "types",
}

local function portable_argument(argument)
  if type(argument) == "table" then return { r = argument.reply } end
  if type(argument) == "number" then return { n = argument } end
  return { h = normal.hex_of(argument) }
end

local function portable_command(command)
  local list = {}
  for i, argument in ipairs(command) do list[i] = portable_argument(argument) end
  return list
end

local function portable_commands(commands)
  if not commands then return nil end
  local list = {}
  for i, command in ipairs(commands) do list[i] = portable_command(command) end
  return list
end

local function portable(step)
  return {
    command = step[1] and portable_command(step) or nil,
    pipeline = portable_commands(step.pipeline), transaction = portable_commands(step.transaction),
    watch = step.watch, conflict = step.conflict and portable_command(step.conflict) or nil,
    subscribe = step.subscribe, psubscribe = step.psubscribe, ssubscribe = step.ssubscribe,
    receive = step.receive, save = step.save,
  }
end

local function commands_of(step)
  if step[1] then return { step } end
  return step.pipeline or step.transaction or {}
end

local function short(argument)
  if type(argument) == "table" then return "<" .. argument.reply .. ">" end
  local text = tostring(argument)
  if #text > 40 then text = text:sub(1, 37) .. "..." end
  return (text:gsub("[^\x20-\x7e]", function(c) return ("\\x%02x"):format(c:byte()) end))
end

--- What a step is, for people: "HSET h f v", "transaction: INCR a; GET a".
function steps.describe(step)
  local texts = {}
  for i, command in ipairs(commands_of(step)) do
    local words = {}
    for j = 1, math.min(#command, 8) do words[j] = short(command[j]) end
    if #command > 8 then words[9] = "..." end
    texts[i] = table.concat(words, " ")
  end
  local kind = ""
  for _, name in ipairs { "pipeline", "transaction", "subscribe", "psubscribe", "ssubscribe" } do
    if step[name] then kind = name .. ": " end
    if step[name] and name:find "subscribe" then texts[1] = table.concat(step[name], " ") end
  end
  if step.receive then kind = ("receive %d messages"):format(step.receive) end
  if step.watch then kind = "optimistic " .. kind end
  return kind .. table.concat(texts, "; ")
end

-- A command's name as COMMAND LIST has it: "get", "config|get"; nil for what Redis does not know.
local function known_name(command, known)
  local name = tostring(command[1]):lower()
  local with_subcommand = name .. "|" .. tostring(command[2]):lower()
  return known[with_subcommand] and with_subcommand or known[name] and name or nil
end

--- How many different commands the steps use, of those that Redis has.
--- @param list table[]
--- @param command_list string[]   Redis's COMMAND LIST
--- @return integer
function steps.count_commands(list, command_list)
  local known, used, count = {}, {}, 0
  for _, name in ipairs(command_list) do known[name:lower()] = true end
  for _, step in ipairs(list) do
    for _, command in ipairs(commands_of(step)) do
      local name = known_name(command, known)
      if name and not used[name] then
        used[name] = true
        count = count + 1
      end
    end
  end
  return count
end

--- All steps in their order; with `has_resp3` those too that need it.
--- @param has_resp3 boolean
--- @return table[]
function steps.load(has_resp3)
  local list = {}
  for _, family in ipairs(FAMILIES) do
    list[#list + 1] = { "FLUSHALL", family = family }
    for _, step in ipairs(require("families." .. family)) do
      step.family = family
      if has_resp3 or not step.resp3 then list[#list + 1] = step end
    end
  end
  return list
end

--- Writes the steps as JSON, for the sides to read.
function steps.write(list, path)
  local file = assert(io.open(path, "w"))
  local portables = json.array {}
  for i, step in ipairs(list) do portables[i] = portable(step) end
  file:write(json.encode(portables), "\n")
  assert(file:close())
end

return steps
