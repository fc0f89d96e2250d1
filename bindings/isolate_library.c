/* What is safe of Lua's own library. Text chunks only, no way to the system; nothing that keeps an
 * error by which the isolate is stopped; and few loops in C that can be made endless: subjects and
 * patterns have limits, which do not keep a pattern from taking for ever; the watch tells of that.
 */
#include "isolate.h"

#include <lualib.h>
#include <string.h>

#define SUBJECT_MAX (256u << 10) /* bytes, of what a pattern is matched with */
#define PATTERN_MAX (1u << 10)   /* bytes */
#define STRING_MAX (64u << 20)   /* bytes, of string.rep */

/* ---- errors ---------------------------------------------------------------------------------- */

static int pcalled(lua_State *L, int status, lua_KContext ctx) {
  mp_isolate_check(L);
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - (int)ctx;
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

int mp_isolate_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  return pcalled(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, pcalled), 0);
}

static int handled(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  mp_isolate_check(L);
  if (status != LUA_OK && status != LUA_YIELD) { /* so did the handler */
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
  }
  return lua_gettop(L) - 2;
}

/* The handler runs once the stack is unwound: inside the error it would be out of reach. */
static int xpcalled(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  mp_isolate_check(L);
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - 2;
  lua_insert(L, 3); /* function, handler, error */
  lua_settop(L, 3);
  lua_pushboolean(L, 0);
  lua_insert(L, 3);
  lua_pushvalue(L, 2);
  lua_insert(L, 4); /* function, handler, false, handler, error */
  return handled(L, lua_pcallk(L, 1, LUA_MULTRET, 0, 0, handled), 0);
}

static int xpcall(lua_State *L) {
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2); /* function, handler, true, function, arguments */
  return xpcalled(L, lua_pcallk(L, lua_gettop(L) - 4, LUA_MULTRET, 0, 0, xpcalled), 0);
}

/* ---- tables and values ----------------------------------------------------------------------- */

static int set_metatable(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  if (lua_istable(L, 2)) {
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, 2) != LUA_TNIL)
      return luaL_error(L, "setmetatable: __gc is not available to scripts");
    lua_pop(L, 1);
  }
  int n = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, n, 1);
  return 1;
}

/* Pushes what tostring makes of a value without __tostring, without an address. */
static void push_plain_text(lua_State *L, int index) {
  switch (lua_type(L, index)) {
  case LUA_TTABLE:
  case LUA_TFUNCTION:
  case LUA_TTHREAD:
  case LUA_TUSERDATA:
  case LUA_TLIGHTUSERDATA: lua_pushstring(L, luaL_typename(L, index)); return;
  default: luaL_tolstring(L, index, NULL);
  }
}

static int check_text(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return lua_isstring(L, -1) ? 1 : luaL_error(L, "'__tostring' must return a string");
}

/* Pushes what tostring makes of the value. */
static void push_text(lua_State *L, int index) {
  if (luaL_callmeta(L, index, "__tostring"))
    check_text(L, LUA_OK, 0);
  else
    push_plain_text(L, index);
}

/* It may be paused in the script's __tostring. */
static int to_string(lua_State *L) {
  luaL_checkany(L, 1);
  if (luaL_getmetafield(L, 1, "__tostring") == LUA_TNIL) {
    push_plain_text(L, 1);
    return 1;
  }
  lua_pushvalue(L, 1);
  lua_callk(L, 1, 1, 0, check_text);
  return check_text(L, LUA_OK, 0);
}

/* Calls the library's own function, the first upvalue. */
static int call_own(lua_State *L) {
  int n = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, n, LUA_MULTRET);
  return lua_gettop(L);
}

/* ---- strings --------------------------------------------------------------------------------- */

