rockspec_format = "3.0"
package = "moonpool"
version = "scm-1"

source = {
  url = "git+https://github.com/moonpool/moonpool.git",
  branch = "main",
}

description = {
  summary = "Asynchronous Redis pub/sub, and chat bots as Lua scripts",
  detailed = [[
    An asynchronous Redis client for plain Lua: every command awaits its reply in a coroutine,
    subscriptions outlive lost connections and tell what they missed. On top of it a program that
    runs chat bots as Lua scripts. The core is C on libuv and hiredis.
    Building needs CMake, pkg-config and the headers of hiredis, libuv, jansson and OpenSSL;
    the program starts a private redis-server when it is given no Redis.
  ]],
  homepage = "https://github.com/moonpool/moonpool",
  issues_url = "https://github.com/moonpool/moonpool/issues",
  license = "MIT",
  labels = { "redis", "pubsub", "async", "chat", "libuv" },
}

supported_platforms = { "unix" }

dependencies = {
  "lua >= 5.1, < 5.6", -- of 5.1 LuaJIT, which calls itself so; not 5.2. The program: 5.4 and 5.5
  "argparse >= 0.7",
}

external_dependencies = {
  HIREDIS = { header = "hiredis/read.h", library = "hiredis" },
  LIBUV = { header = "uv.h", library = "uv" },
  JANSSON = { header = "jansson.h", library = "jansson" },
  OPENSSL = { header = "openssl/ssl.h", library = "ssl" },
}

-- One description of the build, CMakeLists.txt, for everyone: it also sets the linker options that
-- keep the module loaded while libuv's threads run, and its symbols to itself.
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    CMAKE_PREFIX_PATH = "$(HIREDIS_DIR);$(LIBUV_DIR);$(JANSSON_DIR);$(OPENSSL_DIR)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    MOONPOOL_LUA_MODULE_DIR = "$(LIBDIR)",
    MOONPOOL_LUA_SHARE_DIR = "$(LUADIR)",
    MOONPOOL_BIN_DIR = "$(BINDIR)",
    MOONPOOL_INSTALL_CORE = "OFF",
    MOONPOOL_TLS = "ON",
    MOONPOOL_GATEWAY = "OFF",
    MOONPOOL_TESTS = "OFF",
  },
}

test = {
  type = "command",
  command = "./quickstart test",
}
