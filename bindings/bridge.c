/* The bridge to moonpool's other C modules. */
#include "bridge.h"

#include "room.h"

static int protect(void *runtime, lua_CFunction function, void *ctx, int results,
                   lua_State **state) {
  mp_runtime *rt = runtime;
  *state = rt->L;
  return mp_protected(rt, function, ctx, results);
}

static void keep_running(void *runtime, int by) {
  mp_runtime *rt = runtime;
  rt->active += (size_t)by;
}

static void check_options(lua_State *L, int index, moonpool_options *options) {
  mp_client client = {0}; /* what is the binding's own is of no use to others */
  mp_check_options(L, index, options, &client);
  lua_getfield(L, LUA_REGISTRYINDEX, MP_BRIDGE_KEY);
  const mp_bridge *bridge = lua_touserdata(L, -1);
  options->allocator = ((const mp_runtime *)bridge->runtime)->allocator;
  lua_pop(L, 1);
}

static void check_room_options(lua_State *L, int index, moonpool_room_options *options) {
  mp_room_handle handle = {0};
  mp_check_room_options(L, index, &handle);
  *options = handle.options;
}

void mp_open_bridge(lua_State *L, mp_runtime *rt) {
  mp_bridge *bridge = lua_newuserdatauv(L, sizeof *bridge, 0);
  *bridge = (mp_bridge){.version = MOONPOOL_VERSION,
                        .runtime = rt,
                        .loop = &rt->loop,
                        .protect = protect,
                        .keep_running = keep_running,
                        .check_options = check_options,
                        .check_room_options = check_room_options};
  lua_setfield(L, LUA_REGISTRYINDEX, MP_BRIDGE_KEY);
}
