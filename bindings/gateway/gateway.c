/* The handle of a gateway. */
#include "handle.h"

#include <stdlib.h>

static const char gateway_name[] = "moonpool.gateway";

/* ---- its life -------------------------------------------------------------------------------- */

static const mp_bridge *bridge_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

static int fail(lua_State *L, int status, const char *message) {
  lua_pushnil(L);
  lua_pushstring(L, message && *message ? message : moonpool_status_text(status));
  lua_pushstring(L, moonpool_status_name(status));
  return 3;
}

static mp_gateway **new_handle(lua_State *L, const mp_bridge *bridge) {
  mp_gateway **handle = lua_newuserdatauv(L, sizeof *handle, 0);
  *handle = NULL;
  luaL_setmetatable(L, gateway_name);
  mp_gateway *gateway = calloc(1, sizeof *gateway);
  if (!gateway) return handle;
  gateway->bridge = bridge;
  gateway->anchor = gateway->hooks = gateway->on_drained = gateway->on_closed = LUA_NOREF;
  *handle = gateway;
  return handle;
}

static int unref_hooks(lua_State *L) {
  mp_gateway *gateway = lua_touserdata(L, 1);
  luaL_unref(L, LUA_REGISTRYINDEX, gateway->hooks);
  return 0;
}

static void on_client_closed(void *ctx) {
  mp_gateway *gateway = ctx;
  lua_State *L;
  mp_gateway_call(gateway, &gateway->on_closed);
  gateway->bridge->protect(gateway->bridge->runtime, unref_hooks, gateway, 0, &L);
  if (gateway->keeps_running) gateway->bridge->keep_running(gateway->bridge->runtime, -1);
  free(gateway);
}

static void on_gateway_closed(void *ctx) {
  mp_gateway *gateway = ctx;
  moonpool_close(gateway->client, on_client_closed, gateway);
}

/* What is left of one that could not be opened. */
static void give_up(mp_gateway *gateway) {
  if (gateway->client)
    moonpool_close(gateway->client, on_client_closed, gateway);
  else
    on_client_closed(gateway);
}

/* open{ redis = URL or options of connect, room = options of rooms, ... } → gateway, or nil,
 * message, code. The hook `ready` is called once the connection to Redis is there, with nothing, or
 * with why it could not be made: then it is tried on. */
static int open_gateway(lua_State *L) {
  const mp_bridge *bridge = bridge_of(L);
  mp_gateway_settings settings;
  char message[400] = "";
  lua_settop(L, 1);
  mp_gateway_check_options(L, 1, bridge, &settings);
  mp_gateway **handle = new_handle(L, bridge), *gateway = *handle;
  if (!gateway) return fail(L, MOONPOOL_ENOMEM, NULL);
  mp_gateway_set_hooks(L, 1, gateway, &settings.gateway);
  int status =
      moonpool_open(&gateway->client, bridge->loop, &settings.client, message, sizeof message);
  if (!status)
    status = moonpool_gateway_open(&gateway->core, gateway->client, bridge->loop, &settings.gateway,
                                   message, sizeof message);
  if (status) {
    *handle = NULL;
    give_up(gateway);
    return fail(L, status, message);
  }
  gateway->keeps_running = 1;
  bridge->keep_running(bridge->runtime, 1);
  moonpool_ready(gateway->client, mp_gateway_on_ready, gateway);
  lua_pushvalue(L, -1);
  gateway->anchor = luaL_ref(L, LUA_REGISTRYINDEX); /* it listens, whoever has it */
  return 1;
}

static mp_gateway *check_handle(lua_State *L) {
  return *(mp_gateway **)luaL_checkudata(L, 1, gateway_name);
}

