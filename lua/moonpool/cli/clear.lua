--- moonpool clear: empties a room's history.
local erase = require "moonpool.cli.erase"

local clear = { name = "clear" }

local DESCRIPTION = [[
Empty a room's history, and tell all who follow. The id of what tells it is printed; it is the one
message that is left.]]

local EPILOG = [[
Examples:
  moonpool clear lobby --as ann
  moonpool clear --yes lobby]]

---@param command table the argparse command
function clear.configure(command)
  command:summary "Empty a room's history."
  command:description(DESCRIPTION):epilog(EPILOG)
  erase.configure(command)
  erase.add_user(command)
  erase.add_yes(command)
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function clear.execute(args, context)
  erase.confirm(args, context, ("Remove all that was said in %s?"):format(args.room))
  local room = assert(context:connect():room(args.room))
  local id, message, code, stored = room:clear { user = args.user }
  if code == "EPARTIAL" then
    context:warn(message)
    id = stored
  end
  if not id then context:fail(("cannot clear %s: %s"):format(args.room, message)) end
  context.out(id)
  return 0
end

return clear
