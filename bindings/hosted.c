/* Waiting, tasks and handlers in the threads of a host: coroutines that somebody else resumes
 * (cqueues, luv), or fibers (Tarantool). moonpool.hosted, in Lua, knows how one is started, waits
 * and is woken; this file calls it.
 *
 * A wait is a visit: its results come onto a stack of its own, and the host's thread takes them
 * when it has been woken. The pump, a thread of the host's or a callback of its loop, polls and
 * steps. What a step has read is left unread until a dispatcher, a thread of the host's, takes it
 * between two steps; a handler that waits keeps its dispatcher, and the pump finds the drain begun
 * and not ended: it ends it, and what is left is another dispatcher's. */
#include "handles.h"

#define VISITS_KEPT 64
#define MANY 32 /* messages */

enum { HOST_TOKEN, HOST_WAIT, HOST_WAKE, HOST_START, HOST_PUMP, HOST_FUNCTIONS };
static const char *const host_functions[HOST_FUNCTIONS] = {"token", "wait", "wake", "start",
                                                           "pump"};

struct mp_visit {
  mp_waiter waiter;
  mp_visit *next;     /* in the list of those that are idle */
  lua_State *results; /* a thread */
  lua_State *co;      /* that waits; NULL: none does */
#if LUA_VERSION_NUM >= 503
  const void *function; /* of moonpool's, that it waits in */
#else
  int kept; /* so many arguments of the function it waits in, and that, are below its results */
#endif
  int ref;   /* what anchors it */
  int token; /* the host's, a reference */
};

