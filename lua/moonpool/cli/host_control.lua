--- How subcommands find the host that runs for their Redis, and talk to it.
local control_client = require "moonpool.host.control_client"
local control_place = require "moonpool.host.control_place"

local host_control = {}

--- Adds the option that says where the host listens.
---@param command table the argparse command
function host_control.add_option(command)
  command:option("--control", "Where the host listens (default: $MOONPOOL_CONTROL, else a socket of"
    .. " yours for this Redis)."):argname("PATH")
  command:option("--host", "The host's name, when it has one of its own (moonpool run --name).")
    :argname("NAME")
end

--- The path of the host's socket, whether there is one or not.
---@param args table
---@param context moonpool.cli.context
---@return string? path
---@return string? message
function host_control.path(args, context)
  local path = args.control or os.getenv "MOONPOOL_CONTROL"
  if path and path ~= "" then return path end
  return control_place.path(context:known_url(), args.host)
end

--- Connects to the host; ends the program when there is none.
---@param args table
---@param context moonpool.cli.context
---@return moonpool.host.control_client
function host_control.connect(args, context)
  local path, message = host_control.path(args, context)
  if not path then context:fail(message) end
  local client, code
  client, message, code = control_client.connect(path)
  if client then return client end
  if code ~= "ECONN" then context:fail(message) end
  context:fail(("no host runs for %s: nobody listens at %s (`moonpool run` starts one)"):format(
    control_place.public_url(context:known_url()), path))
end

--- Has the host do something; ends the program when it does not.
---@param args table
---@param context moonpool.cli.context
---@param op string
---@param fields? table
---@return any result
function host_control.call(args, context, op, fields)
  local client = host_control.connect(args, context)
  context:on_stop(function() client:close() end)
  local result, message, code = client:call(op, fields)
  client:close()
  if result ~= nil then return result end
  context:fail(context.is_stopping and code == "ECLOSED" and "stopped" or message)
end

return host_control
