/* Tasks: coroutines that moonpool resumes, and how they wait. */
#include "runtime.h"

#include <string.h>

static const char task_name[] = "moonpool.task";

/* ---- waiting --------------------------------------------------------------------------------- */

static int is_main(lua_State *L) {
  int main = lua_pushthread(L);
  lua_pop(L, 1);
  return main;
}

static int is_task(lua_State *L, const mp_runtime *rt) {
  return rt->current && rt->current->co == L;
}

int mp_can_wait(lua_State *L, mp_runtime *rt) {
  if (rt->is_hosted) return mp_hosted_can_wait(L, rt);
  return is_task(L, rt) ? lua_isyieldable(L)
                        : is_main(L) && !rt->is_running && !rt->current && !rt->embedding;
}

/* A task inside a C function that cannot be yielded across, or the main state perhaps inside a
 * recording function. A wait that was refused any later would leave what it waits for to the next
 * one. */
static void check_recording(lua_State *L, mp_runtime *rt) {
  if (rt->is_recording && mp_is_recording(L))
    luaL_error(L, "cannot wait here: the function of a pipeline or transaction only records "
                  "commands");
}

static void check_place(lua_State *L, mp_runtime *rt) {
  check_recording(L, rt);
  if (is_task(L, rt))
    luaL_error(L, "cannot wait here: a C function has called this one, and cannot wait for it");
  rt->is_recording = 0; /* such a function has failed */
}

mp_waiter *mp_wait_begin(lua_State *L, mp_runtime *rt) {
  mp_waiter *w = NULL;
  if (rt->is_hosted) {
    check_recording(L, rt);
    return mp_hosted_begin(L, rt);
  }
  if (is_task(L, rt)) {
    if (!lua_isyieldable(L)) check_place(L, rt);
    w = &rt->current->waiter;
  } else if (is_main(L) && !rt->is_running) {
    if (rt->is_recording) check_place(L, rt);
    if (rt->embedding)
      luaL_error(L, "cannot wait here: the host runs the loop; use moonpool.spawn");
    w = &rt->main_waiter;
  } else {
    luaL_error(L, "cannot wait here: this coroutine was not started by moonpool "
                  "(use moonpool.spawn, or call from a handler)");
  }
  *w = (mp_waiter){.L = L, .runtime = rt, .task = w == &rt->main_waiter ? NULL : rt->current};
  if (w->task) return w;
  w->L = rt->parcel;
  lua_settop(w->L, 0);
  uv_update_time(&rt->loop);
  return w;
}

/* The main state runs the loop itself: what it waits for comes in the middle of calls on it, so the
 * results are kept aside until they are over. */
static int wait_on_main(lua_State *L, mp_waiter *w) {
  while (!w->is_done)
    if (!mp_turn(L, w->runtime) && !w->is_done) return mp_deadlock(L, w->runtime);
  luaL_checkstack(L, w->results, "results of a wait");
  lua_xmove(w->L, L, w->results);
  return w->results;
}

#if LUA_VERSION_NUM >= 503

/* The task goes on: its results lie on its stack, or are to be pushed here, where an error is the
 * task's own. */
static int go_on(lua_State *L, int status, lua_KContext ctx) {
  mp_waiter *w = (mp_waiter *)ctx;
  (void)status;
  return w->is_pushed_inside ? w->push(L, w->ctx) : w->results;
}

static int yield(lua_State *L, mp_waiter *w) {
  return lua_yieldk(L, 0, (lua_KContext)w, go_on);
}

#else

/* What the task is resumed with are this function's results. Its arguments, and what it has made,
 * leave the stack: they are held until the next wait. */
static int yield(lua_State *L, mp_waiter *w) {
  int n = lua_gettop(L);
  luaL_checkstack(L, 4, "a wait");
  mp_push_ref(L, w->runtime, w->task->ref);
  lua_createtable(L, n, 0);
  for (int i = 1; i <= n; i++) {
    lua_pushvalue(L, i);
    lua_rawseti(L, -2, i);
  }
  lua_setiuservalue(L, -2, 2);
  return lua_yield(L, 0);
}

#endif

int mp_wait(lua_State *L, mp_waiter *w) {
  if (w->visit) return mp_hosted_wait(L, w);
  if (!w->task) return wait_on_main(L, w);
  if (w->is_done) return w->results;
  w->is_yielded = 1;
  return yield(L, w);
}

void mp_wake_now(mp_waiter *w, int results) {
  w->results = results;
  w->is_done = 1;
  if (w->visit)
    mp_hosted_wake(w->visit);
  else if (w->is_yielded)
    mp_resume(w->task, results);
}

