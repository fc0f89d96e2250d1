/* moonpool in a C program's Lua state (moonpool_lua.h), and on its loop. moonpool keeps a loop of
 * its own, whose descriptor a handle in the program's loop watches: so the state can end wherever
 * the program likes, inside its own uv_run too, and no callback of the program's is ever called
 * because Lua waits for something. */
#include "bridge.h"
#include "moonpool_lua.h"
#include "runtime.h"

#include <stdlib.h>
#include <string.h>

#ifndef MP_LUA_SHARE_DIR
#define MP_LUA_SHARE_DIR ""
#endif

/* ---- on the program's loop ------------------------------------------------------------------- */

/* Outlives the runtime until libuv has let go of both handles. */
struct mp_embedding {
  uv_poll_t poll;   /* of the runtime's loop; keeps the program's loop going, or not */
  uv_timer_t timer; /* when the runtime's next timer is due */
  mp_runtime *runtime;
  int handles; /* that libuv has */
};

static void arrange(mp_embedding *e) {
  const mp_runtime *rt = e->runtime;
  int is_kept = mp_is_active(rt) && !rt->is_stopped;
  (is_kept ? uv_ref : uv_unref)((uv_handle_t *)&e->poll);
}

static void on_due(uv_timer_t *timer);

/* Everything that is due now, then when to come again. */
static void step(mp_embedding *e) {
  mp_runtime *rt = e->runtime;
  if (!rt || rt->is_running || rt->current) return;
  mp_step(rt->home, rt);
  uv_update_time(&rt->loop);
  int ms = rt->ready ? 0 : uv_backend_timeout(&rt->loop);
  if (ms < 0)
    uv_timer_stop(&e->timer);
  else
    uv_timer_start(&e->timer, on_due, (uint64_t)ms, 0);
  arrange(e);
}

