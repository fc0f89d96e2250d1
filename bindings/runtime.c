/* The runtime of one lua_State: its loop, its table of values, and run. */
#include "runtime.h"

#include <math.h>

static const char runtime_name[] = "moonpool.runtime";

/* ---- references ------------------------------------------------------------------------------ */

int mp_ref(lua_State *L, mp_runtime *rt) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->values);
  lua_insert(L, -2);
  int ref = luaL_ref(L, -2);
  lua_pop(L, 1);
  return ref;
}

void mp_unref(mp_runtime *rt, int ref) {
  if (ref == LUA_NOREF || ref == LUA_REFNIL || rt->is_closing) return;
  if (!lua_checkstack(rt->L, 2)) return; /* no memory: the value stays until the state ends */
  lua_rawgeti(rt->L, LUA_REGISTRYINDEX, rt->values);
  luaL_unref(rt->L, -1, ref);
  lua_pop(rt->L, 1);
}

void mp_push_ref(lua_State *L, mp_runtime *rt, int ref) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->values);
  lua_rawgeti(L, -1, ref);
  lua_remove(L, -2);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void close_handle(uv_handle_t *handle, void *arg) {
  (void)arg;
  if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

/* The state ends: every handle of Lua's has been finalised by now (they are younger), so that what
 * is left are closes under way, and handles that close with the loop. No Lua runs any more. */
static int runtime_gc(lua_State *L) {
  mp_runtime *rt = lua_touserdata(L, 1);
  if (rt->is_closing) return 0;
  rt->is_closing = 1;
  close_handle((uv_handle_t *)&rt->ready_idle, NULL);
  mp_embedding_end(rt->embedding);
  mp_end_polling(rt);
  mp_end_naps(rt);
  while (uv_run(&rt->loop, UV_RUN_NOWAIT) != 0) continue;
  uv_walk(&rt->loop, close_handle, NULL);
  uv_run(&rt->loop, UV_RUN_DEFAULT);
  uv_loop_close(&rt->loop);
  return 0;
}

mp_runtime *mp_runtime_new(lua_State *L) {
  mp_runtime *rt = lua_newuserdatauv(L, sizeof *rt, 0);
  *rt = (mp_runtime){.L = L, .hook = LUA_NOREF, .dispatch = LUA_NOREF};
  rt->is_closing = 1; /* until the loop is there */
  luaL_newmetatable(L, runtime_name);
  lua_pushcfunction(L, runtime_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_newtable(L);
  rt->values = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  rt->clients = luaL_ref(L, LUA_REGISTRYINDEX);
  rt->parcel = lua_newthread(L);
  luaL_ref(L, LUA_REGISTRYINDEX);
  rt->home = lua_newthread(L);
  luaL_ref(L, LUA_REGISTRYINDEX);
  int status = uv_loop_init(&rt->loop);
  if (status != 0) luaL_error(L, "moonpool: no event loop: %s", uv_strerror(status));
  rt->is_closing = 0;
  rt->ready_tail = &rt->ready;
  rt->due_tail = &rt->due;
  rt->failed_tail = &rt->failed;
  rt->undrained_tail = &rt->undrained;
  uv_idle_init(&rt->loop, &rt->ready_idle);
  rt->ready_idle.data = rt;
#if LUA_VERSION_NUM == 501
  mp_hosted_make_wrap(L, rt);
#endif
  return rt;
}

mp_runtime *mp_runtime_of(lua_State *L) {
  mp_runtime *rt = lua_touserdata(L, lua_upvalueindex(1));
  if (rt) mp_touch(L, rt);
  return rt;
}

#if LUA_VERSION_NUM >= 503

void mp_wrap(lua_State *L, mp_runtime *rt) {
  (void)L, (void)rt;
}

#else

void mp_wrap(lua_State *L, mp_runtime *rt) {
  mp_push_ref(L, rt, rt->wrap);
  lua_insert(L, -2);
  lua_call(L, 1, 1);
}

#endif

void mp_set_functions(lua_State *L, const luaL_Reg *functions, int index) {
  index = lua_absindex(L, index);
  mp_runtime *rt = lua_touserdata(L, index);
  for (; functions->name; functions++) {
    lua_pushvalue(L, index);
    lua_pushcclosure(L, functions->func, 1);
    mp_wrap(L, rt);
    lua_setfield(L, -2, functions->name);
  }
}

/* ---- running --------------------------------------------------------------------------------- */

int mp_turn(lua_State *L, mp_runtime *rt) {
  lua_State *before = rt->L;
  rt->L = L;
  rt->is_running = 1;
  int is_alive = uv_run(&rt->loop, UV_RUN_ONCE);
  rt->is_running = 0;
  rt->L = before;
  return is_alive || rt->ready;
}

int mp_deadlock(lua_State *L, mp_runtime *rt) {
  rt->active -= rt->tasks; /* they would keep the next run from ending; one that wakes goes on */
  rt->tasks = 0;
  rt->epoch++;
  return luaL_error(L, "moonpool: every task waits, and nothing is left that could wake one");
}

#if LUA_VERSION_NUM >= 503

static int return_results(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return lua_gettop(L);
}

/* The loop is the host's: within a task of ours the function is called, and may wait. */
static int run_in_task(lua_State *L, const mp_runtime *rt) {
  if (!rt->current || rt->current->co != L)
    return luaL_error(L, "moonpool.run: the host runs the loop; use moonpool.spawn");
  lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, return_results);
  return lua_gettop(L);
}

#else

static int run_in_task(lua_State *L, const mp_runtime *rt) {
  (void)rt;
  return luaL_error(L, "moonpool.run: the host runs the loop; use moonpool.spawn");
}

#endif

/* moonpool.run(fn, ...) → fn's results */
int mp_run(lua_State *L) {
  mp_runtime *rt = mp_runtime_of(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  if (rt->embedding) return run_in_task(L, rt);
  if (rt->is_running || rt->current) return luaL_error(L, "moonpool.run: the loop runs already");
  int nargs = lua_gettop(L) - 1;
  lua_State *before = rt->L;
  rt->L = L;
  rt->is_stopped = 0;
  uv_update_time(&rt->loop);
  mp_task *task = mp_task_new(L, rt, nargs); /* stays on the stack: its results are there */
  task->is_awaited = 1;
  mp_task_start(task, nargs);
  int is_alive = 1;
  while (rt->active > 0 && !rt->is_stopped && !task->is_failed && is_alive)
    is_alive = mp_turn(L, rt);
  mp_report_failed(rt);
  rt->L = before;
  if (task->is_failed) {
    mp_push_failure(L, task->co);
    return lua_error(L);
  }
  if (!is_alive && rt->active > 0) return mp_deadlock(L, rt);
  if (!task->is_ended) return 0;
  luaL_checkstack(L, task->results, "results of run");
  lua_xmove(task->co, L, task->results);
  return task->results;
}

int mp_stop(lua_State *L) {
  mp_runtime *rt = mp_runtime_of(L);
  rt->is_stopped = 1;
  uv_stop(&rt->loop);
  return 0;
}

/* ---- clocks ---------------------------------------------------------------------------------- */

int mp_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)uv_hrtime() / 1e9);
  return 1;
}

int mp_time(lua_State *L) {
  uv_timeval64_t now;
  uv_gettimeofday(&now);
  lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_usec / 1e6);
  return 1;
}

uint64_t mp_check_seconds(lua_State *L, int index) {
  lua_Number seconds = luaL_checknumber(L, index);
  if (!(seconds >= 0) || seconds > 1e12)
    luaL_argerror(L, index, "seconds must be a number from 0 on");
  return (uint64_t)ceil(seconds * 1000);
}
