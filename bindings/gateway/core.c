/* moonpool.gateway.core: opens the module. */
#include "handle.h"

#include <string.h>

/* bind(address) → a descriptor that listens there, for a process that hands it on, and is closed on
 * exec; nil, message, code */
static int bind_address(lua_State *L) {
  char message[300] = "";
  const char *address = luaL_checkstring(L, 1);
  int fd = moonpool_gateway_bind(address, message, sizeof message);
  if (fd >= 0) {
    lua_pushinteger(L, fd);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, message[0] ? message : moonpool_status_text(fd));
  lua_pushstring(L, moonpool_status_name(fd));
  return 3;
}

static const mp_bridge *find_bridge(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "moonpool.core");
  lua_call(L, 1, 0);
  lua_getfield(L, LUA_REGISTRYINDEX, MP_BRIDGE_KEY);
  const mp_bridge *bridge = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (!bridge) luaL_error(L, "moonpool.gateway.core: this moonpool.core is older than 0.1.0");
  if (strcmp(bridge->version, MOONPOOL_VERSION) != 0)
    luaL_error(L,
               "moonpool.gateway.core is of version %s, moonpool.core of %s: both must be of one",
               MOONPOOL_VERSION, bridge->version);
  return bridge;
}

__attribute__((visibility("default"))) int luaopen_moonpool_gateway_core(lua_State *L);

int luaopen_moonpool_gateway_core(lua_State *L) {
  lua_settop(L, 0);
  const mp_bridge *bridge = find_bridge(L);
  mp_gateway_open_tickets(L);
  lua_newtable(L);
  mp_gateway_open_handles(L, bridge);
  lua_pushcfunction(L, bind_address);
  lua_setfield(L, -2, "bind");
  lua_pushcfunction(L, mp_gateway_sign);
  lua_setfield(L, -2, "sign");
  lua_pushliteral(L, MOONPOOL_VERSION);
  lua_setfield(L, -2, "version");
  return 1;
}
