--- What delete, clear and destroy do alike: who does it, and asking before it is done.
local arguments = require "moonpool.cli.arguments"
local room_name = require "moonpool.room_name"
local system = require("moonpool.core").system
local terminal = require "moonpool.cli.terminal"

local erase = {}

local STDIN = 0

--- Adds the room.
---@param command table the argparse command
function erase.configure(command)
  command:argument("room"):argname("ROOM"):convert(room_name):description "The room's name."
end

--- Adds --as.
---@param command table
function erase.add_user(command)
  command:option("--as", "Who does it, as those who follow are told (default: nobody).")
    :target("user"):argname("NAME"):convert(arguments.user)
end

--- Adds --yes.
---@param command table
function erase.add_yes(command)
  command:flag("-y --yes", "Do it without asking.")
end

-- The answer to a question on the terminal, or nil at its end.
local function ask(context, question)
  local lines, message = system.lines(STDIN)
  if not lines then context:fail("standard input: " .. message) end
  context:on_stop(function() lines:close() end)
  io.stderr:write(question, " [y/N] ")
  local answer = lines:next()
  lines:close()
  return answer
end

--- Returns when it is to be done; else the program ends.
---@param args table
---@param context moonpool.cli.context
---@param question string
function erase.confirm(args, context, question)
  if args.yes then return end
  if not system.isatty(STDIN) then
    context:usage_error "--yes is needed: standard input is no terminal on which to ask"
  end
  local answer = ask(context, terminal.neutralise(question))
  if not answer or not answer:lower():find "^%s*ye?s?%s*$" then context:fail "nothing was done" end
end

return erase
