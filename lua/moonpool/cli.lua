--- The program's front: which subcommands there are, and what all of them do alike.
--- A subcommand is a module `{ name, configure(parser_command), execute(args, context) → exit code,
--- connects = false }`; the last says that it has no use for --redis.
local argparse = require "argparse"

local cli = {}

local COMMANDS = {
  "run", "ps", "reload", "revoke", "explain", "chat", "follow", "say", "history", "who", "rooms",
  "watch", "delete", "clear", "destroy", "replay", "sub", "pub", "version",
}

local OK, FAILURE, USAGE = 0, 1, 2

local DESCRIPTION = [[
Redis pub/sub rooms, scripted in Lua: run chat bots on them, talk in them, follow them, read what
was said; read and write plain channels; play chat logs into a room.]]

local EPILOG = [[
Which Redis: --redis URL, else $REDIS_URL, else a private redis-server, which is started on
demand, shared by all moonpool programs of yours and stopped by the last of them.

  URL   redis://[[user:]password@]host[:port][/db]   rediss://…   unix:///path/to/socket
        redis+sentinel://host[:port],host[:port],…/service[/db]

Exit status: 0 fine (also after Ctrl-C or SIGTERM), 1 failure, 2 wrong usage.
`moonpool COMMAND --help` tells more, with examples.]]

local REDIS_HELP = [[
The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server).]]

-- argparse calls it with the parser of the subcommand that was being read.
local function on_usage_error(parser, message)
  local usage = parser:get_usage()
  local name = usage:match "^Usage: (%l[%l ]*%l)" or "moonpool"
  io.stderr:write(usage, "\n\nError: ", message, "\n`", name, " --help` tells more.\n")
  os.exit(USAGE)
end

local function add_command(parser, name)
  local command = require("moonpool.cli." .. name)
  local parser_command = parser:command(command.name)
  command.configure(parser_command)
  if command.connects ~= false then
    parser_command:option("--redis"):argname("URL"):description(REDIS_HELP)
  end
  command.parser = parser_command
  return command
end

local function add_help(parser, commands)
  local help = parser:command("help"):description "Print this, or the help of a command."
  help:argument("about"):argname("COMMAND"):description("A command."):args("?"):choices(COMMANDS)
    :action(function(_, _, name)
      print((name and commands[name].parser or parser):get_help())
      os.exit(OK)
    end)
end

local function build_parser()
  local parser = argparse("moonpool", DESCRIPTION, EPILOG)
  parser:command_target("command"):require_command(true)
  parser:help_max_width(100):usage_max_width(100)
  parser.error = on_usage_error
  parser:flag("--version"):description("Print moonpool's version and exit."):action(function()
    print("moonpool " .. require("moonpool").version)
    os.exit(OK)
  end)
  local commands = {}
  for _, name in ipairs(COMMANDS) do commands[name] = add_command(parser, name) end
  add_help(parser, commands)
  return parser, commands
end

--- What the program takes: for its man page and the shells' completions.
---@return table of argparse
function cli.parser()
  return (build_parser())
end

--- Runs the program.
---@param arguments string[] as in `arg`
---@return integer exit status
function cli.main(arguments)
  local is_built, why_not = pcall(require, "moonpool")
  if not is_built then
    io.stderr:write("moonpool: its C module cannot be loaded; in a source tree, ./quickstart ",
      "builds it.\n", tostring(why_not), "\n")
    return FAILURE
  end
  local parser, commands = build_parser()
  local args = parser:parse(arguments)
  local command = commands[args.command]
  return require("moonpool.cli.context").run(command, args)
end

return cli
