/* Tasks and handlers in the threads of a host: coroutines that somebody else resumes (cqueues,
 * luv), or fibers (Tarantool). moonpool.hosted, in Lua, knows how one is started, waits and is
 * woken; this file calls it, and visit.c, where they wait.
 *
 * The pump, a thread of the host's or a callback of its loop, polls and steps. What a step has read
 * is left unread until a dispatcher, a thread of the host's, takes it between two steps; a handler
 * that waits keeps its dispatcher, and the pump finds the drain begun and not ended: it ends it,
 * and what is left is another dispatcher's. */
#include "handles.h"

#define MANY 32 /* messages taken since a step: it is worth to look for more */

static const char *const host_functions[MP_HOST_FUNCTIONS] = {"token", "wait", "wake", "start",
                                                              "pump"};

void mp_hosted_push(lua_State *L, mp_runtime *rt, mp_host_function which) {
  mp_push_ref(L, rt, rt->host[which]);
}

/* ---- tasks ----------------------------------------------------------------------------------- */

static int start(lua_State *L) {
  mp_task *task = lua_touserdata(L, 1);
  mp_hosted_push(L, task->runtime, MP_HOST_START);
  mp_push_ref(L, task->runtime, task->ref);
  lua_call(L, 1, 0);
  return 0;
}

void mp_hosted_start(mp_task *task) {
  mp_protected(task->runtime, start, task, 0);
}

/* hosted.take(task) → its function and arguments */
static int take(lua_State *L) {
  mp_task *task = mp_check_task(L, 1);
  int n = lua_gettop(task->co);
  luaL_checkstack(L, n, "arguments of a task");
  lua_xmove(task->co, L, n);
  return n;
}

/* hosted.finish(task, true, results…), or (task, false, traceback) */
static int finish(lua_State *L) {
  mp_task *task = mp_check_task(L, 1);
  int is_ok = lua_toboolean(L, 2), n = lua_gettop(L) - 2;
  if (!lua_checkstack(task->co, n + 2)) return luaL_error(L, "moonpool: too many results");
  mp_hosted_tell_pump(L, task->runtime);
  lua_xmove(L, task->co, n);
  mp_task_end(task, is_ok ? LUA_OK : LUA_ERRRUN, is_ok ? n : 1);
  return 0;
}

/* ---- dispatchers ----------------------------------------------------------------------------- */

void mp_hosted_drain(mp_client *client) {
  mp_runtime *rt = client->runtime;
  lua_State *L = rt->L;
  if (client->undrained_ref != LUA_NOREF || rt->is_closing || !lua_checkstack(L, 4)) return;
  mp_push_client(L, client);
  client->undrained_ref = mp_ref(L, rt);
  client->undrained_next = NULL;
  *rt->undrained_tail = client;
  rt->undrained_tail = &client->undrained_next;
}

static void forget_first(mp_runtime *rt) {
  mp_client *client = rt->undrained;
  int ref = client->undrained_ref;
  rt->undrained = client->undrained_next;
  if (!rt->undrained) rt->undrained_tail = &rt->undrained;
  client->undrained_ref = LUA_NOREF;
  mp_unref(rt, ref);
}

void mp_hosted_end_drain(mp_runtime *rt) {
  if (!rt->drainer) return;
  rt->drainer = NULL;
  rt->draining = NULL;
  if (rt->undrained->core) moonpool_end_drain(rt->undrained->core);
}

int mp_hosted_has_work(const mp_runtime *rt) {
  return rt->is_hosted && (rt->undrained || rt->due);
}

static int next_of_undrained(lua_State *L, mp_runtime *rt, mp_task *d) {
  while (rt->undrained && (!rt->drainer || rt->drainer == d)) {
    mp_client *client = rt->undrained;
    if (!rt->drainer && client->core && moonpool_begin_drain(client->core)) rt->drainer = d;
    if (rt->drainer) {
      rt->draining = client;
      int n = mp_next_of_read(L, rt, d);
      if (n > 0) return n;
      mp_hosted_end_drain(rt);
    }
    forget_first(rt);
  }
  return 0;
}

static int next_of_due(lua_State *L, mp_runtime *rt, mp_task *d) {
  while (rt->due) {
    mp_sub *sub = rt->due;
    rt->due = sub->mailbox->due_next;
    if (!rt->due) rt->due_tail = &rt->due;
    d->sub = sub;
    int n = mp_next_letter(L, d);
    if (n > 0) return n;
  }
  return 0;
}

/* next() → a handler and its arguments; nothing when there is nothing to do. Called once a message,
 * it has its dispatcher as an upvalue. */
