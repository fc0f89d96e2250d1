rockspec_format = "3.0"
package = "moonpool-gateway"
version = "scm-1"

source = {
  url = "git+https://github.com/moonpool/moonpool.git",
  branch = "main",
}

description = {
  summary = "Redis rooms in the browser: an HTTP and WebSocket server for moonpool",
  detailed = [[
    moonpool's gateway carries rooms to browsers over WebSockets and event streams, with a chat page
    and a JavaScript module. It is used by `moonpool run --listen` and as moonpool.gateway.
    Building needs CMake, pkg-config and the headers of hiredis, libuv, jansson, OpenSSL, wslay and
    llhttp or http-parser.
  ]],
  homepage = "https://github.com/moonpool/moonpool",
  issues_url = "https://github.com/moonpool/moonpool/issues",
  license = "MIT",
  labels = { "redis", "pubsub", "websocket", "chat", "libuv" },
}

supported_platforms = { "unix" }

dependencies = {
  "lua >= 5.4, < 5.6",
  "moonpool == scm-1",
}

external_dependencies = {
  HIREDIS = { header = "hiredis/read.h", library = "hiredis" },
  LIBUV = { header = "uv.h", library = "uv" },
  JANSSON = { header = "jansson.h", library = "jansson" },
  OPENSSL = { header = "openssl/ssl.h", library = "ssl" },
  WSLAY = { header = "wslay/wslay.h", library = "wslay" },
  HTTP_PARSER = { header = "*http*.h", library = "*http*" }, -- llhttp or http_parser: CMake knows
}

-- The same build as moonpool's, of which this rock has the gateway's module alone.
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    CMAKE_PREFIX_PATH = "$(HIREDIS_DIR);$(LIBUV_DIR);$(JANSSON_DIR);$(OPENSSL_DIR);" ..
      "$(WSLAY_DIR);$(HTTP_PARSER_DIR)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    MOONPOOL_LUA_MODULE_DIR = "$(LIBDIR)",
    MOONPOOL_LUA_SHARE_DIR = "$(LUADIR)",
    MOONPOOL_INSTALL_CORE = "OFF",
    MOONPOOL_INSTALL_CLIENT = "OFF",
    MOONPOOL_GATEWAY = "ON",
    MOONPOOL_TLS = "ON",
    MOONPOOL_TESTS = "OFF",
  },
}

test = {
  type = "command",
  command = "./quickstart test",
}
