-- A service of a spec's own that real sentinels watch: one master, one replica, three sentinels.
--
--   local sentinel = require "spec.support.sentinel"
--   local service = sentinel.start()
--   local service = sentinel.start { password = "x", sentinel_password = "y", down_after = 1000,
--                                    failover_timeout = 3000, config = { … }, replicas = 1,
--                                    tls = pem,       TLS alone, with spec.support.certificates
--                                    env = { {…}, {…} } }   environments: the master's, a replica's
--   service.url                redis+sentinel://127.0.0.1:N,127.0.0.1:N,127.0.0.1:N/mymaster,
--                              without passwords; service.name "mymaster"
--   service.master, service.replica   where each began: servers of spec.support.redis
--   service.servers, service.sentinels
--   service:named()            the ports that the sentinels name, { [7001] = 2, [7002] = 1 }: those
--                              that are stopped are not asked
--   service:wait_until_named(server, seconds)  every running sentinel names it, and it is a master
--   service:connections()      how many connections the servers have accepted so far, and how many
--                              the sentinels
--   service:stop()
--
-- start returns once every sentinel knows the others and the replica, and CKQUORUM is content.
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"

local sentinel = {}

local NAME = "mymaster"
local HOST = "127.0.0.1"
local ATTEMPTS = 5 -- another program may take a free port
local SENTINELS = 3

local OPTIONS = {
  password = true, sentinel_password = true, down_after = true, failover_timeout = true,
  config = true, replicas = true, tls = true, env = true,
}

local service_methods = {}
local service_mt = { __name = "sentinel_service", __index = service_methods }

-- ---- starting ----------------------------------------------------------------------------------

