--- moonpool revoke: closes a user's connections to the running host's gateway.
local host_control = require "moonpool.cli.host_control"
local terminal = require "moonpool.cli.terminal"

local revoke = { name = "revoke" }

local DESCRIPTION = [[
Close the live connections of USER to the gateway of the running host (close code 4403), and tell
REASON. Who may come back is up to the tokens, the authentication script and the policies.]]

local EPILOG = [[
Examples:
  moonpool revoke mallory
  moonpool revoke mallory "until tomorrow"]]

---@param command table the argparse command
function revoke.configure(command)
  command:summary "Close a user's connections to the running host's gateway."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:argument("user"):argname("USER"):description "The user's name."
  command:argument("reason"):argname("REASON"):args("?")
    :description "What the user is told (default: revoked)."
  host_control.add_option(command)
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function revoke.execute(args, context)
  local found = host_control.call(args, context, "revoke",
    { user = args.user, reason = args.reason })
  local closed = type(found) == "table" and math.tointeger(found.closed)
  if not closed then context:fail "the host's answer has no number of connections" end
  context.out(("closed %d %s of %s"):format(closed,
    closed == 1 and "connection" or "connections", terminal.neutralise(args.user)))
  return 0
end

return revoke
