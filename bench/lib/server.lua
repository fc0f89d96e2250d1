-- A private redis-server for one benchmark, on a Unix socket (or a TCP port), in a folder of its
-- own. Both go when the benchmark's process goes, however that ends: a shell holds the other end of
-- a pipe, and cleans up when the pipe closes.
local shell = require "shell"

local START_SECONDS = 10

local KEEPER = [[
trap '' INT TERM HUP
redis-server %s </dev/null >"$0/log" 2>&1 &
cat >/dev/null
kill $! 2>/dev/null
wait $!
rm -rf "$0"
]]

local server_methods = {}
local server_mt = { __name = "bench.server", __index = server_methods }

local server = {}

-- One certificate for 127.0.0.1, which is its own CA.
local function make_certificate(folder)
  shell.run(("cd %s && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=bench"
    .. " -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem 2>log"):format(
    shell.quote(folder)))
end

local function tls_options(folder, port)
  return { "--tls-port", tostring(port), "--tls-cert-file", folder .. "/cert.pem",
    "--tls-key-file", folder .. "/key.pem", "--tls-ca-cert-file", folder .. "/cert.pem",
    "--tls-auth-clients", "no" }
end

local function options(folder, port, tls_port)
  local words = {
    "--dir", folder, "--save", "", "--appendonly", "no",
    "--client-output-buffer-limit", "pubsub 0 0 0",
  }
  if port then
    table.move({ "--bind", "127.0.0.1", "--port", tostring(port) }, 1, 4, #words + 1, words)
  else
    table.move({ "--port", "0", "--unixsocket", folder .. "/redis" }, 1, 4, #words + 1, words)
  end
  if tls_port then
    local tls = tls_options(folder, tls_port)
    table.move(tls, 1, #tls, #words + 1, words)
  end
  return shell.join(words)
end

--- Starts a server and waits until it answers. Pub/sub clients have no output buffer limit.
--- @param port integer?       a TCP port of 127.0.0.1 instead of a Unix socket
--- @param tls_port integer?   one more, with TLS: `peer_address`; `ca` is the CA's file
--- @return table
function server.start(port, tls_port)
  local folder = assert(shell.capture("mktemp -d /tmp/moonpool-bench.XXXXXX"), "mktemp failed")
  if tls_port then make_certificate(folder) end
  local script = KEEPER:format(options(folder, port, tls_port))
  local address = port and "127.0.0.1:" .. port or folder .. "/redis"
  local self = setmetatable({
    folder = folder,
    address = address,
    peer_address = tls_port and "127.0.0.1:" .. tls_port or address,
    ca = tls_port and folder .. "/cert.pem",
    cli = port and "redis-cli -p " .. port or "redis-cli -s " .. shell.quote(folder .. "/redis"),
    keeper = assert(io.popen(shell.join { "sh", "-c", script, folder }, "w")),
  }, server_mt)
  self:await()
  return self
end

function server_methods:await()
  local deadline = os.time() + START_SECONDS
  while shell.capture(self.cli .. " PING 2>/dev/null") ~= "PONG" do
    if os.time() > deadline then
      local log = shell.capture("cat " .. shell.quote(self.folder .. "/log"))
      self:close()
      error("redis-server did not start:\n" .. (log or ""), 0)
    end
    shell.run("sleep 0.05")
  end
end

--- Redis's answer to a command, as redis-cli prints it.
--- @param ... string
--- @return string
function server_methods:command(...)
  return assert(shell.capture(self.cli .. " " .. shell.join { ... }), "redis-cli failed")
end

--- Makes a script known.
--- @param file string
--- @return string   its SHA1
function server_methods:load_script(file)
  local sha = shell.capture(("%s -x SCRIPT LOAD <%s"):format(self.cli, shell.quote(file)))
  return assert(sha and sha:match("^%x+$") and sha, "SCRIPT LOAD failed")
end

--- @return string   such as "7.0.15"
function server_methods:version()
  return self:command("INFO", "server"):match("redis_version:([%w.]+)")
end

--- Stops the server and removes its folder.
function server_methods:close()
  if not self.keeper then return end
  self.keeper:close()
  self.keeper = nil
end

return server
