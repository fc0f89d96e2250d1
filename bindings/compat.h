/* Lua 5.4's C API, as the binding uses it, on Lua 5.3 and LuaJIT 2.1 (which has 5.1's and a part of
 * 5.2's); included instead of lua.h and lauxlib.h. What is one expression elsewhere is a macro,
 * the rest is in compat.c. */
#ifndef MP_COMPAT_H
#define MP_COMPAT_H

#include <lauxlib.h>
#include <lua.h>

#if LUA_VERSION_NUM != 501 && LUA_VERSION_NUM < 503
#error "moonpool needs Lua 5.3 or newer, or LuaJIT 2.1"
#endif

/* ---- before Lua 5.4 ---------------------------------------------------------------------------
 */

#if LUA_VERSION_NUM < 504

/* A userdata's values are in one table, its user value or environment. */
void *mp_compat_newuserdata(lua_State *L, size_t size, int values);
int mp_compat_getvalue(lua_State *L, int index, int n);
int mp_compat_setvalue(lua_State *L, int index, int n);
int mp_compat_resume(lua_State *L, lua_State *from, int nargs, int *results);
int mp_compat_typeerror(lua_State *L, int arg, const char *name);

#define lua_newuserdatauv mp_compat_newuserdata
#define lua_getiuservalue mp_compat_getvalue
#define lua_setiuservalue mp_compat_setvalue
#define lua_resume mp_compat_resume
#define luaL_typeerror mp_compat_typeerror
#define luaL_argexpected(L, condition, arg, name)                                                  \
  ((void)((condition) || luaL_typeerror(L, (arg), (name))))

#endif

/* ---- Lua 5.5 --------------------------------------------------------------------------------- */

#if LUA_VERSION_NUM >= 505
#define mp_newstate(allocate, ctx) lua_newstate(allocate, ctx, luaL_makeseed(NULL))
#else
#define mp_newstate(allocate, ctx) lua_newstate(allocate, ctx)
#endif

/* LuaJIT has none, and Lua 5.5 keeps its own to itself. */
#ifndef lua_numbertointeger
int mp_compat_numbertointeger(lua_Number number, lua_Integer *integer);
#define lua_numbertointeger(number, integer) mp_compat_numbertointeger(number, integer)
#endif

/* ---- LuaJIT -----------------------------------------------------------------------------------
 */

#if LUA_VERSION_NUM == 501

#include <string.h>

#ifndef LUA_OK
#define LUA_OK 0
#endif
#define LUA_LOADED_TABLE "_LOADED"
#define LUA_INTEGER_FMT "%td"
typedef size_t lua_Unsigned; /* lua_Integer is ptrdiff_t */

/* Numbers are doubles: of the whole ones, those up to this are all there. */
#define MP_INTEGER_MAX 9007199254740992LL

int mp_compat_isinteger(lua_State *L, int index);
const char *mp_compat_tolstring(lua_State *L, int index, size_t *len);
int mp_compat_geti(lua_State *L, int index, lua_Integer key);
void mp_compat_seti(lua_State *L, int index, lua_Integer key);
void mp_compat_rawsetp(lua_State *L, int index, const void *key);
int mp_compat_rawgetp(lua_State *L, int index, const void *key);
void mp_compat_rotate(lua_State *L, int index, int n);

static inline int mp_compat_absindex(lua_State *L, int index) {
  return index > 0 || index <= LUA_REGISTRYINDEX ? index : lua_gettop(L) + index + 1;
}

/* Names the line that has called, not that of the function in Lua between, see mp_wrap. */
int mp_compat_error(lua_State *L, const char *format, ...);

#define luaL_error mp_compat_error
#define lua_absindex mp_compat_absindex
#define lua_rawlen lua_objlen
#define lua_isinteger mp_compat_isinteger
#define luaL_tolstring mp_compat_tolstring
#define luaL_len(L, index) ((lua_Integer)lua_objlen(L, index))
#define lua_geti mp_compat_geti
#define lua_seti mp_compat_seti
#define lua_rawsetp mp_compat_rawsetp
#define lua_rawgetp mp_compat_rawgetp
#define lua_rotate mp_compat_rotate

/* These return what they have pushed. */
#define lua_getfield(L, index, key) (lua_getfield(L, index, key), lua_type(L, -1))
#undef lua_getglobal
#define lua_getglobal(L, name) lua_getfield(L, LUA_GLOBALSINDEX, name)
#define lua_rawget(L, index) (lua_rawget(L, index), lua_type(L, -1))
#define lua_rawgeti(L, index, key) (lua_rawgeti(L, index, (int)(key)), lua_type(L, -1))
#define lua_rawseti(L, index, key) lua_rawseti(L, index, (int)(key))
#define lua_gettable(L, index) (lua_gettable(L, index), lua_type(L, -1))
#undef luaL_getmetatable
#define luaL_getmetatable(L, name) lua_getfield(L, LUA_REGISTRYINDEX, name)
#undef luaL_newlib
#undef luaL_newlibtable
#define luaL_newlibtable(L, list) lua_createtable(L, 0, sizeof(list) / sizeof((list)[0]) - 1)
#define luaL_newlib(L, list) (luaL_newlibtable(L, list), luaL_setfuncs(L, list, 0))

/* A result whose size is known: a userdata, and a copy of it. */
typedef struct mp_sized_buffer {
  lua_State *L;
  char *data;
} mp_sized_buffer;

char *mp_compat_buffinitsize(lua_State *L, mp_sized_buffer *buffer, size_t size);
void mp_compat_pushresultsize(mp_sized_buffer *buffer, size_t size);

#define luaL_buffinitsize mp_compat_buffinitsize
#define luaL_pushresultsize mp_compat_pushresultsize

#endif

/* Integers of any size: on LuaJIT one that a number cannot hold is pushed as a string. */
#if LUA_VERSION_NUM == 501
void mp_push_integer(lua_State *L, long long value);
#else
typedef luaL_Buffer mp_sized_buffer; /* for luaL_buffinitsize and luaL_pushresultsize */
#define mp_push_integer(L, value) lua_pushinteger(L, (lua_Integer)(value))
#endif

#endif
