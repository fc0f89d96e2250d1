/* system.signal(name, fn): calls a function, in a task of its own, whenever the process gets a
 * signal. An open handle does not keep moonpool.run from returning; it is anchored until closed. */
#include "runtime.h"
#include "system.h"

#include <stdlib.h>

#define SIGNAL_TYPE "moonpool.system.signal"

typedef struct signal_handle {
  uv_signal_t uv;
  mp_runtime *runtime;
  int self, function; /* references that last until it is closed */
} signal_handle;

static void free_handle(uv_handle_t *handle) {
  free(handle->data);
}

static signal_handle **check_box(lua_State *L) {
  return luaL_checkudata(L, 1, SIGNAL_TYPE);
}

/* signal:close() → true, however often it is called. The signal does again what it did before. */
static int signal_close(lua_State *L) {
  signal_handle **box = check_box(L), *handle = *box;
  lua_pushboolean(L, 1);
  if (!handle) return 1;
  *box = NULL;
  mp_unref(handle->runtime, handle->function);
  mp_unref(handle->runtime, handle->self);
  uv_close((uv_handle_t *)&handle->uv, free_handle);
  return 1;
}

/* Protected, on the state that runs the loop. */
static int spawn_function(lua_State *L) {
  signal_handle *handle = lua_touserdata(L, 1);
  mp_push_ref(L, handle->runtime, handle->function);
  mp_spawn(L, handle->runtime, 0);
  return 0;
}

static void on_signal(uv_signal_t *uv, int number) {
  signal_handle *handle = uv->data;
  (void)number;
  mp_protected(handle->runtime, spawn_function, handle, 0);
}

static void push_metatable(lua_State *L) {
  static const luaL_Reg methods[] = {{"close", signal_close}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
      {"__gc", signal_close}, {"__close", signal_close}, {NULL, NULL}};
  if (!luaL_newmetatable(L, SIGNAL_TYPE)) return;
  luaL_setfuncs(L, metamethods, 0);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
}

/* 0, or a libuv error; then nothing is left. */
static int start(mp_runtime *runtime, int number, signal_handle **out) {
  signal_handle *handle = calloc(1, sizeof *handle);
  if (!handle) return UV_ENOMEM;
  handle->runtime = runtime;
  handle->self = handle->function = LUA_NOREF;
  handle->uv.data = handle;
  int status = uv_signal_init(&runtime->loop, &handle->uv);
  if (status < 0) {
    free(handle);
    return status;
  }
  status = uv_signal_start(&handle->uv, on_signal, number);
  if (status < 0) {
    uv_close((uv_handle_t *)&handle->uv, free_handle);
    return status;
  }
  *out = handle;
  return 0;
}

int mp_signal_open(lua_State *L) {
  mp_runtime *runtime = mp_runtime_of(L);
  int number = mp_system_check_signal(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  signal_handle **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  push_metatable(L);
  lua_setmetatable(L, -2);
  int status = start(runtime, number, box);
  if (status < 0) return mp_system_fail(L, -status, "watch", lua_tostring(L, 1));
  lua_pushvalue(L, 2);
  (*box)->function = mp_ref(L, runtime);
  lua_pushvalue(L, -1);
  (*box)->self = mp_ref(L, runtime);
  return 1;
}
