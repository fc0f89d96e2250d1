--- What several subcommands take as arguments: converters for argparse, each value or nil and what
--- is wrong with it.
local instant = require "moonpool.cli.instant"
local terminal = require "moonpool.cli.terminal"

local arguments = {}

local MAX_NAME_BYTES = 256

---@param text string
---@return integer?, string?
function arguments.positive(text)
  local number = math.tointeger(tonumber(text))
  if number and number > 0 then return number end
  return nil, ("a whole number above 0 is needed, not '%s'"):format(text)
end

---@param text string
---@return integer?, string?
function arguments.count(text)
  local number = math.tointeger(tonumber(text))
  if number and number >= 0 then return number end
  return nil, ("a whole number from 0 on is needed, not '%s'"):format(text)
end

--- Who somebody is: UTF-8 without control characters.
---@param text string
---@return string?, string?
function arguments.user(text)
  if text == "" then return nil, "a name is needed, not nothing" end
  if #text > MAX_NAME_BYTES then
    return nil, ("the name is longer than %d bytes"):format(MAX_NAME_BYTES)
  end
  if not utf8.len(text) then return nil, "the name is no UTF-8" end
  if terminal.neutralise(text) ~= text then
    return nil, ("the name '%s' has control characters"):format(terminal.neutralise(text))
  end
  return text
end

--- A message's id, as follow, history and say print it.
---@param text string
---@return string?, string?
function arguments.id(text)
  local tag = text:match "^%d+%-%d+%-([0-9a-f]+)$"
  if tag and #tag == 16 then return text end
  return nil, ("'%s' is not the id of a message; one looks like 1795365705683-2-9f3a7c1e04b1d2aa")
    :format(terminal.neutralise(text))
end

arguments.time = instant.parse

--- A length of time, such as 90s, 10m or 7d, as seconds.
---@param text string
---@return number?, string?
function arguments.duration(text)
  local moment = not text:find "^%d+%.?%d*$" and text ~= "now" and instant.parse(text)
  if moment and moment.ago then return moment.ago end
  return nil, ("a length of time such as 90s, 10m or 7d is needed, not '%s'"):format(text)
end

local KINDS = { stream = true, list = true, sorted = true }

---@param text string
---@return string?, string?
function arguments.history_kind(text)
  if KINDS[text] then return text end
  return nil, ("--history: stream, list or sorted is needed, not '%s'"):format(text)
end

--- Adds the options by which the first writer of a room says how its history is kept.
---@param command table the argparse command
function arguments.add_history_options(command)
  command:option("--history", "How a new room keeps its history: stream (default), list or sorted.")
    :argname("KIND"):convert(arguments.history_kind)
  command:option("--keep", "How many messages a new room keeps; 0: all (default: 1000).")
    :argname("N"):convert(arguments.count)
  command:option("--keep-for", "How long a new room keeps them, such as 7d (default: for ever).")
    :target("keep_for"):argname("TIME"):convert(arguments.duration)
end

--- The options of a room that was asked for by add_history_options.
---@param args table
---@return table options of client:room
function arguments.room_options(args)
  return { history = args.history, keep = args.keep, keep_for = args.keep_for }
end

return arguments
