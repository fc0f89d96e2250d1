-- A real host with a gateway, scripts of the spec's own, and a Redis.
--
--   local gateway_run = require "spec.support.gateway_run"
--   local run = gateway_run.open { scripts = { ["bots/a.lua"] = "…" }, config = "bots = { … }" }
--   run:open { user = "ann" }     a WebSocket (spec.support.websocket) that has said hello
--   run.address                   "127.0.0.1:PORT"
--   run:command("ps", "--json")   a subcommand of moonpool for this host: its result
--   run:workers()                 the gateway's figures of each worker, as ps tells them
--   run.host, run.server, run.folder
--   run:close()
--
-- The configuration's gateway listens at `listen = LISTEN`.
local json = require("moonpool").json
local program = require "spec.support.program"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"
local websocket = require "spec.support.websocket"

local gateway_run = {}

local methods = {}
local mt = { __name = "gateway_run", __index = methods }

function gateway_run.open(options)
  local server, folder = redis_server.start(), scratch.folder()
  for name, text in pairs(options.scripts or {}) do scratch.write(folder .. "/" .. name, text) end
  local self = setmetatable({
    server = server, folder = folder, control = folder .. "/control.sock", sockets = {},
  }, mt)
  local config = options.config or "gateway = { listen = LISTEN }"
  config = scratch.write(folder .. "/moonpool.conf.lua", (config:gsub("LISTEN", '"127.0.0.1:0"')))
  local command = { "run", "--redis", server.url, "--control", self.control, "--config", config }
  table.move(options, 1, #options, #command + 1, command)
  self.host = program.moonpool(command)
  local _, address = self.host:expect_error "^listening: (.+)$"
  self.address = address
  self.host:expect_error "^moonpool: ready"
  return self
end

function methods:open(options)
  local ws = websocket.open(self.address, options)
  self.sockets[#self.sockets + 1] = ws
  return ws
end

function methods:command(...)
  local words = { ... }
  table.move({ "--redis", self.server.url, "--control", self.control }, 1, 4, #words + 1, words)
  return program.run_moonpool(words)
end

--- The host's object of `moonpool ps --json`.
function methods:ps()
  local result = self:command("ps", "--json")
  assert(result.status == 0, result.stderr)
  return assert(json.decode(result.stdout:match "^[^\n]*"))
end

function methods:workers() return self:ps().gateway.workers end

function methods:close()
  for _, ws in ipairs(self.sockets) do ws.tcp:close() end
  self.host:stop()
  self.server:stop()
end

return gateway_run
