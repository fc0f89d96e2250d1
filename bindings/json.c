/* moonpool.json: jansson's JSON. 64-bit integers stay integers; null is moonpool.null; arrays carry
 * array_mt, so that an empty one stays an array. */
#include "runtime.h"

#include <jansson.h>
#include <string.h>

static const char array_name[] = "moonpool.json.array";

#define DEPTH_MAX 512
#define OBJECT_VALUES 200000 /* of a message's body, about */

/* ---- decoding -------------------------------------------------------------------------------- */

static void push_value(lua_State *L, json_t *value);

static void push_object(lua_State *L, json_t *object) {
  lua_createtable(L, 0, (int)json_object_size(object));
  for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
    lua_pushlstring(L, json_object_iter_key(at), strlen(json_object_iter_key(at)));
    push_value(L, json_object_iter_value(at));
    lua_rawset(L, -3);
  }
}

static void push_array(lua_State *L, json_t *array) {
  size_t n = json_array_size(array);
  lua_createtable(L, (int)n, 0);
  luaL_setmetatable(L, array_name);
  for (size_t i = 0; i < n; i++) {
    push_value(L, json_array_get(array, i));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_value(lua_State *L, json_t *value) {
  luaL_checkstack(L, 4, "nested JSON");
  switch (json_typeof(value)) {
  case JSON_OBJECT: push_object(L, value); break;
  case JSON_ARRAY: push_array(L, value); break;
  case JSON_STRING: lua_pushlstring(L, json_string_value(value), json_string_length(value)); break;
  case JSON_INTEGER: lua_pushinteger(L, json_integer_value(value)); break;
  case JSON_REAL: lua_pushnumber(L, json_real_value(value)); break;
  case JSON_TRUE: lua_pushboolean(L, 1); break;
  case JSON_FALSE: lua_pushboolean(L, 0); break;
  default: lua_pushlightuserdata(L, NULL); break;
  }
}

static int push_decoded(lua_State *L) {
  push_value(L, lua_touserdata(L, 1));
  return 1;
}

/* json.decode(text) → value, or nil, message, "EARG" */
static int decode(lua_State *L) {
  size_t len;
  json_error_t error;
  const char *text = luaL_checklstring(L, 1, &len);
  json_t *value = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
  if (!value) {
    lua_pushfstring(L, "JSON: %s, at byte %d", error.text, error.position);
    return mp_fail(L, MOONPOOL_EARG, lua_tostring(L, -1));
  }
  lua_pushcfunction(L, push_decoded);
  lua_pushlightuserdata(L, value);
  int status = lua_pcall(L, 1, 1, 0);
  json_decref(value);
  return status == LUA_OK ? 1 : lua_error(L);
}

size_t mp_json_count(const char *text, size_t len) {
  size_t count = 1;
  int is_string = 0;
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    if (c == '"') is_string = !is_string;
    if (is_string && c == '\\') i++;
    count += !is_string && (c == ',' || c == '[' || c == '{');
  }
  return count;
}

int mp_json_push_object(lua_State *L, const char *text, size_t len) {
  if (len > OBJECT_VALUES && mp_json_count(text, len) > OBJECT_VALUES) return 0;
  json_t *value = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
  if (!json_is_object(value)) {
    json_decref(value);
    return 0;
  }
  lua_pushcfunction(L, push_decoded);
  lua_pushlightuserdata(L, value);
  int status = lua_pcall(L, 1, 1, 0);
  json_decref(value);
  return status == LUA_OK ? 1 : lua_error(L);
}

/* ---- encoding -------------------------------------------------------------------------------- */

/* What went wrong, while json_t are held that an error must not leak. */
typedef struct encoder {
  lua_State *L;
  char message[128];
} encoder;

static json_t *value_at(encoder *e, int index, int depth);

static json_t *fail(encoder *e, const char *format, const char *what) {
  if (!e->message[0]) snprintf(e->message, sizeof e->message, format, what);
  return NULL;
}

static int is_array(lua_State *L, int index) {
  if (lua_getmetatable(L, index)) {
    luaL_getmetatable(L, array_name);
    int is_marked = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    if (is_marked) return 1;
  }
  return lua_rawlen(L, index) > 0;
}

/* Has the table nothing but its list of `n` elements? */
static int is_only_list(lua_State *L, int index, lua_Integer n) {
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    int is_element = lua_isinteger(L, -2);
    lua_Integer key = is_element ? lua_tointeger(L, -2) : 0;
    if (is_element && key >= 1 && key <= n) continue;
    lua_pop(L, 2);
    return 0;
  }
  return 1;
}

