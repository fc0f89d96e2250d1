/* Waiting in the threads of a host. A wait is a visit: its results come onto a stack of its own,
 * and the host's thread takes them when it has been woken. */
#include "runtime.h"

#define VISITS_KEPT 64

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
  mp_hosted_push(L, rt, MP_HOST_TOKEN);
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

void mp_hosted_tell_pump(lua_State *L, mp_runtime *rt) {
  if (rt->is_pumping) mp_touch(L, rt);
}

static int take_results(lua_State *L, mp_visit *visit) {
  int n = visit->waiter.results;
  luaL_checkstack(L, n, "results of a wait");
  lua_xmove(visit->results, L, n);
  lua_settop(visit->results, 0);
  leave(visit);
  mp_hosted_tell_pump(L, visit->waiter.runtime);
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
  mp_hosted_push(L, rt, MP_HOST_WAIT);
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

void mp_hosted_set_wait(lua_State *L, mp_runtime *rt) {
  mp_push_ref(L, rt, rt->wrap_host);
  mp_hosted_push(L, rt, MP_HOST_WAIT);
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
  mp_hosted_push(L, rt, MP_HOST_WAKE);
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