static void push_function(lua_State *L, mp_runtime *rt, int which) {
  mp_push_ref(L, rt, rt->host[which]);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static mp_visit *new_visit(lua_State *L, mp_runtime *rt) {
  mp_visit *visit = lua_newuserdatauv(L, sizeof *visit, 1);
  *visit = (mp_visit){.token = LUA_NOREF};
  visit->results = lua_newthread(L);
  lua_setiuservalue(L, -2, 1);
  visit->ref = mp_ref(L, rt);
  return visit;
}

/* The host cannot see by itself whether the caller can yield: it is called by C. */
static void push_token(lua_State *L, mp_runtime *rt) {
  push_function(L, rt, HOST_TOKEN);
  lua_pushboolean(L, lua_isyieldable(L));
}

int mp_hosted_can_wait(lua_State *L, mp_runtime *rt) {
  push_token(L, rt);
  int can = lua_pcall(L, 1, 1, 0) == LUA_OK;
  lua_pop(L, 1);
  return can;
}

mp_waiter *mp_hosted_begin(lua_State *L, mp_runtime *rt) {
  luaL_checkstack(L, LUA_MINSTACK, "a wait");
  mp_touch(L, rt); /* methods of handles come here, too, that look for no runtime */
  push_token(L, rt);
  lua_call(L, 1, 1);
  mp_visit *visit = rt->begun; /* for something that failed at once */
  if (!visit) {
    visit = rt->idle;
    if (visit)
      rt->idle = visit->next, rt->idle_visits--;
    else
      visit = new_visit(L, rt);
  }
  rt->begun = visit;
  mp_unref(rt, visit->token);
  visit->token = mp_ref(L, rt);
  lua_settop(visit->results, 0);
  visit->waiter = (mp_waiter){.L = visit->results, .runtime = rt, .visit = visit};
  uv_update_time(&rt->loop);
  return &visit->waiter;
}

/* The visit is over. */
static void leave(mp_visit *visit) {
  mp_runtime *rt = visit->waiter.runtime;
  if (visit->co) rt->visits--;
  visit->co = NULL;
  mp_unref(rt, visit->token);
  visit->token = LUA_NOREF;
  if (rt->idle_visits < VISITS_KEPT) {
    visit->next = rt->idle;
    rt->idle = visit;
    rt->idle_visits++;
    return;
  }
  int ref = visit->ref;
  visit->ref = LUA_NOREF;
  mp_unref(rt, ref);
}

/* A host may resume what it was told to wake after the step that did so, when its pump polls again:
 * what ended meanwhile may have been the last thing that was active. */
static void tell_pump(lua_State *L, mp_runtime *rt) {
  if (rt->is_pumping) mp_touch(L, rt);
}

static int take_results(lua_State *L, mp_visit *visit) {
  int n = visit->waiter.results;
  luaL_checkstack(L, n, "results of a wait");
  lua_xmove(visit->results, L, n);
  lua_settop(visit->results, 0);
  leave(visit);
  tell_pump(L, visit->waiter.runtime);
  return n;
}

static int wait_on(lua_State *L, mp_visit *visit);

#if LUA_VERSION_NUM >= 503

static int woken(lua_State *L, int status, lua_KContext ctx) {
  mp_visit *visit = (mp_visit *)ctx;
  (void)status;
  return visit->waiter.is_done ? take_results(L, visit) : wait_on(L, visit);
}

static int wait_on(lua_State *L, mp_visit *visit) {
  mp_runtime *rt = visit->waiter.runtime;
  push_function(L, rt, HOST_WAIT);
  mp_push_ref(L, rt, visit->token);
  lua_callk(L, 1, 0, (lua_KContext)visit, woken);
  return woken(L, LUA_OK, (lua_KContext)visit);
}

#else

/* No function in C can be left and entered again: the one in Lua that has called it, see mp_wrap,
 * waits in its place, and comes back with woken. */
static int wait_on(lua_State *L, mp_visit *visit) {
  lua_pushlightuserdata(L, visit->waiter.runtime->host);
  mp_push_ref(L, visit->waiter.runtime, visit->token);
  lua_pushlightuserdata(L, visit);
  return 3;
}

static int woken(lua_State *L) {
  mp_visit *visit = lua_touserdata(L, 1);
  lua_settop(L, 0);
  return visit->waiter.is_done ? take_results(L, visit) : wait_on(L, visit);
}

static const char wrap_source[] =
    "local is_waiting, woken, host = ...\n"
    "local finish\n"
    "local function wait(_, token, visit)\n"
    "  host.wait(token)\n"
    "  return finish(woken(visit))\n"
    "end\n"
    "function finish(...)\n"
    "  if (...) ~= is_waiting then return ... end\n"
    "  return wait(...)\n"
    "end\n"
    "return function(f) return function(...) return finish(f(...)) end end\n";

void mp_hosted_make_wrap(lua_State *L, mp_runtime *rt) {
  if (luaL_loadbuffer(L, wrap_source, sizeof wrap_source - 1, "=moonpool.wrap") != LUA_OK)
    lua_error(L);
  lua_pushlightuserdata(L, rt->host);
  lua_pushcfunction(L, woken);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  rt->wrap_host = mp_ref(L, rt);
  lua_call(L, 3, 1);
  rt->wrap = mp_ref(L, rt);
}

static void set_wait(lua_State *L, mp_runtime *rt) {
  mp_push_ref(L, rt, rt->wrap_host);
  push_function(L, rt, HOST_WAIT);
  lua_setfield(L, -2, "wait");
  lua_pop(L, 1);
}

#endif

/* Notes what waits: by mp_hosted_call it can be called again. */
static void note_call(lua_State *L, mp_visit *visit) {
  lua_Debug frame;
#if LUA_VERSION_NUM >= 503
  visit->function = NULL;
  if (!lua_getstack(L, 0, &frame) || !lua_getinfo(L, "f", &frame)) return;
  visit->function = lua_topointer(L, -1);
  lua_pop(L, 1);
#else
  visit->kept = lua_gettop(L);
  luaL_checkstack(L, 1, "a wait");
  luaL_checkstack(visit->results, visit->kept + LUA_MINSTACK, "a wait");
  if (!lua_getstack(L, 0, &frame) || !lua_getinfo(L, "f", &frame)) lua_pushnil(L);
  lua_xmove(L, visit->results, visit->kept + 1);
#endif
}

int mp_hosted_wait(lua_State *L, mp_waiter *w) {
  mp_visit *visit = w->visit;
  w->runtime->begun = NULL;
  if (w->is_done) return take_results(L, visit);
  w->runtime->visits++;
  visit->co = L;
  note_call(L, visit);
  return wait_on(L, visit);
}

static int wake(lua_State *L) {
  mp_visit *visit = lua_touserdata(L, 1);
  mp_runtime *rt = visit->waiter.runtime;
  push_function(L, rt, HOST_WAKE);
  mp_push_ref(L, rt, visit->token);
  lua_call(L, 1, 0);
  return 0;
}

void mp_hosted_wake(mp_visit *visit) {
  mp_runtime *rt = visit->waiter.runtime;
  if (visit->co && !rt->is_closing) mp_protected(rt, wake, visit, 0); /* else it need not wait */
}

#if LUA_VERSION_NUM >= 503

lua_State *mp_hosted_call(const mp_visit *visit) {
  lua_State *co = visit->co, *copy = visit->results;
  lua_Debug frame;
  int is_found = 0;
  if (!co || !visit->function || !lua_checkstack(co, 2)) return NULL;
  for (int level = 0; !is_found && lua_getstack(co, level, &frame); level++) {
    lua_getinfo(co, "f", &frame);
    is_found = lua_topointer(co, -1) == visit->function;
    lua_pop(co, 1);
  }
  if (!is_found) return NULL;
  lua_settop(copy, 0);
  for (int n = 1; lua_getlocal(co, &frame, n); n++) {
    if (!lua_checkstack(copy, LUA_MINSTACK)) return NULL;
    lua_xmove(co, copy, 1);
  }
  lua_getinfo(co, "f", &frame);
  lua_xmove(co, copy, 1);
  return copy;
}

#else

lua_State *mp_hosted_call(const mp_visit *visit) {
  lua_State *from = visit->results, *copy = visit->waiter.runtime->home;
  if (!visit->co || !lua_checkstack(from, 1)) return NULL;
  lua_settop(copy, 0);
  if (!lua_checkstack(copy, visit->kept + LUA_MINSTACK)) return NULL;
  for (int i = 1; i <= visit->kept + 1; i++) {
    lua_pushvalue(from, i);
    lua_xmove(from, copy, 1);
  }
  return copy;
}

#endif

/* ---- tasks ----------------------------------------------------------------------------------- */

static int start(lua_State *L) {
  mp_task *task = lua_touserdata(L, 1);
  push_function(L, task->runtime, HOST_START);
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
  tell_pump(L, task->runtime);
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
  push_function(L, rt, HOST_PUMP);
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
  for (int i = 0; i < HOST_FUNCTIONS; i++) {
    lua_getfield(L, 1, host_functions[i]);
    luaL_argcheck(L, lua_isfunction(L, -1), 1, host_functions[i]);
    rt->host[i] = mp_ref(L, rt);
  }
#if LUA_VERSION_NUM == 501
  set_wait(L, rt);
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
