--- moonpool reload: has the running host read its scripts again.
local host_control = require "moonpool.cli.host_control"
local terminal = require "moonpool.cli.terminal"

local reload = { name = "reload" }

local DESCRIPTION = [[
Have the running host read its scripts again: each one that has changed, or SCRIPT in any case. A
new version takes over from the old one, and no message is lost or handled twice; one that cannot
be loaded leaves the old one running, and that is told.]]

local EPILOG = [[
Exit status 1 when a script could not be loaded. SIGHUP to the host does the same as `moonpool
reload`.

Examples:
  moonpool reload
  moonpool reload dice]]

---@param command table the argparse command
function reload.configure(command)
  command:summary "Have the running host read its scripts again."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:argument("script"):argname("SCRIPT"):args("?")
    :description "The name of a bot or policy (default: all of them)."
  host_control.add_option(command)
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function reload.execute(args, context)
  local found = host_control.call(args, context, "reload", { script = args.script })
  local scripts = type(found) == "table" and found.scripts
  if type(scripts) ~= "table" then context:fail "the host's answer has no list of scripts" end
  local status = 0
  for _, script in ipairs(scripts) do
    local name = terminal.neutralise(tostring(script.name))
    if type(script.error) == "string" then
      context:warn(("%s: %s"):format(name, terminal.neutralise(script.error)))
      status = 1
    else
      context.out("reloaded " .. name)
    end
  end
  if #scripts == 0 then context.out "there is no script" end
  return status
end

return reload
