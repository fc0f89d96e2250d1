/* A runtime that another program's loop polls: moonpool.pool. Its descriptor is that of the private
 * loop (epoll, kqueue): readable when there is something to do, as long as nothing was asked of
 * moonpool since its last step. Whatever is asked outside of a step therefore wakes a handle in the
 * loop, which is readable until the next step. It keeps its reference: without one, a loop that has
 * nothing else neither polls nor says how long it may sleep. */
#include "runtime.h"

#include <stdlib.h>

/* ---- the handle ------------------------------------------------------------------------------ */

static void on_woken(uv_async_t *waker) {
  (void)waker; /* the step that it brought about is all */
}

static void free_waker(uv_handle_t *waker) {
  free(waker);
}

void mp_be_polled(lua_State *L, mp_runtime *rt) {
  if (rt->waker) return;
  uv_async_t *waker = malloc(sizeof *waker);
  if (!waker) luaL_error(L, "moonpool: no memory");
  int status = uv_async_init(&rt->loop, waker, on_woken);
  if (status != 0) {
    free(waker);
    luaL_error(L, "moonpool: cannot be polled: %s", uv_strerror(status));
  }
  rt->waker = waker;
  rt->is_touched = 1;
}

void mp_end_polling(mp_runtime *rt) {
  if (rt->waker) uv_close((uv_handle_t *)rt->waker, free_waker);
  rt->waker = NULL;
}

void mp_touched(lua_State *L, mp_runtime *rt) {
  if (rt->is_hosted) mp_hosted_pump(L, rt); /* it may raise: nothing has been touched then */
  rt->is_touched = 1;
  uv_async_send(rt->waker);
  if (rt->embedding) mp_embedding_touched(rt->embedding);
}

/* ---- stepping -------------------------------------------------------------------------------- */

void mp_step(lua_State *L, mp_runtime *rt) {
  lua_State *before = rt->L;
  if (rt->is_hosted) mp_hosted_end_drain(rt);
  rt->L = L;
  rt->is_touched = 0;
  rt->is_running = 1;
  uv_update_time(&rt->loop);
  uv_run(&rt->loop, UV_RUN_NOWAIT);
  rt->is_running = 0;
  rt->L = before;
}

int mp_is_active(const mp_runtime *rt) {
  return rt->active > 0 || rt->visits > 0 || rt->ready || rt->failed || rt->is_touched ||
         mp_hosted_has_work(rt);
}

/* ---- Lua ------------------------------------------------------------------------------------- */

/* The runtime, which from now on is polled. Calling what tells about it does not touch it. */
static mp_runtime *pool_of(lua_State *L) {
  mp_runtime *rt = lua_touserdata(L, lua_upvalueindex(1));
  mp_be_polled(L, rt);
  return rt;
}

/* pool:pollfd() → the descriptor, the same as long as the pool is open */
static int pollfd(lua_State *L) {
  lua_pushinteger(L, uv_backend_fd(&pool_of(L)->loop));
  return 1;
}

/* pool:events() → "r": what the descriptor is to be polled for */
static int events(lua_State *L) {
  pool_of(L);
  lua_pushliteral(L, "r");
  return 1;
}

/* pool:timeout() → after how many seconds a step is due without the descriptor; nil: never */
static int timeout(lua_State *L) {
  mp_runtime *rt = pool_of(L);
  int ms = 0;
  if (!rt->is_touched && !rt->ready && !mp_hosted_has_work(rt)) {
    uv_update_time(&rt->loop);
    ms = uv_backend_timeout(&rt->loop);
  }
  if (ms < 0) return 0;
  lua_pushnumber(L, ms / 1000.0);
  return 1;
}

/* pool:step() → true, or false when nothing is left that could happen by itself, or after stop */
static int step(lua_State *L) {
  mp_runtime *rt = pool_of(L);
  if (rt->is_running || rt->current)
    return luaL_error(L, "pool:step was called from inside of a step, by a handler or task");
  if (rt->is_hosted) return luaL_error(L, "pool:step is called by the host that was installed");
  mp_step(L, rt);
  lua_pushboolean(L, mp_is_active(rt) && !rt->is_stopped);
  rt->is_stopped = 0;
  return 1;
}

/* pool:is_active() → boolean, as step returned it */
static int is_active(lua_State *L) {
  const mp_runtime *rt = pool_of(L);
  lua_pushboolean(L, mp_is_active(rt) && !rt->is_stopped);
  return 1;
}

/* Every client that is open. */
static void close_clients(lua_State *L, mp_runtime *rt) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->clients);
  lua_newtable(L); /* of their own: closing may collect */
  int n = 0;
  for (lua_pushnil(L); lua_next(L, -3);) lua_rawseti(L, -3, ++n);
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, i);
    lua_getfield(L, -1, "close");
    lua_insert(L, -2);
    lua_call(L, 1, 0);
  }
  lua_pop(L, 2);
}

/* pool:close() → true. Closes all clients, which ends what waits for them with ECLOSED, and lets go
 * of the handle that wakes whoever polls. What is called later begins anew. */
static int close_pool(lua_State *L) {
  mp_runtime *rt = lua_touserdata(L, lua_upvalueindex(1));
  if (rt->is_running || rt->current)
    return luaL_error(L, "pool:close was called from inside of a step");
  close_clients(L, rt);
  if (!rt->is_hosted) mp_end_polling(rt);
  for (int turns = 0; turns < 8; turns++) mp_step(L, rt); /* what is closing closes */
  lua_pushboolean(L, 1);
  return 1;
}

static const luaL_Reg methods[] = {
    {"pollfd", pollfd}, {"events", events},    {"timeout", timeout},     {"step", step},
    {"stop", mp_stop},  {"close", close_pool}, {"is_active", is_active}, {NULL, NULL}};

void mp_open_pool(lua_State *L, int runtime_index) {
  lua_newtable(L);
  mp_set_functions(L, methods, runtime_index);
  lua_setfield(L, -2, "pool");
}
