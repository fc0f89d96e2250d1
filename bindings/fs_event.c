/* system.watch(path, fn): calls a function, in a task of its own, when something changes in a
 * folder, or when a file does. An open handle does not keep moonpool.run from returning; it is
 * anchored until closed. */
#include "runtime.h"
#include "system.h"

#include <stdlib.h>

#define WATCH_TYPE "moonpool.system.watch"

typedef struct watch_handle {
  uv_fs_event_t uv;
  mp_runtime *runtime;
  int self, function; /* references that last until it is closed */
} watch_handle;

/* What an event is, for the protected call. */
typedef struct watch_event {
  watch_handle *handle;
  const char *name; /* NULL: unknown */
} watch_event;

static void free_handle(uv_handle_t *handle) {
  free(handle->data);
}

/* watch:close() → true, however often it is called. Events that are under way are still handled. */
static int watch_close(lua_State *L) {
  watch_handle **box = luaL_checkudata(L, 1, WATCH_TYPE), *handle = *box;
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
  watch_event *event = lua_touserdata(L, 1);
  mp_push_ref(L, event->handle->runtime, event->handle->function);
  lua_pushstring(L, event->name); /* nil for NULL */
  mp_spawn(L, event->handle->runtime, 1);
  return 0;
}

/* A failure to read events is told as an event without a name: something may have changed. */
static void on_event(uv_fs_event_t *uv, const char *name, int events, int status) {
  watch_event event = {.handle = uv->data, .name = status < 0 ? NULL : name};
  (void)events;
  mp_protected(event.handle->runtime, spawn_function, &event, 0);
}

static void push_metatable(lua_State *L) {
  static const luaL_Reg methods[] = {{"close", watch_close}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
      {"__gc", watch_close}, {"__close", watch_close}, {NULL, NULL}};
  if (!luaL_newmetatable(L, WATCH_TYPE)) return;
  luaL_setfuncs(L, metamethods, 0);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
}

/* 0, or a libuv error; then nothing is left. */
static int start(mp_runtime *runtime, const char *path, watch_handle **out) {
  watch_handle *handle = calloc(1, sizeof *handle);
  if (!handle) return UV_ENOMEM;
  handle->runtime = runtime;
  handle->self = handle->function = LUA_NOREF;
  handle->uv.data = handle;
  int status = uv_fs_event_init(&runtime->loop, &handle->uv);
  if (status < 0) {
    free(handle);
    return status;
  }
  status = uv_fs_event_start(&handle->uv, on_event, path, 0);
  if (status < 0) {
    uv_close((uv_handle_t *)&handle->uv, free_handle);
    return status;
  }
  *out = handle;
  return 0;
}

/* watch(path, fn) → handle. `fn(name)` gets the name of what has changed in the folder, of the
 * file, or of the folder itself when that was moved or removed; nil when that is not known. Files
 * in folders within the folder are not watched. A handle stays with what was at the path, wherever
 * that is moved to. */
int mp_fs_watch_open(lua_State *L) {
  mp_runtime *runtime = mp_runtime_of(L);
  const char *path = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  watch_handle **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  push_metatable(L);
  lua_setmetatable(L, -2);
  int status = start(runtime, path, box);
  if (status < 0) return mp_system_fail(L, -status, "watch", path);
  lua_pushvalue(L, 2);
  (*box)->function = mp_ref(L, runtime);
  lua_pushvalue(L, -1);
  (*box)->self = mp_ref(L, runtime);
  return 1;
}
