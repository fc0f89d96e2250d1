-- The hosts that run spec/hosts/program.lua: what its first line is there, and how each is started.
--
-- A host: name · lua, whose build of the library it loads · module · nap, an expression for
-- the host's own way of sleeping · needs, a command that succeeds where it is installed ·
-- package, where Debian has it · path, cpath, where its Lua finds more · start(program, env) → the
-- command's words · is_checked: Valgrind can run it · leaks: at its end, by itself.
local scratch = require "spec.support.scratch"

local hosts = {}

-- Where the library's modules are, and those of the folders of Lua sources given.
---@param host table
---@param builds table<string, string>   folders by Lua
---@param folders string[]
---@return table<string, string>
function hosts.environment(host, builds, folders)
  local path = {}
  for _, folder in ipairs(folders) do
    path[#path + 1] = ("%s/?.lua;%s/?/init.lua"):format(folder, folder)
  end
  path[#path + 1] = host.path
  return {
    LUA_PATH = table.concat(path, ";") .. ";;",
    LUA_CPATH = ("%s/lua/?.so;%s;;"):format(builds[host.lua], host.cpath or "./?.so"),
  }
end

local function lua54(program) return { "lua5.4", program } end

local NVIM = [[lua local ok, message = xpcall(dofile, debug.traceback, "%s") ]]
  .. [[if not ok then io.stderr:write(tostring(message), "\n") vim.cmd "cquit 1" end]]

local function nvim(program)
  return { "nvim", "--headless", "--clean", "-n", "-i", "NONE", "-c", NVIM:format(program),
    "-c", "qall!" }
end

-- nginx hands on only the environment that its configuration names.
local NGINX = [[
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
daemon off;
master_process off;
pid %(folder)/nginx.pid;
error_log stderr;
%(names)
events {}
http {
  lua_package_path "%(LUA_PATH)";
  lua_package_cpath "%(LUA_CPATH)";
  access_log off;
  client_body_temp_path %(folder)/1;
  proxy_temp_path %(folder)/2;
  fastcgi_temp_path %(folder)/3;
  uwsgi_temp_path %(folder)/4;
  scgi_temp_path %(folder)/5;
  init_worker_by_lua_block {
    ngx.timer.at(0, function()
      local ok, message = xpcall(assert(loadfile "%(program)"), debug.traceback)
      if not ok then ngx.log(ngx.ERR, message) end
      require("ngx.process").signal_graceful_exit()
    end)
  }
}
]]

local function nginx(program, env)
  local values, names = { folder = scratch.folder(), program = program }, {}
  for name, value in pairs(env) do
    values[name] = value
    names[#names + 1] = ("env %s;\n"):format(name)
  end
  values.names = table.concat(names)
  local config = NGINX:gsub("%%%(([%a_]+)%)", values)
  return { "nginx", "-p", values.folder, "-e", "stderr", "-c",
    scratch.write(values.folder .. "/nginx.conf", config) }
end

local function add(host) hosts[#hosts + 1] = host end

add { name = "own loop", lua = "5.4", module = "moonpool", nap = 'require("moonpool").sleep',
  needs = "lua5.4 -v", package = "lua5.4", start = lua54, is_checked = true }
add { name = "luv", lua = "5.4", module = "moonpool.host.luv", nap = 'require "naps.luv"',
  needs = "lua5.4 -e 'require [[luv]]'", package = "lua-luv", start = lua54, is_checked = true }
add { name = "cqueues", lua = "5.4", module = "moonpool.host.cqueues",
  nap = 'require("cqueues").sleep', needs = "lua5.4 -e 'require [[cqueues]]'",
  package = "lua-cqueues", start = lua54, is_checked = true }
-- Debian ships it for Lua 5.1 and 5.2 only; it is written in Lua that 5.4 reads, too.
add { name = "copas", lua = "5.4", module = "moonpool.host.copas", nap = 'require "naps.copas"',
  needs = "test -e /usr/share/lua/5.2/copas.lua && lua5.4 -e 'require [[socket]]'",
  package = "lua-copas", path = "/usr/share/lua/5.2/?.lua", start = lua54, is_checked = true }
add { name = "prosody", lua = "5.4", module = "moonpool.host.prosody",
  nap = 'require "naps.prosody"', needs = "test -e /usr/lib/prosody/net/server_epoll.lua",
  package = "prosody", path = "/usr/lib/prosody/?.lua", cpath = "/usr/lib/prosody/?.so",
  start = lua54, is_checked = true, leaks = true } -- its modules do, without moonpool, too
add { name = "neovim", lua = "luajit", module = "moonpool.host.luv", nap = 'require "naps.luv"',
  needs = "nvim --version", package = "neovim", start = nvim }
-- A C program with a loop of its own, which runs the program as a task; it is built with the tests.
local HOST = (debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$") .. "/../../build/examples/host"

add { name = "c", lua = "5.4", module = "moonpool", nap = 'require("moonpool").sleep',
  needs = "test -x " .. HOST, package = "liblua5.4-dev", is_checked = true,
  start = function(script) return { HOST, script } end }
-- Tarantool goes on with its loop after a script that leaves anything to it.
local function tarantool(program)
  return { "tarantool", "-e", ('dofile "%s" os.exit(0)'):format(program) }
end

add { name = "tarantool", lua = "luajit", module = "moonpool.host.tarantool",
  nap = 'require("fiber").sleep', needs = "tarantool -V", package = "tarantool",
  start = tarantool }
add { name = "nginx", lua = "luajit", module = "moonpool.host.openresty", nap = "ngx.sleep",
  needs = "test -e /usr/lib/nginx/modules/ngx_http_lua_module.so && nginx -v",
  package = "libnginx-mod-http-lua", start = nginx }

return hosts
