/* The one protected entry into Lua, and where errors go that no program catches. */
#include "runtime.h"

#include <stdio.h>

static int with_traceback(lua_State *L) {
  const char *message = luaL_tolstring(L, 1, NULL);
  luaL_traceback(L, L, message, 1);
  return 1;
}

/* Calls the hook with the string on top of rt->L and pops it. */
static void call_hook(mp_runtime *rt) {
  lua_State *L = rt->L;
  if (rt->hook != LUA_NOREF) {
    mp_push_ref(L, rt, rt->hook);
    lua_pushvalue(L, -2);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK) {
      lua_pop(L, 1);
      return;
    }
    fprintf(stderr, "moonpool: the error hook failed: %s\n", lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  fprintf(stderr, "moonpool: %s\n", lua_tostring(L, -1));
  lua_pop(L, 1);
}

int mp_protected(mp_runtime *rt, lua_CFunction function, void *ctx, int results) {
  lua_State *L = rt->L;
  if (rt->is_closing || !lua_checkstack(L, results + 8)) return 0;
  int base = lua_gettop(L) + 1;
  lua_pushcfunction(L, with_traceback);
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, ctx);
  int status = lua_pcall(L, 1, results, base);
  lua_remove(L, base);
  if (status == LUA_OK) return 1;
  call_hook(rt);
  return 0;
}

typedef struct report {
  mp_runtime *rt;
  lua_State *co;
} report;

/* The error may be any value; its metamethods run on L, since the coroutine is dead. */
void mp_push_failure(lua_State *L, lua_State *co) {
  lua_pushvalue(co, -1);
  lua_xmove(co, L, 1);
  const char *message = luaL_tolstring(L, -1, NULL);
  lua_Debug frame;
  if (lua_getstack(co, 0, &frame)) /* else a host's thread has failed, and the text has its own */
    luaL_traceback(L, co, message, 0);
  else
    lua_pushvalue(L, -1);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

static int describe(lua_State *L) {
  report *r = lua_touserdata(L, 1);
  mp_push_failure(L, r->co);
  return 1;
}

void mp_report(mp_runtime *rt, lua_State *co) {
  report r = {rt, co};
  if (lua_checkstack(co, 2) && mp_protected(rt, describe, &r, 1)) call_hook(rt);
}

int mp_fail(lua_State *L, int status, const char *message) {
  lua_pushnil(L);
  lua_pushstring(L, message ? message : moonpool_status_text(status));
  lua_pushstring(L, moonpool_status_name(status));
  return 3;
}

int mp_fail_error(lua_State *L, const moonpool_error *error) {
  return mp_fail(L, error->status, error->message);
}

/* moonpool.on_error(fn | nil) → the hook before it, or nil */
int mp_on_error(lua_State *L) {
  mp_runtime *rt = mp_runtime_of(L);
  if (!lua_isnoneornil(L, 1)) luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  if (rt->hook == LUA_NOREF)
    lua_pushnil(L);
  else
    mp_push_ref(L, rt, rt->hook);
  mp_unref(rt, rt->hook);
  rt->hook = LUA_NOREF;
  if (lua_isnil(L, 1)) return 1;
  lua_pushvalue(L, 1);
  rt->hook = mp_ref(L, rt);
  return 1;
}