static void on_due(uv_timer_t *timer) {
  step(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  step(poll->data);
}

static void on_closed(uv_handle_t *handle) {
  mp_embedding *e = handle->data;
  if (--e->handles == 0) free(e);
}

void mp_embedding_touched(mp_embedding *e) {
  uv_ref((uv_handle_t *)&e->poll);
}

void mp_embedding_end(mp_embedding *e) {
  if (!e) return;
  e->runtime->embedding = NULL;
  e->runtime = NULL;
  uv_close((uv_handle_t *)&e->poll, on_closed);
  uv_close((uv_handle_t *)&e->timer, on_closed);
}

/* Raises where there is no memory, or no descriptor. */
static void embed(lua_State *L, mp_runtime *rt, uv_loop_t *loop) {
  mp_be_polled(L, rt);
  mp_embedding *e = calloc(1, sizeof *e);
  if (!e) luaL_error(L, "moonpool: no memory");
  int status = uv_poll_init(loop, &e->poll, uv_backend_fd(&rt->loop));
  if (status != 0) {
    free(e);
    luaL_error(L, "moonpool: the loop cannot watch moonpool's: %s", uv_strerror(status));
  }
  uv_timer_init(loop, &e->timer);
  uv_unref((uv_handle_t *)&e->timer);
  e->handles = 2;
  e->poll.data = e->timer.data = e;
  e->runtime = rt;
  rt->embedding = e;
  rt->L = rt->home;
  uv_poll_start(&e->poll, UV_READABLE, on_poll);
  step(e); /* has the descriptor know of the handle that wakes it; nothing else is there yet */
}

/* ---- opening --------------------------------------------------------------------------------- */

typedef struct host_hook {
  moonpool_lua_error_cb call;
  void *ctx;
} host_hook;

static int call_host_hook(lua_State *L) {
  const host_hook *hook = lua_touserdata(L, lua_upvalueindex(1));
  hook->call(lua_tostring(L, 1), hook->ctx);
  return 0;
}

static void set_hook(lua_State *L, mp_runtime *rt, const moonpool_lua_options *options) {
  host_hook *hook = lua_newuserdatauv(L, sizeof *hook, 0);
  *hook = (host_hook){options->on_error, options->ctx};
  lua_pushcclosure(L, call_host_hook, 1);
  rt->hook = mp_ref(L, rt);
}

/* Where require looks: `folder` in front of, or behind, what package.path has. */
static void add_path(lua_State *L, const char *folder, int is_first) {
  lua_getglobal(L, "package");
  lua_pushfstring(L, "%s/?.lua;%s/?/init.lua", folder, folder);
  lua_getfield(L, -2, "path");
  if (is_first)
    lua_pushfstring(L, "%s;%s", lua_tostring(L, -2), lua_tostring(L, -1));
  else
    lua_pushfstring(L, "%s;%s", lua_tostring(L, -1), lua_tostring(L, -2));
  lua_setfield(L, -4, "path");
  lua_pop(L, 3);
}

/* Does require find moonpool's Lua files? */
static int is_found(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchpath");
  lua_pushliteral(L, "moonpool.rooms"); /* one of the library's files */
  lua_getfield(L, -3, "path");
  lua_call(L, 2, 1);
  int found = !lua_isnil(L, -1);
  lua_pop(L, 2);
  return found;
}

__attribute__((visibility("default"))) int luaopen_moonpool_core(lua_State *L);

static mp_runtime *open_core(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushcfunction(L, luaopen_moonpool_core);
  lua_pushliteral(L, "moonpool.core");
  lua_call(L, 1, 1);
  lua_setfield(L, -2, "moonpool.core");
  lua_pop(L, 1);
  lua_getfield(L, LUA_REGISTRYINDEX, MP_BRIDGE_KEY);
  const mp_bridge *bridge = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return bridge->runtime;
}

static void check_version(lua_State *L) {
  lua_getfield(L, -1, "version");
  const char *version = lua_tostring(L, -1);
  if (!version || strcmp(version, MOONPOOL_VERSION) != 0)
    luaL_error(L, "moonpool: the Lua files are not those of " MOONPOOL_VERSION);
  lua_pop(L, 1);
}

/* Protected: its argument is the options; returns the module. */
static int open_module(lua_State *L) {
  const moonpool_lua_options *options = lua_touserdata(L, 1);
  lua_getglobal(L, "require");
  if (!lua_isfunction(L, -1))
    return luaL_error(L, "moonpool: the state needs Lua's libraries (luaL_openlibs)");
  lua_getfield(L, LUA_REGISTRYINDEX, MP_BRIDGE_KEY);
  if (!lua_isnil(L, -1)) return luaL_error(L, "moonpool: it is open in this state already");
  lua_pop(L, 1);
  if (options->path)
    add_path(L, options->path, 1);
  else if (!is_found(L))
    add_path(L, MP_LUA_SHARE_DIR, 0);
  mp_runtime *rt = open_core(L);
  rt->allocator = options->allocator;
  if (options->loop) embed(L, rt, options->loop);
  if (options->on_error) set_hook(L, rt, options);
  lua_pushliteral(L, "moonpool");
  lua_call(L, 1, 1);
  check_version(L);
  return 1;
}

void moonpool_lua_options_init(moonpool_lua_options *options) {
  *options = (moonpool_lua_options){0};
}

int moonpool_lua_open(lua_State *L, const moonpool_lua_options *options) {
  static const moonpool_lua_options defaults;
  lua_pushcfunction(L, open_module);
  lua_pushlightuserdata(L, (void *)(options ? options : &defaults));
  return lua_pcall(L, 1, 1, 0);
}

int moonpool_lua_is_active(lua_State *L) {
  if (!lua_checkstack(L, 2)) return 0;
  lua_pushliteral(L, MP_BRIDGE_KEY);
  lua_rawget(L, LUA_REGISTRYINDEX);
  const mp_bridge *bridge = lua_touserdata(L, -1);
  lua_pop(L, 1);
  const mp_runtime *rt = bridge ? bridge->runtime : NULL;
  return rt && mp_is_active(rt) && !rt->is_stopped;
}
