/* A program with a Lua state and a loop of its own, beside a real Redis. */
#ifndef MP_LUA_FIXTURE_H
#define MP_LUA_FIXTURE_H

#include <dirent.h>
#include <lauxlib.h>
#include <lualib.h>
#include <moonpool_lua.h>

#include "redis_server.h"
#include "test.h"

static redis_server server;

typedef struct host {
  uv_loop_t loop;
  lua_State *L;
  uv_timer_t limit; /* ends uv_run, and the test */
  int is_late, errors;
  char error[2000]; /* the last one that the hook was given */
  moonpool_lua_options options;
} host;

static inline void on_limit(uv_timer_t *timer) {
  host *h = timer->data;
  h->is_late = 1;
  uv_stop(&h->loop);
}

static inline void on_host_error(const char *message, void *ctx) {
  host *h = ctx;
  h->errors++;
  snprintf(h->error, sizeof h->error, "%s", message);
}

/* A new state in which moonpool is open, on the host's loop. */
static inline lua_State *host_open_state(host *h) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (moonpool_lua_open(L, &h->options) != LUA_OK) {
    test_check(0, __FILE__, __LINE__, lua_tostring(L, -1));
    lua_close(L);
    return NULL;
  }
  lua_setglobal(L, "moonpool");
  lua_pushstring(L, server.url);
  lua_setglobal(L, "URL");
  return L;
}

static inline void host_prepare(host *h) {
  memset(h, 0, sizeof *h);
  uv_loop_init(&h->loop);
  uv_timer_init(&h->loop, &h->limit);
  uv_unref((uv_handle_t *)&h->limit);
  h->limit.data = h;
  uv_timer_start(&h->limit, on_limit, 60000, 0);
  moonpool_lua_options_init(&h->options);
  h->options.loop = &h->loop;
  h->options.path = TEST_LUA_FOLDER;
  h->options.on_error = on_host_error;
  h->options.ctx = h;
}

static inline void host_begin(host *h) {
  host_prepare(h);
  h->L = host_open_state(h);
}

/* What is left in the loop closes, and nothing keeps it. */
static inline void host_end(host *h) {
  if (h->L) lua_close(h->L);
  uv_close((uv_handle_t *)&h->limit, NULL);
  uv_run(&h->loop, UV_RUN_DEFAULT);
  CHECK_INT(uv_loop_close(&h->loop), 0);
  CHECK(!h->is_late);
}

/* Runs Lua's `text` on the main state; what it raises fails the test. */
static inline int host_do(lua_State *L, const char *text) {
  if (!L) return 0;
  if (luaL_dostring(L, text) == LUA_OK) {
    lua_settop(L, 0);
    return 1;
  }
  test_check(0, __FILE__, __LINE__, lua_tostring(L, -1));
  lua_settop(L, 0);
  return 0;
}

/* The global `name` as text; "nil". Owned by the state. */
static inline const char *host_get(lua_State *L, const char *name) {
  lua_getglobal(L, name);
  const char *text = luaL_tolstring(L, -1, NULL);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, name); /* keeps it */
  lua_pop(L, 2);
  return text;
}

static inline int open_descriptors(void) {
  int count = 0;
  DIR *folder = opendir("/proc/self/fd");
  if (!folder) return -1;
  while (readdir(folder)) count++;
  closedir(folder);
  return count;
}

#endif