static json_t *array_at(encoder *e, int index, int depth) {
  lua_State *L = e->L;
  lua_Integer n = (lua_Integer)lua_rawlen(L, index);
  if (!is_only_list(L, index, n))
    return fail(e, "JSON: a table is both a list and an object%s", "");
  json_t *array = json_array();
  for (lua_Integer i = 1; array && i <= n; i++) {
    lua_rawgeti(L, index, i);
    json_t *value = value_at(e, lua_gettop(L), depth);
    lua_pop(L, 1);
    if (!value || json_array_append_new(array, value) != 0) {
      json_decref(array);
      return NULL;
    }
  }
  return array;
}

static json_t *object_at(encoder *e, int index, int depth) {
  lua_State *L = e->L;
  json_t *object = json_object();
  for (lua_pushnil(L); object && lua_next(L, index); lua_pop(L, 1)) {
    size_t len = 0;
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &len) : NULL;
    json_t *value = NULL;
    if (!key)
      fail(e, "JSON: a key is a %s, not a string", luaL_typename(L, -2));
    else if (memchr(key, 0, len))
      fail(e, "JSON: a key holds a NUL byte%s", "");
    else
      value = value_at(e, lua_gettop(L), depth);
    if (!value || json_object_set_new(object, key, value) != 0) {
      if (value) fail(e, "JSON: the key '%s' is not UTF-8", key);
      lua_pop(L, 2);
      json_decref(object);
      return NULL;
    }
  }
  return object;
}

static json_t *string_at(encoder *e, int index) {
  size_t len;
  const char *text = lua_tolstring(e->L, index, &len);
  json_t *value = json_stringn(text, len);
  return value ? value : fail(e, "JSON: a string is not UTF-8%s", "");
}

static json_t *number_at(encoder *e, int index) {
  if (lua_isinteger(e->L, index)) return json_integer(lua_tointeger(e->L, index));
  json_t *value = json_real(lua_tonumber(e->L, index));
  return value ? value : fail(e, "JSON: a number is not finite%s", "");
}

static json_t *value_at(encoder *e, int index, int depth) {
  lua_State *L = e->L;
  if (depth > DEPTH_MAX || !lua_checkstack(L, 8)) return fail(e, "JSON: nested too deep%s", "");
  switch (lua_type(L, index)) {
  case LUA_TSTRING: return string_at(e, index);
  case LUA_TNUMBER: return number_at(e, index);
  case LUA_TBOOLEAN: return json_boolean(lua_toboolean(L, index));
  case LUA_TNIL: return json_null();
  case LUA_TLIGHTUSERDATA:
    if (!lua_touserdata(L, index)) return json_null();
    break;
  case LUA_TTABLE:
    return is_array(L, index) ? array_at(e, index, depth + 1) : object_at(e, index, depth + 1);
  default: break;
  }
  return fail(e, "JSON: a %s cannot be encoded", luaL_typename(L, index));
}

static int flag(lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  int is_set = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is_set;
}

static int push_text(lua_State *L) {
  lua_pushstring(L, lua_touserdata(L, 1));
  return 1;
}

/* json.encode(value, { pretty = true, sort = true }) → string, or nil, message, "EARG" */
static int encode(lua_State *L) {
  encoder e = {L, ""};
  size_t flags = JSON_ENCODE_ANY | JSON_COMPACT;
  luaL_checkany(L, 1);
  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    if (flag(L, "pretty")) flags = JSON_ENCODE_ANY | JSON_INDENT(2);
    if (flag(L, "sort")) flags |= JSON_SORT_KEYS;
  }
  json_t *value = value_at(&e, 1, 0);
  char *text = value ? json_dumps(value, flags) : NULL;
  json_decref(value);
  if (!text) return mp_fail(L, MOONPOOL_EARG, e.message[0] ? e.message : "JSON: out of memory");
  lua_pushcfunction(L, push_text);
  lua_pushlightuserdata(L, text);
  int status = lua_pcall(L, 1, 1, 0);
  free(text);
  return status == LUA_OK ? 1 : lua_error(L);
}

/* json.array(table) → the table, marked as an array */
static int array(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  luaL_setmetatable(L, array_name);
  return 1;
}

/* json.is_utf8(text) → boolean (RFC 3629) */
static int is_utf8(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  json_t *value = json_stringn(text, len);
  lua_pushboolean(L, value != NULL);
  json_decref(value);
  return 1;
}

static const luaL_Reg functions[] = {
    {"decode", decode}, {"encode", encode}, {"array", array}, {"is_utf8", is_utf8}, {NULL, NULL}};

void mp_open_json(lua_State *L) {
  luaL_newlib(L, functions);
  luaL_newmetatable(L, array_name);
  lua_setfield(L, -2, "array_mt");
}
