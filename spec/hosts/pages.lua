-- The examples of docs/embedding/: each is run in its host as it stands, but for Redis's address.
--
-- By page: a list, one item a code block. host · shows, what it prints · more, Lua that is appended
-- to it · run(example) → what it shows, for what is no program.
local http = require "web"
local program = require "spec.support.program"
local scratch = require "spec.support.scratch"

local pages = {}

local HEARD, ECHO = "room:chatty\tHello there!\t1\n", "Hello there!\n"

pages.luv = { { host = "luv", shows = HEARD .. "true\n" }, { host = "luv", shows = ECHO } }
pages.neovim = {
  {
    host = "neovim", shows = "Hello there!\nheard: 1\n", more = [[
local function lines() return vim.api.nvim_buf_get_lines(0, 0, -1, true) end
vim.wait(10000, function() return lines()[2] ~= nil end)
io.stdout:write(table.concat(lines(), "\n"), "\n")]],
  },
}
pages.cqueues = { { host = "cqueues", shows = HEARD }, { host = "cqueues", shows = ECHO } }
pages.copas = { { host = "copas", shows = "room:chatty\tHello there!\n1\n" } }
pages.tarantool = { { host = "tarantool", shows = HEARD } }
pages.poll = { { host = "own loop", shows = HEARD },
  { host = "own loop", shows = "Hello there!\ttrue\n" } }

-- ---- a C program --------------------------------------------------------------------------------

-- Compiled with the library of the tree; the script beside it is the page's third block.
local COMPILE = [[cc -Wall -Wextra -Werror -o %(folder)/program %(folder)/program.c \
  -I%(tree)/bindings -I%(tree)/core/include $(pkg-config --cflags lua5.4 libuv) \
  -L%(tree)/build -lmoonpool-lua -Wl,-rpath,%(tree)/build $(pkg-config --libs lua5.4 libuv)]]

local function c_program(script)
  local folder, tree = scratch.folder(), scratch.shell "pwd"
  local page = scratch.read "docs/embedding/c.md"
  scratch.write(folder .. "/program.c", page:match "```c\n(.-)```")
  scratch.write(folder .. "/script.lua", script)
  local command = COMPILE:gsub("%%%((%l+)%)", { folder = folder, tree = tree })
  local result = program.run { "bash", "-c", command .. " && cd " .. folder .. " && ./program",
    env = { LUA_PATH = tree .. "/lua/?.lua;" .. tree .. "/lua/?/init.lua" } }
  return result.stdout .. result.stderr
end

local HEAR = [[
local moonpool = require "moonpool"
moonpool.spawn(function()
  local other = assert(moonpool.connect "REDIS")
  moonpool.sleep(0.05)
  while other:publish("tides", "high") == 0 do moonpool.sleep(0.002) end
  while other:get "tides:heard" ~= "1" do moonpool.sleep(0.002) end
  print "heard"
  moonpool.stop()
end)
]]

pages.c = {
  { host = "c", shows = "here\n", run = function() return c_program 'print "here"' end },
  { host = "c", shows = "libuv\n", run = function() -- its names are those of the .pc file
    return (scratch.read "cmake/moonpool-lua.pc.in":match "Requires: (%l+)") .. "\n"
  end },
  { host = "c", shows = "heard\n", run = function(example)
    return c_program(example.source .. HEAR:gsub("REDIS", example.source:match '%w+://[^"]*'))
  end },
}

-- ---- Prosody itself -----------------------------------------------------------------------------

local PROSODY = [[
run_as_root = true
data_path = "%(folder)"
pidfile = "%(folder)/pid"
plugin_paths = { "%(folder)" }
modules_enabled = { "http", "say" }
modules_disabled = { "c2s", "s2s", "offline" }
http_ports = { %(port) }
http_interfaces = { "127.0.0.1" }
https_ports = {}
log = { { levels = { min = "info" }, to = "console" } }
VirtualHost "localhost"
]]

local function fill(text, values) return (text:gsub("%%%((%l+)%)", values)) end

local function run_prosody(example)
  local values = { folder = scratch.folder(), port = http.free_port() }
  scratch.write(values.folder .. "/mod_say.lua", example.source)
  local config = scratch.write(values.folder .. "/prosody.cfg.lua", fill(PROSODY, values))
  local prosody = program.start { "prosody", "-F", "--config", config, env = example.env }
  local is_ok, answer = pcall(http.request, "127.0.0.1:" .. values.port,
    "POST /say HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nHello")
  local status = prosody:stop()
  if is_ok and status == 0 then return answer .. "\n" end
  return ("%s, status %s\n%s%s"):format(answer, status, prosody:output(), prosody:errors())
end

pages.prosody = { { host = "prosody", shows = "0\n", run = run_prosody },
  { host = "prosody", shows = HEARD } }

-- ---- nginx --------------------------------------------------------------------------------------

local NGINX = [[
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
daemon off;
user root;
pid %(folder)/pid;
error_log stderr warn;
]]

local IN_HTTP = [[http {
  lua_package_path "%(path)";
  lua_package_cpath "%(cpath)";
  access_log off;
  client_body_temp_path %(folder)/1;
  proxy_temp_path %(folder)/2;
  fastcgi_temp_path %(folder)/3;
  uwsgi_temp_path %(folder)/4;
  scgi_temp_path %(folder)/5;]]

local function get(place, path)
  return http.request(place, ("GET %s HTTP/1.0\r\n\r\n"):format(path))
end

local function ask_nginx(place)
  local count
  scratch.wait_until(function()
    local is_ok, answer = pcall(get, place, "/say?text=Ahoy")
    count = is_ok and answer:match "^%d+\n$"
    return count
  end, nil, "nginx to publish")
  local answer
  scratch.wait_until(function()
    answer = get(place, "/heard")
    return answer == "1 Ahoy\n"
  end, nil, "nginx to hear it")
  return count .. answer
end

local function run_nginx(example)
  local folder = scratch.folder()
  local values = { folder = folder, path = example.env.LUA_PATH, cpath = example.env.LUA_CPATH }
  local place = folder .. "/http"
  local source = example.source:gsub("http {", function() return fill(IN_HTTP, values) end, 1)
    :gsub("listen 8080;", ("listen unix:%s;"):format(place))
  local config = scratch.write(folder .. "/nginx.conf", fill(NGINX, values) .. source)
  local nginx = program.start { "nginx", "-p", folder, "-e", "stderr", "-c", config }
  local is_ok, answer = pcall(ask_nginx, place)
  nginx:signal "QUIT"
  local is_over, status = pcall(nginx.wait, nginx, 20)
  if not is_over then nginx:signal("KILL", true) end
  local told = nginx:errors():match "[^\n]*%[%l+%][^\n]*"
  if is_ok and status == 0 and not told then return answer end
  return ("%s, status %s\n%s"):format(answer, status, nginx:errors())
end

pages.openresty = { { host = "nginx", shows = "1\n1 Ahoy\n", run = run_nginx } }

return pages
