/* Values from one state to another: nothing is shared, so nothing is left behind, and no function
 * of a script's is called. */
#include "isolate.h"

#define DEPTH_MAX 32

typedef struct limits {
  size_t values, bytes;
  const char *too_many, *too_long;
} limits;

static const limits of_crossing = {200000, 16u << 20, "more than 200000 values",
                                   "more than 16 MiB of text"};
static const limits of_json = {50000, 1u << 20, "more than 50000 values",
                               "more than 1 MiB of text"};

typedef struct measure {
  const limits *limits;
  const mp_isolate *isolate; /* whose budget it takes; NULL: of none */
  size_t values, bytes;
} measure;

static const char *check(lua_State *L, int index, int depth, measure *m);

static const char *check_table(lua_State *L, int index, int depth, measure *m) {
  if (depth >= DEPTH_MAX) return "tables nested deeper than 32";
  if (m->isolate && m->isolate->is_killed) return "what takes too long"; /* wide and empty tables */
  if (!lua_checkstack(L, 4)) return "no memory";
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    int top = lua_gettop(L), type = lua_type(L, top - 1);
    const char *problem = type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN
                              ? check(L, top - 1, depth + 1, m)
                              : "a key that is neither a string, a number nor a boolean";
    if (!problem) problem = check(L, top, depth + 1, m);
    if (!problem) continue;
    lua_pop(L, 2);
    return problem;
  }
  return NULL;
}

static const char *check(lua_State *L, int index, int depth, measure *m) {
  if (++m->values > m->limits->values) return m->limits->too_many;
  switch (lua_type(L, index)) {
  case LUA_TNIL:
  case LUA_TNUMBER:
  case LUA_TBOOLEAN: return NULL;
  case LUA_TSTRING:
    m->bytes += lua_rawlen(L, index);
    return m->bytes > m->limits->bytes ? m->limits->too_long : NULL;
  case LUA_TLIGHTUSERDATA: return lua_touserdata(L, index) ? "a userdata" : NULL;
  case LUA_TTABLE: return check_table(L, index, depth, m);
  case LUA_TFUNCTION: return "a function";
  case LUA_TTHREAD: return "a coroutine";
  default: return "a userdata";
  }
}

const char *mp_copy_check(lua_State *L, int index) {
  measure m = {&of_crossing, NULL, 0, 0};
  return check(L, lua_absindex(L, index), 0, &m);
}

const char *mp_copy_check_out(lua_State *L, int first, int last) {
  measure m = {&of_crossing, mp_isolate_of(L), 0, 0};
  const char *problem = NULL;
  for (int i = first; i <= last && !problem; i++) problem = check(L, i, 0, &m);
  return problem;
}

const char *mp_copy_check_json(lua_State *L, int index) {
  measure m = {&of_json, mp_isolate_of(L), 0, 0};
  return check(L, lua_absindex(L, index), 0, &m);
}

static void copy_table(lua_State *from, int index, lua_State *to) {
  luaL_checkstack(to, 4, "nested tables");
  lua_newtable(to);
  for (lua_pushnil(from); lua_next(from, index); lua_pop(from, 1)) {
    int top = lua_gettop(from);
    mp_copy(from, top - 1, to);
    mp_copy(from, top, to);
    lua_rawset(to, -3);
  }
}

void mp_copy(lua_State *from, int index, lua_State *to) {
  size_t len;
  index = lua_absindex(from, index);
  switch (lua_type(from, index)) {
  case LUA_TNUMBER:
    if (lua_isinteger(from, index))
      lua_pushinteger(to, lua_tointeger(from, index));
    else
      lua_pushnumber(to, lua_tonumber(from, index));
    return;
  case LUA_TBOOLEAN: lua_pushboolean(to, lua_toboolean(from, index)); return;
  case LUA_TSTRING: {
    const char *text = lua_tolstring(from, index, &len);
    lua_pushlstring(to, text, len);
    return;
  }
  case LUA_TLIGHTUSERDATA: lua_pushlightuserdata(to, NULL); return;
  case LUA_TTABLE: copy_table(from, index, to); return;
  default: lua_pushnil(to); return;
  }
}
