/* coroutine as scripts have it. Its resume knows which coroutine runs, for the watch; passes on
 * what a coroutine asks of the host, so that waiting works in them, too, and that it is paused; and
 * goes on with nothing once the isolate is killed. */
#include "isolate.h"

#include <lualib.h>

/* Bytes of the C stack. */
#define CLOSING_MAX (512u << 10)

static lua_State *check_coroutine(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "coroutine");
  return co;
}

typedef enum kind { KIND_RESUME, KIND_WRAP } kind; /* a continuation's context */

static int failed(lua_State *L, kind kind) {
  if (kind == KIND_RESUME) {
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
  }
  if (lua_type(L, -1) == LUA_TSTRING) { /* as Lua's own */
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

/* Closes a coroutine's variables, which may run functions of the script's. These may close another
 * one; Lua 5.4.4 does not count how deep that goes, since each has a count of its own. */
static int reset(lua_State *L, lua_State *co) {
  mp_isolate *isolate = mp_isolate_of(L);
  lua_State *before = isolate->running;
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  uintptr_t deep = here < isolate->stack ? isolate->stack - here : here - isolate->stack;
  if (deep > CLOSING_MAX) return luaL_error(L, "C stack overflow: coroutines close each other");
  isolate->running = co;
  int status = lua_resetthread(co);
  isolate->running = before;
  mp_isolate_check(L);
  return status;
}

static int resumed(lua_State *L, int status, lua_KContext ctx);

static int finish(lua_State *L, lua_State *co, kind kind, int status, int results) {
  mp_isolate *isolate = mp_isolate_of(L);
  if (status != LUA_OK && status != LUA_YIELD) {
    if (kind == KIND_WRAP) reset(L, co);
    lua_xmove(co, L, 1);
    return failed(L, kind);
  }
  if (!lua_checkstack(L, results + 2)) {
    isolate->is_asking = 0;
    lua_pop(co, results);
    lua_pushliteral(L, "too many results to resume");
    return failed(L, kind);
  }
  if (status == LUA_YIELD && isolate->is_asking) {
    if (!lua_isyieldable(L)) {
      isolate->is_asking = 0;
      return luaL_error(L, "cannot wait here: inside a function of Lua's library");
    }
    lua_xmove(co, L, results);
    return lua_yieldk(L, results, kind, resumed);
  }
  if (kind == KIND_RESUME) lua_pushboolean(L, 1);
  lua_xmove(co, L, results);
  return results + (kind == KIND_RESUME);
}

/* Why it cannot be resumed; NULL: it can. What lua_resume says of that it says in the coroutine,
 * where an error for want of memory has nowhere to go. */
static const char *why_not(lua_State *co) {
  lua_Debug ar;
  switch (lua_status(co)) {
  case LUA_YIELD: return NULL;
  case LUA_OK:
    if (lua_getstack(co, 0, &ar)) return "cannot resume non-suspended coroutine";
    return lua_gettop(co) ? NULL : "cannot resume dead coroutine";
  default: return "cannot resume dead coroutine";
  }
}

/* The `n` values on top of L are the coroutine's. */
static int go(lua_State *L, lua_State *co, int n, kind kind) {
  mp_isolate *isolate = mp_isolate_of(L);
  mp_isolate_check(L);
  const char *problem = why_not(co);
  if (!problem && !lua_checkstack(co, n)) problem = "too many arguments to resume";
  if (problem) {
    lua_pushstring(L, problem);
    return failed(L, kind);
  }
  lua_xmove(L, co, n);
  int results = 0, status;
  lua_State *before = isolate->running;
  do { /* once, but where L cannot be paused with it */
    isolate->is_pausing = 0;
    isolate->running = co;
    status = lua_resume(co, L, n, &results);
    isolate->running = before;
    mp_isolate_check(L);
    n = 0;
  } while (isolate->is_pausing && !lua_isyieldable(L));
  if (isolate->is_pausing) return lua_yieldk(L, 0, kind, resumed);
  return finish(L, co, kind, status, results);
}

/* The host has answered, or lets it go on: on with the coroutine that had asked, or was paused. */
static int resumed(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  if (ctx == KIND_RESUME) return go(L, lua_tothread(L, 1), lua_gettop(L) - 1, KIND_RESUME);
  return go(L, lua_tothread(L, lua_upvalueindex(1)), lua_gettop(L), KIND_WRAP);
}

static int yield(lua_State *L) {
  if (L == mp_isolate_of(L)->top) return luaL_error(L, "attempt to yield from outside a coroutine");
  return lua_yield(L, lua_gettop(L));
}

/* A coroutine that waits for the host is the host's to resume: it would take what a script gives it
 * for an answer. What scripts wait with is `yield`. */
static int waits_for_host(lua_State *co) {
  lua_Debug ar;
  if (lua_status(co) != LUA_YIELD || !lua_getstack(co, 0, &ar)) return 0;
  lua_getinfo(co, "f", &ar);
  int is_own = lua_tocfunction(co, -1) == yield;
  lua_pop(co, 1);
  return !is_own;
}

static int go_unless_waiting(lua_State *L, lua_State *co, int n, kind kind) {
  if (!lua_checkstack(co, 1) || !waits_for_host(co)) return go(L, co, n, kind);
  lua_pushliteral(L, "this coroutine waits for the host, nobody else can resume it");
  return failed(L, kind);
}

static int resume(lua_State *L) {
  return go_unless_waiting(L, check_coroutine(L), lua_gettop(L) - 1, KIND_RESUME);
}

static int wrapped(lua_State *L) {
  return go_unless_waiting(L, lua_tothread(L, lua_upvalueindex(1)), lua_gettop(L), KIND_WRAP);
}

static int create(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  return 1;
}

static int wrap(lua_State *L) {
  create(L);
  lua_pushcclosure(L, wrapped, 1);
  return 1;
}

/* The outermost coroutine is the host's: to the script it is the main one. */
static int running(lua_State *L) {
  lua_pushthread(L);
  lua_pushboolean(L, L == mp_isolate_of(L)->top);
  return 2;
}

static int is_yieldable(lua_State *L) {
  lua_State *co = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
  lua_pushboolean(L, co != mp_isolate_of(L)->top && lua_isyieldable(co));
  return 1;
}

static int close_coroutine(lua_State *L) {
  lua_State *co = check_coroutine(L);
  int status = lua_status(co);
  lua_Debug ar;
  int is_live = status == LUA_OK && lua_getstack(co, 0, &ar); /* running, or has resumed another */
  if (co == L || is_live) return luaL_error(L, "cannot close a running coroutine");
  if (reset(L, co) == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  lua_xmove(co, L, 1);
  return 2;
}

void mp_isolate_open_coroutine(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"create", create},         {"resume", resume},   {"wrap", wrap},
      {"yield", yield},           {"running", running}, {"isyieldable", is_yieldable},
      {"close", close_coroutine}, {NULL, NULL}};
  lua_getglobal(L, LUA_COLIBNAME); /* Lua's own, for its status */
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