static void on_ready_idle(uv_idle_t *idle) {
  mp_run_ready(idle->data);
}

void mp_run_ready_soon(mp_runtime *rt) {
  if (!rt->is_closing) uv_idle_start(&rt->ready_idle, on_ready_idle);
}

void mp_wake_later(mp_waiter *w, mp_push push, void *ctx) {
  mp_runtime *rt = w->runtime;
  w->push = push;
  w->ctx = ctx;
  w->next = NULL;
  *rt->ready_tail = w;
  rt->ready_tail = &w->next;
  mp_run_ready_soon(rt);
}

/* Protected: pushes a waiter's results onto the state that runs the loop. */
static int push_results(lua_State *L) {
  mp_waiter *w = lua_touserdata(L, 1);
  lua_settop(L, 0);
  w->results = w->push(L, w->ctx);
  return w->results < 0 ? 0 : w->results;
}

void mp_wake_push(mp_waiter *w, mp_push push, void *ctx) {
  mp_runtime *rt = w->runtime;
  int base = lua_gettop(rt->L);
  w->push = push;
  w->ctx = ctx;
  w->results = 0;
  mp_protected(rt, push_results, w, LUA_MULTRET);
  if (w->results < 0) return; /* it waits on */
  int n = lua_gettop(rt->L) - base;
  if (w->L != rt->L) {
    if (!lua_checkstack(w->L, n)) lua_settop(rt->L, base), n = 0;
    lua_xmove(rt->L, w->L, n);
  }
  mp_wake_now(w, n);
}

void mp_wake_inside(mp_waiter *w, mp_push push, void *ctx) {
  if (!w->is_yielded || LUA_VERSION_NUM < 503) {
    mp_wake_push(w, push, ctx);
    return;
  }
  w->push = push;
  w->ctx = ctx;
  w->is_pushed_inside = 1;
  w->is_done = 1;
  mp_resume(w->task, 0);
}

static int push_error(lua_State *L, void *ctx) {
  return mp_fail_error(L, ctx);
}

void mp_wake_error(mp_waiter *w, const moonpool_error *error) {
  moonpool_error copy = *error;
  mp_wake_push(w, push_error, &copy);
}

void mp_run_ready(mp_runtime *rt) {
  uv_idle_stop(&rt->ready_idle);
  if (rt->failed) mp_report_failed(rt);
  if (rt->due) mp_dispatch_due(rt);
  mp_waiter *last = NULL;
  for (mp_waiter *w = rt->ready; w; w = w->next)
    last = w; /* what becomes ready now runs next turn */
  while (rt->ready && last && !rt->is_closing) {
    mp_waiter *w = rt->ready;
    int is_last = w == last;
    rt->ready = w->next;
    if (!rt->ready) rt->ready_tail = &rt->ready;
    mp_wake_push(w, w->push, w->ctx);
    if (is_last) break;
  }
}

/* ---- running --------------------------------------------------------------------------------- */

static int push_join(lua_State *L, void *ctx) {
  mp_task *task = ctx;
  if (task->is_failed) {
    mp_push_failure(L, task->co);
    return mp_fail(L, MOONPOOL_ESCRIPT, lua_tostring(L, -1));
  }
  int n = task->results;
  luaL_checkstack(L, n, "results of a task");
  luaL_checkstack(task->co, n, "results of a task");
  int first = lua_gettop(task->co) - n + 1;
  for (int i = 0; i < n; i++) lua_pushvalue(task->co, first + i); /* every joiner gets a copy */
  lua_xmove(task->co, L, n);
  return n;
}

static void let_go(mp_task *task) {
  mp_unref(task->runtime, task->ref);
  task->ref = LUA_NOREF;
}

/* It failed before spawn returned: who spawned it may still await it. */
static void report_later(mp_task *task) {
  mp_runtime *rt = task->runtime;
  task->next = NULL;
  *rt->failed_tail = task;
  rt->failed_tail = &task->next;
  mp_run_ready_soon(rt);
}

void mp_report_failed(mp_runtime *rt) {
  while (rt->failed && !rt->is_closing) {
    mp_task *task = rt->failed;
    rt->failed = task->next;
    if (!rt->failed) rt->failed_tail = &rt->failed;
    if (!task->is_awaited) mp_report(rt, task->co);
    let_go(task);
  }
}