local function free_ports(count)
  local ports, taken = {}, {}
  while #ports < count do
    local port = redis_server.free_port()
    if not taken[port] then
      taken[port] = true
      ports[#ports + 1] = port
    end
  end
  return ports
end

-- TLS takes the place of plain TCP; Redis counts the last line.
local function add_tls(self, config, port)
  local pem = self.tls
  local lines = pem and {
    "port 0", "tls-port " .. port, "tls-replication yes", "tls-auth-clients no",
    "tls-ca-cert-file " .. pem.ca, "tls-cert-file " .. pem.server, "tls-key-file " .. pem.key,
  } or {}
  return table.move(lines, 1, #lines, #config + 1, config)
end

local function server_config(self, master_port)
  local config = { "repl-diskless-sync-delay 0", "repl-ping-replica-period 1" }
  if self.password then
    table.move({ "requirepass " .. self.password, "masterauth " .. self.password }, 1, 2,
      #config + 1, config)
  end
  if master_port then
    config[#config + 1] = ("replicaof %s %d"):format(HOST, master_port)
  end
  return table.move(self.config, 1, #self.config, #config + 1, config)
end

local function run_id(index)
  return ("%040x"):format(index)
end

-- What they would find out by themselves in some seconds is in their configuration.
local function sentinel_config(self, ports, index)
  local config = {}
  local function add(format, ...)
    config[#config + 1] = format:format(...)
  end
  add("sentinel myid %s", run_id(index))
  add("sentinel monitor %s %s %d %d", NAME, HOST, self.master.port, math.floor(SENTINELS / 2) + 1)
  add("sentinel down-after-milliseconds %s %d", NAME, self.down_after)
  add("sentinel failover-timeout %s %d", NAME, self.failover_timeout)
  if self.password then
    add("sentinel auth-pass %s %s", NAME, self.password)
  end
  if self.sentinel_password then
    add("requirepass %s", self.sentinel_password)
  end
  for number = 2, #self.servers do
    add("sentinel known-replica %s %s %d", NAME, HOST, self.servers[number].port)
  end
  for number, port in ipairs(ports) do
    if number ~= index then
      add("sentinel known-sentinel %s %s %d %s", NAME, HOST, port, run_id(number))
    end
  end
  return config
end

local function launch(self)
  for index, port in ipairs(free_ports(1 + self.replicas)) do
    local master = self.servers[1]
    self.servers[index] = redis_server.start {
      port = port, env = self.env[index],
      config = add_tls(self, server_config(self, master and master.port), port) }
  end
  self.master, self.replica = self.servers[1], self.servers[2]
  local ports = free_ports(SENTINELS)
  for index, port in ipairs(ports) do
    self.sentinels[index] = redis_server.start {
      port = port, mode = "sentinel",
      config = add_tls(self, sentinel_config(self, ports, index), port) }
  end
  self.url = ("%s+sentinel://%s:%s/%s"):format(self.tls and "rediss" or "redis", HOST,
    table.concat(ports, "," .. HOST .. ":"), NAME)
end

---@param options table?
function sentinel.start(options)
  options = options or {}
  for name in pairs(options) do
    assert(OPTIONS[name], "sentinel: unknown option " .. tostring(name))
  end
  local message
  for _ = 1, ATTEMPTS do
    local self = setmetatable({
      name = NAME, servers = {}, sentinels = {},
      password = options.password, sentinel_password = options.sentinel_password,
      down_after = options.down_after or 1000, config = options.config or {},
      failover_timeout = options.failover_timeout or 3000, replicas = options.replicas or 1,
      tls = options.tls, env = options.env or {},
    }, service_mt)
    local ok
    ok, message = pcall(launch, self)
    if ok then
      self:wait_until_whole(self.master)
      return self
    end
    self:stop()
  end
  error(message, 2)
end

-- ---- looking -----------------------------------------------------------------------------------

local function is_answering(server)
  return server:is_running() and not server.is_paused
end

-- A flat list of names and values as a table.
local function fields(list)
  local found = {}
  for index = 1, #list, 2 do
    found[list[index]] = list[index + 1]
  end
  return found
end

local function role(server)
  local reply = server:call("ROLE")
  return reply and reply[1]
end

local function named_by(one)
  local reply = one:call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
  return type(reply) == "table" and math.tointeger(tonumber(reply[2])) or nil
end

function service_methods:named()
  local votes = {}
  for _, one in ipairs(self.sentinels) do
    local port = is_answering(one) and named_by(one)
    if port then
      votes[port] = (votes[port] or 0) + 1
    end
  end
  return votes
end

function service_methods:wait_until_named(server, seconds)
  scratch.wait_until(function()
    for port in pairs(self:named()) do
      if port ~= server.port then
        return false
      end
    end
    return role(server) == "master"
  end, seconds or 20, "the sentinels to name " .. server.port)
end

local function knows_all(self, one, master)
  local reply = one:call("SENTINEL", "MASTER", NAME)
  local known = type(reply) == "table" and fields(reply) or {}
  if tonumber(known.port) ~= master.port or known.flags ~= "master" or
    tonumber(known["num-slaves"]) ~= #self.servers - 1 or
    tonumber(known["num-other-sentinels"]) ~= SENTINELS - 1 then
    return false
  end
  for _, replica in ipairs(one:call("SENTINEL", "REPLICAS", NAME)) do
    replica = fields(replica)
    if replica.flags ~= "slave" or replica["master-link-status"] ~= "ok" then
      return false
    end
  end
  local quorum = one:call("SENTINEL", "CKQUORUM", NAME)
  return quorum and quorum:find("^OK") ~= nil
end

function service_methods:wait_until_whole(master, seconds)
  scratch.wait_until(function()
    for _, one in ipairs(self.sentinels) do
      if not knows_all(self, one, master) then
        return false
      end
    end
    return role(master) == "master"
  end, seconds or 30, "every sentinel to know the others and the replica")
end

local function accepted(servers)
  local sum = 0
  for _, server in ipairs(servers) do
    if is_answering(server) then
      sum = sum + server:call("INFO", "stats"):match("total_connections_received:(%d+)")
    end
  end
  return sum
end

function service_methods:connections()
  return accepted(self.servers), accepted(self.sentinels)
end

function service_methods:stop()
  for _, list in ipairs { self.sentinels, self.servers } do
    for _, server in ipairs(list) do
      server:stop()
    end
  end
end

return sentinel
