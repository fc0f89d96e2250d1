/* What the guest's code gets, and scripts only through it: ask, which awaits the host; loading,
 * clocks, JSON, and calls whose failure has a traceback. */
#include "isolate.h"

#include <string.h>

#define SOURCE_MAX (1u << 20) /* bytes of a chunk */
#define PIECE 128             /* bytes of it that are read at once */
#define JSON_MAX (1u << 20)   /* bytes to be decoded */
#define JSON_VALUES 50000     /* about; likewise */

/* ---- the host -------------------------------------------------------------------------------- */

static int answered(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return mp_isolate_take(L, -1);
}

static int ask_with(lua_State *L, lua_KFunction then) {
  if (!lua_isyieldable(L))
    return luaL_error(L, "cannot wait here: inside a function of Lua's library");
  mp_isolate_of(L)->is_asking = 1;
  return lua_yieldk(L, lua_gettop(L), 0, then);
}

/* ask(...): awaits the host's answer and returns it */
static int ask(lua_State *L) {
  return ask_with(L, answered);
}

/* ---- code ------------------------------------------------------------------------------------ */

static int module_ready(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  lua_pushvalue(L, 1); /* its name */
  lua_pushvalue(L, -2);
  lua_rawset(L, lua_upvalueindex(1));
  return 1;
}

static int module_given(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  size_t len;
  int n = mp_isolate_take(L, -1);
  const char *code = n == 1 ? lua_tolstring(L, -1, &len) : NULL;
  if (!code) return luaL_error(L, "the guest has no module '%s'", lua_tostring(L, 1));
  if (luaL_loadbufferx(L, code, len, lua_tostring(L, 1), "bt") != LUA_OK) return lua_error(L);
  lua_callk(L, 0, 1, 0, module_ready);
  return module_ready(L, LUA_OK, 0);
}

/* module(name) → what the guest's module returns; the host gives its code, once */
static int module(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  lua_pushvalue(L, 1);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  lua_settop(L, 1);
  if (!lua_isyieldable(L)) return luaL_error(L, "a module of the guest's cannot be had here");
  mp_isolate_of(L)->is_asking = 1;
  lua_pushliteral(L, "module");
  lua_pushvalue(L, 1);
  return lua_yieldk(L, 2, 0, module_given);
}

typedef struct source {
  const mp_isolate *isolate;
  const char *text;
  size_t len;
} source;

/* In pieces: there are texts that the compiler takes as the square of their length for. */
static const char *read_source(lua_State *L, void *ud, size_t *len) {
  source *s = ud;
  if (s->isolate->is_killed) luaL_error(L, "the isolate is killed");
  const char *piece = s->text;
  *len = s->len < PIECE ? s->len : PIECE;
  s->text += *len;
  s->len -= *len;
  return piece;
}

/* load(text, chunkname, environment) → function, or nil, message. Text only. */
static int load(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  const char *name = luaL_checkstring(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  if (len > SOURCE_MAX) {
    lua_pushnil(L);
    lua_pushfstring(L, "the chunk is longer than %d bytes", (int)SOURCE_MAX);
    return 2;
  }
  source s = {mp_isolate_of(L), text, len};
  int status = lua_load(L, read_source, &s, name, "t");
  mp_isolate_check(L);
  if (status != LUA_OK) {
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
  }
  lua_pushvalue(L, 3);
  if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
  return 1;
}

/* ---- calls with a traceback ------------------------------------------------------------------ */

/* Of the host, not of the script: it may run where the failure is. */
static int with_traceback(lua_State *L) {
  if (mp_isolate_of(L)->is_killed) return 1;
  const char *message = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL;
  if (!message) message = lua_pushfstring(L, "error object: %s", luaL_typename(L, 1));
  luaL_traceback(L, L, message, 1);
  return 1;
}

static int tried(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  mp_isolate_check(L);
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - 1;
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

/* try(fn, ...) → true, results...; or false, what failed with a traceback */
static int try(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushcfunction(L, with_traceback);
  lua_pushboolean(L, 1);
  lua_rotate(L, 1, 2); /* handler, true, function, arguments */
  return tried(L, lua_pcallk(L, lua_gettop(L) - 3, LUA_MULTRET, 1, 0, tried), 0);
}

/* ---- clocks ---------------------------------------------------------------------------------- */

/* now() → seconds of a clock that never goes back */
static int now(lua_State *L) {
  const mp_isolate *isolate = mp_isolate_of(L);
  lua_pushnumber(L, isolate->has_clock ? isolate->clock_now : (lua_Number)uv_hrtime() / 1e9);
  return 1;
}

/* time() → seconds since 1970 */
static int time_of_day(lua_State *L) {
  const mp_isolate *isolate = mp_isolate_of(L);
  uv_timeval64_t real = {0, 0};
  if (!isolate->has_clock) uv_gettimeofday(&real);
  lua_Number seconds = (lua_Number)real.tv_sec + (lua_Number)real.tv_usec / 1e6;
  lua_pushnumber(L, isolate->has_clock ? isolate->clock_time : seconds);
  return 1;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static int call_own(lua_State *L) {
  int n = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, n, LUA_MULTRET);
  return lua_gettop(L);
}

static int encode(lua_State *L) {
  luaL_checkany(L, 1);
  const char *problem = mp_copy_check_json(L, 1);
  mp_isolate_check(L);
  if (!problem) return call_own(L);
  lua_pushfstring(L, "JSON: %s", problem);
  return mp_fail(L, MOONPOOL_EARG, lua_tostring(L, -1));
}

static int decode(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  int is_long = len > JSON_MAX;
  if (!is_long && mp_json_count(text, len) <= JSON_VALUES) return call_own(L);
  if (is_long)
    lua_pushfstring(L, "JSON: the text is longer than %d bytes", (int)JSON_MAX);
  else
    lua_pushfstring(L, "JSON: the text has more than %d values", JSON_VALUES);
  return mp_fail(L, MOONPOOL_ETOOBIG, lua_tostring(L, -1));
}

static void set_json(lua_State *L) {
  static const luaL_Reg bounded[] = {{"encode", encode}, {"decode", decode}, {NULL, NULL}};
  mp_open_json(L);
  lua_getfield(L, -1, "array_mt"); /* nobody may give it __gc */
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
  lua_pushnil(L);
  lua_setfield(L, -2, "array_mt");
  for (const luaL_Reg *at = bounded; at->name; at++) {
    lua_getfield(L, -1, at->name);
    lua_pushcclosure(L, at->func, 1);
    lua_setfield(L, -2, at->name);
  }
  lua_setfield(L, -2, "json");
}

/* ---- opening --------------------------------------------------------------------------------- */

void mp_isolate_push_tools(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"load", load}, {"try", try}, {"now", now}, {"time", time_of_day}, {NULL, NULL}};
  lua_pushcfunction(L, ask);
  luaL_newlib(L, functions);
  lua_newtable(L);
  lua_pushcclosure(L, module, 1);
  lua_setfield(L, -2, "module");
  set_json(L);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  lua_newtable(L);
  mp_message_open_guest(L);
  lua_setfield(L, -2, "message_methods");
}