static int rep(lua_State *L) {
  size_t len, separator;
  luaL_checklstring(L, 1, &len);
  luaL_optlstring(L, 3, "", &separator);
  lua_Integer n = luaL_checkinteger(L, 2);
  if (len + separator == 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  if (n > 0 && (lua_Unsigned)n > STRING_MAX / (len + separator))
    return luaL_error(L, "string.rep: the result is longer than %d bytes", (int)STRING_MAX);
  return call_own(L);
}

static int match(lua_State *L) {
  size_t subject, pattern;
  luaL_checklstring(L, 1, &subject);
  luaL_checklstring(L, 2, &pattern);
  if (pattern > PATTERN_MAX)
    return luaL_error(L, "the pattern is longer than %d bytes", (int)PATTERN_MAX);
  if (subject > SUBJECT_MAX)
    return luaL_error(L, "the text is longer than %d bytes: too long for a pattern",
                      (int)SUBJECT_MAX);
  return call_own(L);
}

/* Where a search begins, counted from 0; more than `len`: nowhere. */
static size_t begin_of(lua_State *L, size_t len) {
  lua_Integer init = luaL_optinteger(L, 3, 1);
  if (init > 0) return (lua_Unsigned)init - 1 > len ? len + 1 : (size_t)init - 1;
  if (init == 0 || (lua_Unsigned)-init > len) return 0;
  return len - (size_t)-init;
}

/* Lua's own takes time as the product of both lengths. */
static int find_plain(lua_State *L) {
  size_t subject_len, len;
  const char *subject = luaL_checklstring(L, 1, &subject_len);
  const char *text = luaL_checklstring(L, 2, &len);
  size_t begin = begin_of(L, subject_len);
  const char *found =
      begin > subject_len ? NULL : memmem(subject + begin, subject_len - begin, text, len);
  if (!found) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushinteger(L, found - subject + 1);
  lua_pushinteger(L, found - subject + (lua_Integer)len);
  return 2;
}

static int find(lua_State *L) {
  return lua_toboolean(L, 4) ? find_plain(L) : match(L);
}

static int look_up(lua_State *L) {
  lua_settop(L, 1);
  lua_gettable(L, lua_upvalueindex(1));
  return 1;
}

/* A table of replacements is looked up by a function, at which gsub can be stopped. */
static int gsub(lua_State *L) {
  if (lua_istable(L, 3)) {
    lua_pushvalue(L, 3);
    lua_pushcclosure(L, look_up, 1);
    lua_replace(L, 3);
  }
  return match(L);
}

/* What has no text of its own is given one without an address. */
static int format(lua_State *L) {
  size_t len;
  const char *at = luaL_checklstring(L, 1, &len), *end = at + len;
  while ((at = memchr(at, '%', (size_t)(end - at)))) {
    at++;
    at += strspn(at, "-+ #0123456789.");
    if (*at == 'p') return luaL_error(L, "string.format: '%%p' is not available to scripts");
    if (*at == '%') at++;
  }
  int n = lua_gettop(L);
  for (int i = 2; i <= n; i++) {
    int type = lua_type(L, i);
    if (type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TNUMBER || type == LUA_TSTRING)
      continue;
    push_text(L, i);
    lua_replace(L, i);
  }
  return call_own(L);
}

/* Without a seed Lua's own would take one from the time and an address. */
static int random_seed(lua_State *L) {
  return lua_isnoneornil(L, 1) ? 0 : (call_own(L), 0);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void remove_fields(lua_State *L, const char *const *names) {
  for (; *names; names++) {
    lua_pushnil(L);
    lua_setfield(L, -2, *names);
  }
}

/* Replaces functions of the table on top of L, each of which gets the old one as its upvalue. */
static void wrap(lua_State *L, const luaL_Reg *functions) {
  for (; functions->name; functions++) {
    lua_getfield(L, -1, functions->name);
    lua_pushcclosure(L, functions->func, 1);
    lua_setfield(L, -2, functions->name);
  }
}

static void open_one(lua_State *L, const char *name, lua_CFunction open) {
  luaL_requiref(L, name, open, 1);
}

static void open_base(lua_State *L) {
  static const char *const unsafe[] = {"dofile", "loadfile", "collectgarbage", "load", "print",
                                       "warn",   NULL};
  static const luaL_Reg replaced[] = {{"pcall", mp_isolate_pcall},
                                      {"xpcall", xpcall},
                                      {"tostring", to_string},
                                      {"setmetatable", set_metatable},
                                      {NULL, NULL}};
  open_one(L, "_G", luaopen_base);
  remove_fields(L, unsafe);
  wrap(L, replaced);
  lua_pop(L, 1);
}

static void open_string(lua_State *L) {
  static const char *const unsafe[] = {"dump", NULL};
  static const luaL_Reg replaced[] = {{"rep", rep},      {"find", find}, {"match", match},
                                      {"gmatch", match}, {"gsub", gsub}, {"format", format},
                                      {NULL, NULL}};
  open_one(L, LUA_STRLIBNAME, luaopen_string);
  remove_fields(L, unsafe);
  wrap(L, replaced);
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 3);
}

void mp_isolate_open_library(lua_State *L) {
  static const luaL_Reg of_math[] = {{"randomseed", random_seed}, {NULL, NULL}};
  open_base(L);
  open_string(L);
  mp_isolate_open_table(L);
  open_one(L, LUA_MATHLIBNAME, luaopen_math);
  wrap(L, of_math);
  open_one(L, LUA_UTF8LIBNAME, luaopen_utf8);
  open_one(L, LUA_COLIBNAME, luaopen_coroutine);
  lua_pop(L, 3);
}
