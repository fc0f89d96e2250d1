/* See compat.h. */
#include "compat.h"

#if LUA_VERSION_NUM < 504

#undef lua_resume

void *mp_compat_newuserdata(lua_State *L, size_t size, int values) {
  void *block = lua_newuserdata(L, size);
  if (values == 0) return block;
  lua_createtable(L, values, 0);
#if LUA_VERSION_NUM == 501
  lua_setfenv(L, -2);
#else
  lua_setuservalue(L, -2);
#endif
  return block;
}

static void push_values(lua_State *L, int index) {
#if LUA_VERSION_NUM == 501
  lua_getfenv(L, index);
#else
  lua_getuservalue(L, index);
#endif
}

int mp_compat_getvalue(lua_State *L, int index, int n) {
  push_values(L, index);
  if (!lua_istable(L, -1)) {
    lua_pop(L, 1);
    lua_pushnil(L);
    return LUA_TNONE;
  }
  int type = lua_rawgeti(L, -1, n);
  lua_remove(L, -2);
  return type;
}

int mp_compat_setvalue(lua_State *L, int index, int n) {
  index = lua_absindex(L, index);
  push_values(L, index);
  lua_insert(L, -2);
  lua_rawseti(L, -2, n);
  lua_pop(L, 1);
  return 1;
}

#if LUA_VERSION_NUM == 501
static int nothing(lua_State *L) {
  (void)L;
  return 0;
}
#endif

int mp_compat_resume(lua_State *L, lua_State *from, int nargs, int *results) {
#if LUA_VERSION_NUM == 501
  int status = lua_resume(L, nargs);
  /* Until a call on `from`, the JIT compiler takes the coroutine for what runs, also when it has
   * died and an error leaves the function that has resumed it. */
  lua_cpcall(from, nothing, NULL);
#else
  int status = lua_resume(L, from, nargs);
#endif
  *results = status == LUA_OK || status == LUA_YIELD ? lua_gettop(L) : 1;
  return status;
}

int mp_compat_typeerror(lua_State *L, int arg, const char *name) {
  const char *what = luaL_typename(L, arg);
  if (luaL_getmetafield(L, arg, "__name") && lua_type(L, -1) == LUA_TSTRING)
    what = lua_tostring(L, -1);
  else if (lua_type(L, arg) == LUA_TLIGHTUSERDATA)
    what = "light userdata";
  return luaL_argerror(L, arg, lua_pushfstring(L, "%s expected, got %s", name, what));
}

#endif

#if LUA_VERSION_NUM == 501 || LUA_VERSION_NUM >= 505

int mp_compat_numbertointeger(lua_Number number, lua_Integer *integer) {
  if (!(number >= -9223372036854775808.0 && number < 9223372036854775808.0)) return 0;
  *integer = (lua_Integer)number;
  return 1;
}

#endif

#if LUA_VERSION_NUM == 501

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

int mp_compat_error(lua_State *L, const char *format, ...) {
  lua_Debug frame;
  va_list args;
  int level = 1;
  if (lua_getstack(L, 1, &frame) && lua_getinfo(L, "S", &frame) &&
      strcmp(frame.source, "=moonpool.wrap") == 0)
    level = 2;
  luaL_where(L, level);
  va_start(args, format);
  lua_pushvfstring(L, format, args);
  va_end(args);
  lua_concat(L, 2);
  return lua_error(L);
}

int mp_compat_isinteger(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TNUMBER) return 0;
  lua_Number number = lua_tonumber(L, index);
  return number == floor(number) && fabs(number) <= (lua_Number)MP_INTEGER_MAX;
}

const char *mp_compat_tolstring(lua_State *L, int index, size_t *len) {
  index = lua_absindex(L, index);
  if (!luaL_callmeta(L, index, "__tostring")) {
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
    case LUA_TSTRING:
      lua_pushvalue(L, index);
      lua_tolstring(L, -1, NULL); /* of the copy */
      break;
    case LUA_TBOOLEAN: lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false"); break;
    case LUA_TNIL: lua_pushliteral(L, "nil"); break;
    default: lua_pushfstring(L, "%s: %p", luaL_typename(L, index), lua_topointer(L, index));
    }
  } else if (!lua_isstring(L, -1)) {
    luaL_error(L, "'__tostring' must return a string");
  }
  return lua_tolstring(L, -1, len);
}

int mp_compat_geti(lua_State *L, int index, lua_Integer key) {
  index = lua_absindex(L, index);
  lua_pushnumber(L, (lua_Number)key);
  return lua_gettable(L, index);
}

void mp_compat_seti(lua_State *L, int index, lua_Integer key) {
  index = lua_absindex(L, index);
  lua_pushnumber(L, (lua_Number)key);
  lua_insert(L, -2);
  lua_settable(L, index);
}

void mp_compat_rawsetp(lua_State *L, int index, const void *key) {
  index = lua_absindex(L, index);
  lua_pushlightuserdata(L, (void *)key);
  lua_insert(L, -2);
  lua_rawset(L, index);
}

int mp_compat_rawgetp(lua_State *L, int index, const void *key) {
  index = lua_absindex(L, index);
  lua_pushlightuserdata(L, (void *)key);
  return lua_rawget(L, index);
}

void mp_compat_rotate(lua_State *L, int index, int n) {
  for (index = lua_absindex(L, index); n > 0; n--) lua_insert(L, index);
  for (; n < 0; n++) {
    lua_pushvalue(L, index);
    lua_remove(L, index);
  }
}

char *mp_compat_buffinitsize(lua_State *L, mp_sized_buffer *buffer, size_t size) {
  buffer->L = L;
  buffer->data = lua_newuserdata(L, size ? size : 1);
  return buffer->data;
}

void mp_compat_pushresultsize(mp_sized_buffer *buffer, size_t size) {
  lua_pushlstring(buffer->L, buffer->data, size);
  lua_remove(buffer->L, -2);
}

void mp_push_integer(lua_State *L, long long value) {
  if (value >= -MP_INTEGER_MAX && value <= MP_INTEGER_MAX) {
    lua_pushnumber(L, (lua_Number)value);
    return;
  }
  char text[32];
  int len = snprintf(text, sizeof text, "%lld", value);
  lua_pushlstring(L, text, (size_t)len);
}

#endif
