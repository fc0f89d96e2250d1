--- moonpool delete: deletes messages from a room's history.
local arguments = require "moonpool.cli.arguments"
local erase = require "moonpool.cli.erase"

local delete = { name = "delete" }

local DESCRIPTION = [[
Delete messages from a room's history, by their ids, and tell all who follow. What was said stays
where it has been seen already. For each message the id of what tells it is printed.]]

local EPILOG = [[
Examples:
  moonpool delete lobby 1795365705683-2-9f3a7c1e04b1d2aa --as ann]]

---@param command table the argparse command
function delete.configure(command)
  command:summary "Delete messages from a room's history."
  command:description(DESCRIPTION):epilog(EPILOG)
  erase.configure(command)
  command:argument("ids"):argname("ID"):args("+"):convert(arguments.id)
    :description "The messages' ids, as say, follow and history print them."
  erase.add_user(command)
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function delete.execute(args, context)
  local room = assert(context:connect():room(args.room))
  for _, id in ipairs(args.ids) do
    local told, message, code, stored = room:delete(id, { user = args.user })
    if code == "EPARTIAL" then
      context:warn(("%s: %s"):format(id, message))
      told = stored
    end
    if not told then context:fail(("%s: %s"):format(id, message)) end
    context.out(told)
  end
  return 0
end

return delete
