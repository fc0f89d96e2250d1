-- A server of bench/fanout: a process of its own in a folder of its own, on a free port. Both go
-- when the benchmark's process goes, however that ends: the server ends with its standard input,
-- and a shell that holds the other end of a pipe kills it and cleans up.
--
-- The server prints one line when it listens:
--   ready PID[,PID…] PORT [publisher=HOST:PORT] WHAT IT IS
local shell = require "shell"

local START_SECONDS = 20

-- `cat` holds the fifo open until the pipe, its input, is closed.
local KEEPER = [[
trap '' INT TERM HUP
cd "$0" && mkfifo in || exit 1
env "$@" <in >out 2>err &
server=$!
cat >in
for _ in $(seq 100); do
  kill -0 $server 2>/dev/null || break
  sleep 0.05
done
kill -9 $server 2>/dev/null
wait $server
cd / && rm -rf "$0"
]]

local service_methods = {}
local service_mt = { __name = "bench.service", __index = service_methods }

local service = {}

local function read_all(path)
  local file = io.open(path)
  if not file then return "" end
  local text = file:read("a")
  file:close()
  return text
end

function service_methods:read_ready()
  local line = read_all(self.folder .. "/out"):match("ready ([^\n]*)\n")
  if not line then return false end
  local pids, port, rest = line:match("^([%d,]+) (%d+) (.*)$")
  assert(pids, line)
  local publisher, label = rest:match("^publisher=(%S+) (.*)$")
  self.pids, self.port, self.publisher, self.label = pids, port, publisher, label or rest
  return true
end

function service_methods:await()
  local deadline = os.time() + START_SECONDS
  while not self:read_ready() do
    if os.time() > deadline then
      local told = read_all(self.folder .. "/err")
      self:close()
      error("the server did not start:\n" .. told, 0)
    end
    shell.run("sleep 0.05")
  end
end

--- Starts a server and waits until it listens.
--- @param words string[]                its command line
--- @param env table<string, string>?
--- @return table service # pids, port, publisher (of some), label
function service.start(words, env)
  local folder = assert(shell.capture("mktemp -d /tmp/moonpool-bench.XXXXXX"), "mktemp failed")
  local all = { "sh", "-c", KEEPER, folder }
  for name, value in pairs(env or {}) do all[#all + 1] = name .. "=" .. value end
  table.move(words, 1, #words, #all + 1, all)
  local self = setmetatable({ folder = folder, keeper = assert(io.popen(shell.join(all), "w")) },
    service_mt)
  self:await()
  return self
end

--- What it wrote to standard error.
function service_methods:errors() return read_all(self.folder .. "/err") end

--- Ends the server and removes its folder.
function service_methods:close()
  if not self.keeper then return end
  self.keeper:close()
  self.keeper = nil
end

return service
