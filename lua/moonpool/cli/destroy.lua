--- moonpool destroy: removes a room from Redis.
local erase = require "moonpool.cli.erase"

local destroy = { name = "destroy" }

local DESCRIPTION = [[
Remove a room from Redis, with its history, its settings and all else that it has. Who follows it
gets a gap. It can be spoken in again, as a new room.]]

local EPILOG = [[
Examples:
  moonpool destroy lobby
  moonpool destroy --yes lobby]]

---@param command table the argparse command
function destroy.configure(command)
  command:summary "Remove a room with all that it has."
  command:description(DESCRIPTION):epilog(EPILOG)
  erase.configure(command)
  erase.add_yes(command)
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function destroy.execute(args, context)
  erase.confirm(args, context, ("Remove %s with all that was said there?"):format(args.room))
  local room = assert(context:connect():room(args.room))
  local ok, message = room:destroy()
  if not ok then context:fail(("cannot destroy %s: %s"):format(args.room, message)) end
  return 0
end

return destroy
