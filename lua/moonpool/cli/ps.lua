--- moonpool ps: the scripts of the host that runs.
local host_control = require "moonpool.cli.host_control"
local json = require("moonpool").json
local table_text = require "moonpool.cli.table_text"
local terminal = require "moonpool.cli.terminal"

local ps = { name = "ps" }

local DESCRIPTION = [[
What the bots and policies of the running host do: state, events handled, errors, seconds of CPU,
memory, restarts, events that wait.]]

local EPILOG = [[
A script is "starting"; "running"; "set aside" after it has failed too often or was stuck, with the
reason and when it is tried again; or "stopped".

Examples:
  moonpool ps
  moonpool ps --json]]

local COLUMNS = {
  { "SCRIPT", "name" }, { "KIND", "kind" }, { "STATE", "state" }, { "EVENTS", "events" },
  { "ERRORS", "errors" }, { "CPU", "cpu" }, { "MEMORY", "memory" }, { "RESTARTS", "restarts" },
  { "QUEUE", "queue" }, { "", "reason" },
}
local IS_RIGHT = { [4] = true, [5] = true, [6] = true, [7] = true, [8] = true, [9] = true }

---@param command table the argparse command
function ps.configure(command)
  command:summary "Tell what the scripts of the running host do."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:flag("--json",
    "One JSON object a line: the host first, its gateway in it, then each script.")
  host_control.add_option(command)
end

local function bytes(number)
  if number < 1 << 20 then return ("%.0f KiB"):format(number / 1024) end
  return ("%.1f MiB"):format(number / (1 << 20))
end

local function seconds(number)
  return ("%.2f s"):format(number)
end

local SHOW = { cpu = seconds, memory = bytes }

local function cell(script, field)
  local value = script[field]
  if value == nil or type(value) == "userdata" then return field == "reason" and "" or "-" end
  if type(value) == "number" and SHOW[field] then return SHOW[field](value) end
  return terminal.neutralise(tostring(value))
end

local function reason(script)
  if type(script.reason) ~= "string" then return "" end
  local first = script.reason:match "^[^\n]*"
  if type(script.retry_in) ~= "number" then return first end
  return ("%s; again in %.0f s"):format(first, script.retry_in)
end

local function to_text(scripts)
  local rows = { {} }
  for index, column in ipairs(COLUMNS) do rows[1][index] = column[1] end
  for _, script in ipairs(scripts) do
    local row = {}
    script.reason = reason(script)
    for index, column in ipairs(COLUMNS) do row[index] = cell(script, column[2]) end
    rows[#rows + 1] = row
  end
  return table_text.lines(rows, IS_RIGHT)
end

local GATEWAY_COLUMNS = {
  { "GATEWAY", "worker" }, { "PID", "pid" }, { "SOCKETS", "sockets" }, { "STREAMS", "streams" },
  { "ROOMS", "rooms" }, { "IN", "messages_in" }, { "OUT", "messages_out" },
  { "QUEUE", "queued_bytes" }, { "GAPS", "gaps" }, { "REJECTED", "rejected" },
}

-- A line for each worker.
local function gateway_to_text(gateway)
  local rows, is_right = { {} }, {}
  for index, column in ipairs(GATEWAY_COLUMNS) do
    rows[1][index], is_right[index] = column[1], index > 1
  end
  for _, worker in ipairs(gateway.workers or {}) do
    local row = {}
    for index, column in ipairs(GATEWAY_COLUMNS) do
      local value = worker[column[2]]
      row[index] = column[2] == "queued_bytes" and value and bytes(value)
        or terminal.neutralise(tostring(math.tointeger(value) or "-"))
    end
    rows[#rows + 1] = row
  end
  return table_text.lines(rows, is_right)
end

local function encode(value)
  return assert(json.encode(value, { sort = true }))
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function ps.execute(args, context)
  local found = host_control.call(args, context, "ps")
  local scripts = type(found) == "table" and found.scripts
  if type(scripts) ~= "table" then context:fail "the host's answer has no list of scripts" end
  if args.json then
    found.scripts = nil
    context.out(encode(found))
    for _, script in ipairs(scripts) do context.out(encode(script)) end
    return 0
  end
  for _, line in ipairs(to_text(scripts)) do context.out(line) end
  if type(found.gateway) ~= "table" then return 0 end
  context.out ""
  for _, line in ipairs(gateway_to_text(found.gateway)) do context.out(line) end
  return 0
end

return ps
