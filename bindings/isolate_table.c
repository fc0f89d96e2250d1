/* table as isolates have it. Lua's own loops over tables, in C, see no hook: by a length that
 * metamethods make up, or by chains of __index, they go on for hours. These look at each element
 * whether the isolate is killed. */
#include "isolate.h"

#include <lualib.h>

static void poll(lua_State *L, const mp_isolate *isolate) {
  if (isolate->is_killed) mp_isolate_check(L);
}

/* into[to] = list[from] */
static void copy_element(lua_State *L, int list, lua_Integer from, int into, lua_Integer to) {
  lua_geti(L, list, from);
  lua_seti(L, into, to);
}

/* insert(list, [position,] value) */
static int insert(lua_State *L) {
  const mp_isolate *isolate = mp_isolate_of(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_Integer last = (lua_Integer)((lua_Unsigned)luaL_len(L, 1) + 1), at = last;
  int n = lua_gettop(L);
  if (n == 3) {
    at = luaL_checkinteger(L, 2);
    luaL_argcheck(L, (lua_Unsigned)at - 1 < (lua_Unsigned)last, 2, "position out of bounds");
    for (lua_Integer i = last; i > at; i--) {
      poll(L, isolate);
      copy_element(L, 1, i - 1, 1, i);
    }
  } else if (n != 2) {
    return luaL_error(L, "wrong number of arguments to 'insert'");
  }
  lua_seti(L, 1, at);
  return 0;
}

/* remove(list [, position]) */
static int remove_one(lua_State *L) {
  const mp_isolate *isolate = mp_isolate_of(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_Integer size = luaL_len(L, 1), at = luaL_optinteger(L, 2, size);
  if (lua_gettop(L) > 1)
    luaL_argcheck(L, at == size || (lua_Unsigned)at - 1 <= (lua_Unsigned)size, 2,
                  "position out of bounds");
  lua_geti(L, 1, at);
  for (; at < size; at++) {
    poll(L, isolate);
    copy_element(L, 1, at + 1, 1, at);
  }
  lua_pushnil(L);
  lua_seti(L, 1, at);
  return 1;
}

/* move(from, first, last, to [, into]) */
static int move(lua_State *L) {
  const mp_isolate *isolate = mp_isolate_of(L);
  lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
  lua_Integer to = luaL_checkinteger(L, 4);
  int into = lua_isnoneornil(L, 5) ? 1 : 5;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, into, LUA_TTABLE);
  if (last >= first) {
    luaL_argcheck(L, first > 0 || last < LUA_MAXINTEGER + first, 3, "too many elements to move");
    lua_Integer n = last - first + 1;
    luaL_argcheck(L, to <= LUA_MAXINTEGER - n + 1, 4, "destination wrap around");
    int is_upwards = to > last || to <= first || (into != 1 && !lua_rawequal(L, 1, into));
    for (lua_Integer i = 0; i < n; i++) {
      lua_Integer offset = is_upwards ? i : n - 1 - i;
      poll(L, isolate);
      copy_element(L, 1, first + offset, into, to + offset);
    }
  }
  lua_pushvalue(L, into);
  return 1;
}

static void add_element(lua_State *L, luaL_Buffer *buffer, lua_Integer i) {
  lua_geti(L, 1, i);
  if (!lua_isstring(L, -1))
    luaL_error(L, "invalid value (at index %I) in table for 'concat'", (LUAI_UACINT)i);
  luaL_addvalue(buffer);
}

/* concat(list [, separator [, first [, last]]]) */
static int concat(lua_State *L) {
  const mp_isolate *isolate = mp_isolate_of(L);
  size_t len;
  luaL_checktype(L, 1, LUA_TTABLE);
  const char *separator = luaL_optlstring(L, 2, "", &len);
  lua_Integer first = luaL_optinteger(L, 3, 1);
  lua_Integer last = lua_isnoneornil(L, 4) ? luaL_len(L, 1) : luaL_checkinteger(L, 4);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (lua_Integer i = first; i <= last; i++) {
    poll(L, isolate);
    add_element(L, &buffer, i);
    if (i == last) break; /* which may be the greatest integer there is */
    luaL_addlstring(&buffer, separator, len);
  }
  luaL_pushresult(&buffer);
  return 1;
}

/* unpack(list [, first [, last]]) */
static int unpack(lua_State *L) {
  const mp_isolate *isolate = mp_isolate_of(L);
  lua_Integer first = luaL_optinteger(L, 2, 1);
  lua_Integer last = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
  if (first > last) return 0;
  lua_Unsigned n = (lua_Unsigned)last - (lua_Unsigned)first;
  if (n >= 0x7fffffff || !lua_checkstack(L, (int)n + 1))
    return luaL_error(L, "too many results to unpack");
  for (lua_Unsigned i = 0; i <= n; i++) {
    poll(L, isolate);
    lua_geti(L, 1, (lua_Integer)((lua_Unsigned)first + i));
  }
  return (int)n + 1;
}

static int is_less(lua_State *L) {
  lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
  return 1;
}

/* sort(list [, is_before]): Lua's own, the first upvalue. It always calls a function, at which it
 * is stopped: without one it would compare long strings for hours. */
static int sort(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_pushcfunction(L, is_less);
    lua_replace(L, 2);
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 2, 0);
  return 0;
}

void mp_isolate_open_table(lua_State *L) {
  static const luaL_Reg functions[] = {{"insert", insert}, {"remove", remove_one}, {"move", move},
                                       {"concat", concat}, {"unpack", unpack},     {NULL, NULL}};
  luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 1);
  luaL_setfuncs(L, functions, 0);
  lua_getfield(L, -1, "sort");
  lua_pushcclosure(L, sort, 1);
  lua_setfield(L, -2, "sort");
  lua_pop(L, 1);
}
