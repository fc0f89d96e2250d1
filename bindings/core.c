/* moonpool.core: opens the module. */
#include "runtime.h"

static const luaL_Reg functions[] = {{"run", mp_run},   {"stop", mp_stop},         {"now", mp_now},
                                     {"time", mp_time}, {"on_error", mp_on_error}, {NULL, NULL}};

static void set_features(lua_State *L) {
  lua_createtable(L, 0, 4);
  lua_pushboolean(L, moonpool_resp_version() >= 3);
  lua_setfield(L, -2, "resp3");
  lua_pushstring(L, moonpool_hiredis_version());
  lua_setfield(L, -2, "hiredis");
  lua_pushstring(L, uv_version_string());
  lua_setfield(L, -2, "libuv");
  if (moonpool_tls_version())
    lua_pushstring(L, moonpool_tls_version());
  else
    lua_pushboolean(L, 0);
  lua_setfield(L, -2, "tls");
  lua_setfield(L, -2, "features");
}

/* The tables of methods, to which moonpool's Lua adds some. */
static void set_methods(lua_State *L) {
  static const char *const names[] = {"client", "view", "room", "rooms", NULL};
  lua_newtable(L);
  for (const char *const *name = names; *name; name++) {
    lua_pushfstring(L, "moonpool.%s", *name);
    lua_rawget(L, LUA_REGISTRYINDEX);
    if (lua_getfield(L, -1, "__index") != LUA_TTABLE) {
      lua_getupvalue(L, -1, 2);
      lua_remove(L, -2);
    }
    lua_setfield(L, -3, *name);
    lua_pop(L, 1);
  }
  lua_setfield(L, -2, "methods");
}

__attribute__((visibility("default"))) int luaopen_moonpool_core(lua_State *L);

int luaopen_moonpool_core(lua_State *L) {
  lua_settop(L, 0);
  mp_runtime *rt = mp_runtime_new(L);
  mp_open_bridge(L, rt);
  mp_open_dispatch(L, rt, 1);
  mp_open_subscription(L, 1);
  mp_open_message(L, 1);
  mp_open_view(L, 1);
  mp_open_recorder(L, 1);
  mp_open_script(L, 1);
  lua_newtable(L);
  mp_set_functions(L, functions, 1);
  mp_open_task(L, 1);
  mp_open_sleep(L, 1);
  mp_open_timer(L, 1);
  mp_open_client(L, 1);
  mp_open_session(L, 1);
  mp_open_seeing(L, 1);
  mp_open_room(L, 1);
#if LUA_VERSION_NUM >= 504
  mp_open_isolate(L, 1);
#endif
  mp_open_pool(L, 1);
  mp_open_hosted(L, 1);
  set_methods(L);
  mp_open_reply(L);
  mp_open_json(L);
  lua_setfield(L, -2, "json");
  lua_pushvalue(L, 1);
  mp_open_system(L);
  lua_setfield(L, -2, "system");
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  lua_pushliteral(L, MOONPOOL_VERSION);
  lua_setfield(L, -2, "version");
  set_features(L);
  return 1;
}
