-- What the benchmarks share as programs: options, the private Redis, output, exit code.
-- Exit code: 0; 1 when a peer failed or, with --check, a limit was missed; 2 for a wrong usage.
local argparse = require "argparse"
local report = require "report"
local server = require "server"
local setup = require "setup"

local program = {}

--- Converts an option's text to a whole number above 0; nil and a message for argparse.
--- @param text string
--- @return integer?, string?
function program.count(text)
  local number = math.tointeger(tonumber(text))
  if number and number > 0 then return number end
  return nil, ("'%s' is no whole number above 0"):format(text)
end

local function make_parser(name, description, rounds)
  local parser = argparse("bench/" .. name, description)
  parser:option("--rounds", "Rounds; each runs every peer once.", rounds or "5")
    :convert(program.count)
  parser:option("--build", "Build folder with moonpool in it (default: build/ of the tree).")
  parser:option("--tcp", "Port of 127.0.0.1 for the private Redis (default: a Unix socket).")
    :convert(program.count)
  parser:option("--tls", "Port of 127.0.0.1 where the peers connect with TLS (receive, publish).")
    :convert(program.count)
  parser:flag("--quick", "A smoke run: one short round. Its numbers mean little.")
  parser:flag("--json", "One JSON object instead of the table.")
  parser:flag("--check", "Exit with 1 when a limit is missed.")
  return parser
end

local function print_json(name, run, result)
  print(report.encode {
    bench = name, machine = run.machine, redis = run.redis_version, options = run.options,
    peers = report.peers_to_json(result.peers), limits = result.limits,
  })
end

local function print_text(name, run, result)
  print(("bench/%s: %s"):format(name, result.title))
  print(("%s, redis-server %s"):format(run.machine, run.redis_version))
  print()
  for i, rows in ipairs(result.tables or { result.rows }) do
    if i > 1 then print() end
    report.print_table(rows)
  end
  for _, line in ipairs(result.notes or {}) do print(line) end
  if #result.limits > 0 then print() end
  report.print_limits(result.limits)
end

local function is_all_met(limits)
  local is_met = true
  for _, limit in ipairs(limits) do
    limit.is_met = report.is_met(limit)
    is_met = is_met and limit.is_met
  end
  return is_met
end

local function execute(bench, name, options, measure)
  local place = setup.place(bench, options.build)
  local redis = server.start(options.tcp, options.tls)
  local is_ok, result = xpcall(function()
    local run = { options = options, place = place, server = redis, machine = setup.machine(),
      redis_version = redis:version() }
    local result = measure(run)
    local is_met = is_all_met(result.limits);
    (options.json and print_json or print_text)(name, run, result)
    return is_met
  end, function(err) return type(err) == "string" and err or debug.traceback(tostring(err)) end)
  redis:close()
  if not is_ok then
    io.stderr:write("bench/", name, ": ", result, "\n")
    return 1
  end
  return options.check and not result and 1 or 0
end

--- Runs one benchmark and exits.
--- @param bench string                     path of the bench folder
--- @param name string
--- @param description string
--- @param declare fun(parser: table)       adds the benchmark's own options
--- @param measure fun(run: table): table   { title, peers, rows (or tables: several), limits,
---                                         notes? }
--- @param rounds string?                   when not told; "5" otherwise
function program.main(bench, name, description, declare, measure, rounds)
  local parser = make_parser(name, description, rounds)
  declare(parser)
  local is_ok, options = parser:pparse()
  if not is_ok then
    io.stderr:write(parser:get_usage(), "\n\nError: ", options, "\n")
    os.exit(2)
  end
  os.exit(execute(bench, name, options, measure), true)
end

return program