static int next(lua_State *L) {
  mp_task *d = lua_touserdata(L, lua_upvalueindex(3));
  mp_runtime *rt = d->runtime;
  int n;
  lua_settop(L, 0);
  if ((n = mp_next_letter(L, d)) > 0) return n;
  rt->taken++;
  if (rt->drainer == d && (n = mp_next_of_read(L, rt, d)) > 0) return n;
  if ((n = next_of_undrained(L, rt, d)) > 0) return n;
  return next_of_due(L, rt, d);
}

/* hosted.dispatcher() → a dispatcher, its next */
static int dispatcher(lua_State *L) {
  mp_runtime *rt = lua_touserdata(L, lua_upvalueindex(1));
  lua_pushnil(L);
  mp_task *d = mp_task_new(L, rt, 0);
  d->is_dispatcher = 1;
  mp_unref(rt, d->ref);
  d->ref = LUA_NOREF;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->values);
  lua_pushvalue(L, -3);
  lua_pushcclosure(L, next, 3);
  return 2;
}

/* hosted.failed(dispatcher, traceback): the handler that next has returned has failed */
static int failed(lua_State *L) {
  mp_task *d = mp_check_task(L, 1);
  luaL_checkstring(L, 2);
  lua_settop(L, 2);
  lua_xmove(L, d->co, 1);
  mp_report(d->runtime, d->co);
  lua_settop(d->co, 0);
  if (d->runtime->drainer == d) mp_hosted_end_drain(d->runtime);
  mp_dispatcher_failed(d);
  return 0;
}

/* ---- the host -------------------------------------------------------------------------------- */

void mp_hosted_pump(lua_State *L, mp_runtime *rt) {
  if (rt->is_pumping || rt->is_closing) return;
  luaL_checkstack(L, 4, "a host's pump");
  mp_hosted_push(L, rt, MP_HOST_PUMP);
  lua_call(L, 0, 0);
}

/* hosted.step() */
static int step(lua_State *L) {
  mp_runtime *rt = lua_touserdata(L, lua_upvalueindex(1));
  if (rt->is_running) return luaL_error(L, "moonpool: a step inside of a step");
  rt->taken = 0;
  mp_step(L, rt);
  return 0;
}

/* hosted.left() → is anything active? do messages wait for a dispatcher? were many taken since the
 * step? What one that waits has not taken is another's from now on. */
static int left(lua_State *L) {
  mp_runtime *rt = lua_touserdata(L, lua_upvalueindex(1));
  mp_hosted_end_drain(rt);
  lua_pushboolean(L, mp_is_active(rt));
  lua_pushboolean(L, mp_hosted_has_work(rt));
  lua_pushboolean(L, rt->taken >= MANY);
  return 3;
}

/* hosted.pumping(boolean): a thread of the host's polls, or none does */
static int pumping(lua_State *L) {
  mp_runtime *rt = lua_touserdata(L, lua_upvalueindex(1));
  rt->is_pumping = lua_toboolean(L, 1);
  return 0;
}

/* hosted.host { token =, wait =, wake =, start =, pump = }: from now on all wait in the host's
 * threads */
static int set_host(lua_State *L) {
  mp_runtime *rt = lua_touserdata(L, lua_upvalueindex(1));
  luaL_checktype(L, 1, LUA_TTABLE);
  if (rt->is_hosted || rt->embedding) return luaL_error(L, "moonpool has a host already");
  if (rt->is_running || rt->current)
    return luaL_error(L, "moonpool's own loop runs: a host is installed before that");
  for (int i = 0; i < MP_HOST_FUNCTIONS; i++) {
    lua_getfield(L, 1, host_functions[i]);
    luaL_argcheck(L, lua_isfunction(L, -1), 1, host_functions[i]);
    rt->host[i] = mp_ref(L, rt);
  }
#if LUA_VERSION_NUM == 501
  mp_hosted_set_wait(L, rt);
#endif
  mp_be_polled(L, rt);
  rt->L = rt->home;
  rt->is_hosted = 1;
  rt->is_touched = 0; /* the next use has the host poll */
  return 0;
}

static const luaL_Reg functions[] = {
    {"take", take},       {"finish", finish}, {"dispatcher", dispatcher},
    {"failed", failed},   {"step", step},     {"left", left},
    {"pumping", pumping}, {"host", set_host}, {NULL, NULL}};

void mp_open_hosted(lua_State *L, int runtime_index) {
  lua_newtable(L);
  mp_set_functions(L, functions, runtime_index);
  lua_setfield(L, -2, "hosted");
}
