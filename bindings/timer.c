/* Repeating timers. Each call of the function is a task; while one still runs, ticks are skipped.
 */
#include "runtime.h"

#include <stdlib.h>

static const char timer_name[] = "moonpool.timer";

typedef struct mp_timer mp_timer;

/* libuv's part outlives the userdata until libuv lets go of it. */
typedef struct ticker {
  uv_timer_t timer;
  mp_timer *owner;
} ticker;

struct mp_timer {
  mp_runtime *runtime;
  ticker *ticker; /* NULL: closed */
  mp_task *task;  /* of the last tick */
  int ref, handler, task_ref;
};

static int tick(lua_State *L) {
  mp_timer *t = lua_touserdata(L, 1);
  mp_runtime *rt = t->runtime;
  mp_push_ref(L, rt, t->handler);
  mp_task *task = mp_task_new(L, rt, 0);
  mp_unref(rt, t->task_ref);
  t->task = task;
  t->task_ref = mp_ref(L, rt);
  mp_task_start(task, 0);
  return 0;
}

static void on_tick(uv_timer_t *timer) {
  ticker *k = timer->data;
  mp_timer *t = k->owner;
  if (t->task && !t->task->is_ended) return;
  mp_protected(t->runtime, tick, t, 0);
}

static void free_ticker(uv_handle_t *handle) {
  free(handle->data);
}

/* timer:close() → true. A call that still runs goes on. */
static int close_timer(lua_State *L) {
  mp_timer *t = luaL_checkudata(L, 1, timer_name);
  if (t->ticker) {
    mp_touch(L, t->runtime);
    uv_close((uv_handle_t *)&t->ticker->timer, free_ticker);
    t->ticker = NULL;
    t->task = NULL;
    t->runtime->active--;
    int refs[] = {t->handler, t->task_ref, t->ref};
    t->handler = t->task_ref = t->ref = LUA_NOREF;
    for (int i = 0; i < 3; i++) mp_unref(t->runtime, refs[i]);
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* moonpool.timer(seconds, fn) → timer */
static int timer(lua_State *L) {
  mp_runtime *rt = mp_runtime_of(L);
  uint64_t ms = mp_check_seconds(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  luaL_argcheck(L, ms > 0, 1, "the interval must be above 0");
  lua_settop(L, 2);
  mp_timer *t = lua_newuserdatauv(L, sizeof *t, 0);
  *t = (mp_timer){.runtime = rt, .ref = LUA_NOREF, .handler = LUA_NOREF, .task_ref = LUA_NOREF};
  luaL_setmetatable(L, timer_name);
  ticker *k = malloc(sizeof *k);
  if (!k) return luaL_error(L, "moonpool.timer: no memory");
  uv_timer_init(&rt->loop, &k->timer);
  k->timer.data = k;
  k->owner = t;
  t->ticker = k;
  rt->active++;
  lua_pushvalue(L, 2);
  t->handler = mp_ref(L, rt);
  lua_pushvalue(L, 3);
  t->ref = mp_ref(L, rt);
  uv_update_time(&rt->loop);
  uv_timer_start(&k->timer, on_tick, ms, ms);
  return 1;
}

static const luaL_Reg methods[] = {{"close", close_timer}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"timer", timer}, {NULL, NULL}};

void mp_open_timer(lua_State *L, int runtime_index) {
  luaL_newmetatable(L, timer_name);
  lua_newtable(L);
  mp_set_functions(L, methods, runtime_index);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, close_timer);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, close_timer);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
  mp_set_functions(L, functions, runtime_index);
}