void mp_task_end(mp_task *task, int status, int results) {
  mp_runtime *rt = task->runtime;
  task->is_ended = 1;
  task->is_failed = status != LUA_OK;
  task->results = results;
  if (task->epoch == rt->epoch) rt->active--, rt->tasks--;
  while (task->joiners) {
    mp_waiter *w = task->joiners;
    task->joiners = w->next;
    mp_wake_later(w, push_join, task);
  }
  if (task->is_failed && !task->is_awaited) {
    if (rt->current || rt->is_hosted) {
      report_later(task);
      return;
    }
    mp_report(rt, task->co);
  }
  let_go(task);
}

void mp_resume(mp_task *task, int nargs) {
  mp_runtime *rt = task->runtime;
  if (rt->is_closing) return;
  mp_task *before = rt->current;
  lua_State *from = before ? before->co : rt->L;
  int results = 0;
  task->waiter.is_yielded = 0;
  rt->current = task;
  int status = lua_resume(task->co, from, nargs, &results);
  rt->current = before;
  if (status == LUA_YIELD) {
    if (task->is_parked) return;
    if (task->waiter.is_yielded) {
      lua_pop(task->co, results);
      return;
    }
    /* A plain coroutine.yield of the program's own: there is nobody to resume it. */
    lua_pushliteral(task->co, "a task yielded, but nothing would resume it");
    status = LUA_ERRRUN;
  }
  if (task->is_dispatcher) {
    mp_report(rt, task->co);
    mp_dispatcher_failed(task);
  } else {
    mp_task_end(task, status, results);
  }
}

mp_task *mp_task_new(lua_State *L, mp_runtime *rt, int nargs) {
  mp_task *task = lua_newuserdatauv(L, sizeof *task, 2);
  *task = (mp_task){.runtime = rt, .ref = LUA_NOREF};
  luaL_setmetatable(L, task_name);
  lua_State *co = lua_newthread(L);
  task->co = co;
  lua_setiuservalue(L, -2, 1);
  lua_insert(L, -(nargs + 2));
  luaL_checkstack(co, nargs + 1, "arguments of a task");
  lua_xmove(L, co, nargs + 1);
  lua_pushvalue(L, -1);
  task->ref = mp_ref(L, rt);
  return task;
}

void mp_task_start(mp_task *task, int nargs) {
  task->epoch = task->runtime->epoch;
  task->runtime->active++;
  task->runtime->tasks++;
  if (task->runtime->is_hosted)
    mp_hosted_start(task);
  else
    mp_resume(task, nargs);
}

mp_task *mp_check_task(lua_State *L, int index) {
  return luaL_checkudata(L, index, task_name);
}

void mp_spawn(lua_State *L, mp_runtime *rt, int nargs) {
  mp_task *task = mp_task_new(L, rt, nargs);
  mp_task_start(task, nargs);
  lua_pop(L, 1);
}

/* ---- Lua ------------------------------------------------------------------------------------- */

/* moonpool.spawn(fn, ...) → task; it runs up to its first wait before spawn returns. */
static int spawn(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  int nargs = lua_gettop(L) - 1;
  mp_task *task = mp_task_new(L, mp_runtime_of(L), nargs);
  mp_task_start(task, nargs);
  return 1;
}

/* task:await() → the function's results, or nil, traceback, "ESCRIPT" */
static int task_await(lua_State *L) {
  mp_task *task = luaL_checkudata(L, 1, task_name);
  if (task->is_ended) {
    task->is_awaited = 1;
    return push_join(L, task);
  }
  mp_waiter *w = mp_wait_begin(L, task->runtime), **tail = &task->joiners;
  if (w == &task->waiter) return luaL_error(L, "a task cannot await itself");
  task->is_awaited = 1;
  while (*tail) tail = &(*tail)->next;
  *tail = w;
  return mp_wait(L, w);
}

static int task_index(lua_State *L) {
  mp_task *task = luaL_checkudata(L, 1, task_name);
  const char *key = luaL_checkstring(L, 2);
  if (strcmp(key, "is_ended") == 0) {
    lua_pushboolean(L, task->is_ended);
    return 1;
  }
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(2));
  return 1;
}

static const luaL_Reg task_methods[] = {{"await", task_await}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"spawn", spawn}, {NULL, NULL}};

void mp_open_task(lua_State *L, int runtime_index) {
  luaL_newmetatable(L, task_name);
  lua_pushvalue(L, runtime_index);
  lua_newtable(L);
  mp_set_functions(L, task_methods, runtime_index);
  lua_pushcclosure(L, task_index, 2);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  mp_set_functions(L, functions, runtime_index);
}