/* gateway:close([fn]) → true, however often it is called; fn is called once nothing is left. */
static int close_gateway(lua_State *L) {
  mp_gateway *gateway = check_handle(L);
  lua_settop(L, 2);
  if (gateway && gateway->core) {
    moonpool_gateway *core = gateway->core;
    if (lua_isfunction(L, 2)) gateway->on_closed = luaL_ref(L, LUA_REGISTRYINDEX);
    gateway->core = NULL;
    luaL_unref(L, LUA_REGISTRYINDEX, gateway->anchor);
    *(mp_gateway **)lua_touserdata(L, 1) = NULL;
    moonpool_gateway_close(core, on_gateway_closed, gateway);
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- methods --------------------------------------------------------------------------------- */

/* gateway:listen(address | nil, [fd]) → the address ("127.0.0.1:8080"), or nil, message, code.
 * `fd`, of bind, becomes the gateway's. */
static int listen_at(lua_State *L) {
  mp_gateway *gateway = check_handle(L);
  char message[400] = "";
  const char *address = luaL_optstring(L, 2, NULL);
  int fd = (int)luaL_optinteger(L, 3, -1);
  luaL_argcheck(L, address || fd >= 0, 2, "an address is needed");
  if (!gateway) return fail(L, MOONPOOL_ECLOSED, NULL);
  int status = moonpool_gateway_listen(gateway->core, address, fd, message, sizeof message);
  if (status) return fail(L, status, message);
  size_t n = 0;
  while (moonpool_gateway_address(gateway->core, n + 1)) n++;
  lua_pushstring(L, moonpool_gateway_address(gateway->core, n));
  return 1;
}

/* gateway:addresses() → a list; empty once it is closed */
static int addresses(lua_State *L) {
  mp_gateway *gateway = check_handle(L);
  lua_newtable(L);
  for (size_t n = 0; gateway && moonpool_gateway_address(gateway->core, n); n++) {
    lua_pushstring(L, moonpool_gateway_address(gateway->core, n));
    lua_rawseti(L, -2, (lua_Integer)n + 1);
  }
  return 1;
}

/* gateway:stats() → counters by name, or nil, message, code */
static int stats(lua_State *L) {
  mp_gateway *gateway = check_handle(L);
  moonpool_gateway_stats now;
  if (!gateway) return fail(L, MOONPOOL_ECLOSED, NULL);
  moonpool_gateway_get_stats(gateway->core, &now);
  lua_newtable(L);
#define X(name, kind, help)                                                                        \
  lua_pushinteger(L, (lua_Integer)now.name);                                                       \
  lua_setfield(L, -2, #name);
  MOONPOOL_GATEWAY_STATS(X)
#undef X
  return 1;
}

/* gateway:revoke(user[, reason]) → how many of the user's connections were closed */
static int revoke_user(lua_State *L) {
  mp_gateway *gateway = check_handle(L);
  moonpool_bytes user;
  user.data = luaL_checklstring(L, 2, &user.len);
  const char *reason = luaL_optstring(L, 3, "revoked");
  if (!gateway) return fail(L, MOONPOOL_ECLOSED, NULL);
  lua_pushinteger(L, (lua_Integer)moonpool_gateway_revoke(gateway->core, user, reason));
  return 1;
}

static void on_drained(void *ctx) {
  mp_gateway *gateway = ctx;
  mp_gateway_call(gateway, &gateway->on_drained);
}

/* gateway:drain(seconds, fn) → true: no connection is taken any more, those that are there are
 * closed within so many seconds; then fn is called. */
static int drain(lua_State *L) {
  mp_gateway *gateway = check_handle(L);
  lua_Number seconds = luaL_checknumber(L, 2);
  luaL_argcheck(L, seconds >= 0 && seconds <= 1e6, 2, "seconds are needed");
  luaL_checktype(L, 3, LUA_TFUNCTION);
  if (!gateway) return fail(L, MOONPOOL_ECLOSED, NULL);
  if (gateway->on_drained != LUA_NOREF) return luaL_error(L, "the gateway drains already");
  lua_settop(L, 3);
  gateway->on_drained = luaL_ref(L, LUA_REGISTRYINDEX);
  moonpool_gateway_drain(gateway->core, (uint64_t)(seconds * 1000), on_drained, gateway);
  lua_pushboolean(L, 1);
  return 1;
}

void mp_gateway_open_handles(lua_State *L, const mp_bridge *bridge) {
  static const luaL_Reg methods[] = {
      {"listen", listen_at}, {"addresses", addresses}, {"stats", stats}, {"revoke", revoke_user},
      {"drain", drain},      {"close", close_gateway}, {NULL, NULL}};
  luaL_newmetatable(L, gateway_name);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, close_gateway);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, close_gateway);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
  lua_pushlightuserdata(L, (void *)bridge);
  lua_pushcclosure(L, open_gateway, 1);
  lua_setfield(L, -2, "open");
}
