--- moonpool version: what this program is made of.
local version = { name = "version", connects = false }

---@param command table the argparse command
function version.configure(command)
  command:summary "Print the versions of moonpool and of what it is built on."
  command:description "Print the versions of moonpool and of what it is built on."
  command:flag("--json", "As one JSON object.")
end

local FIELDS = { "version", "hiredis", "resp", "libuv", "tls", "lua" }

local function collect()
  local moonpool = require "moonpool"
  return {
    version = moonpool.version, hiredis = moonpool.features.hiredis,
    resp = moonpool.features.resp3 and 3 or 2,
    libuv = moonpool.features.libuv, tls = moonpool.features.tls, lua = _VERSION:match "[%d.]+",
  }
end

local function to_json(found)
  local json_line = require "moonpool.cli.json_line"
  local pieces = {}
  for index, name in ipairs(FIELDS) do
    local value = found[name]
    local literal = type(value) == "string" and json_line.quote(value) or tostring(value)
    pieces[index] = ('"%s":%s'):format(name, literal)
  end
  return "{" .. table.concat(pieces, ",") .. "}"
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function version.execute(args, context)
  local found = collect()
  if args.json then
    context.out(to_json(found))
    return 0
  end
  context.out("moonpool " .. found.version)
  context.out(("hiredis %s, RESP%d"):format(found.hiredis, found.resp))
  context.out("libuv " .. found.libuv)
  context.out(found.tls or "no TLS")
  context.out("Lua " .. found.lua)
  return 0
end

return version
