-- A supervisor and its worker, of a spec's own: see supervised_process.lua.
--
--   local supervised = require "spec.support.supervised"
--   local host = supervised.start("{ stall = 2 }", "worker:ready()"[, { env =, cwd = }])
--   supervised.next_worker(host)      the id of the next worker that has begun
local program = require "spec.support.program"
local scratch = require "spec.support.scratch"

local supervised = {}

function supervised.start(options, work, settings)
  local root = scratch.shell "pwd"
  local env = { LUA_PATH = ("%s/lua/?.lua;%s/lua/?/init.lua;;"):format(root, root),
    LUA_CPATH = root .. "/build/lua/?.so;;" }
  for name, value in pairs(settings and settings.env or {}) do env[name] = value end
  local started = program.start { "lua5.4", root .. "/spec/support/supervised_process.lua", options,
    work, env = env, cwd = settings and settings.cwd }
  started:expect "^supervisor"
  return started
end

function supervised.next_worker(host)
  return tonumber((select(2, host:expect "^worker (%d+)$")))
end

return supervised
