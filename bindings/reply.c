/* Redis's replies as Lua values: integers stay integers, nil alone is nil and inside a list
 * moonpool.null (a light userdata), maps are tables by key, sets and arrays lists, errors inside
 * them objects. The core bounds how deep replies are nested, and so the recursion here. */
#include "runtime.h"

#define TABLE_MAX (1024 * 1024)

static const char error_name[] = "moonpool.error";

static void push_element(lua_State *L, const moonpool_reply *reply) {
  if (reply->type == MOONPOOL_NIL)
    lua_pushlightuserdata(L, NULL);
  else
    mp_push_reply(L, reply);
}

int mp_reply_table_size(size_t count) {
  return count > TABLE_MAX ? TABLE_MAX : (int)count;
}

void mp_push_reply_key(lua_State *L, const moonpool_reply *key) {
  int is_nan = key->type == MOONPOOL_DOUBLE && key->u.number != key->u.number;
  if (is_nan)
    lua_pushliteral(L, "nan");
  else
    push_element(L, key);
}

static void push_list(lua_State *L, const moonpool_reply *list) {
  lua_createtable(L, mp_reply_table_size(list->u.list.count), 0);
  lua_Integer i = 1;
  for (const moonpool_reply *e = list->u.list.first; e; e = e->next) {
    push_element(L, e);
    lua_rawseti(L, -2, i++);
  }
}

static void push_map(lua_State *L, const moonpool_reply *map) {
  lua_createtable(L, 0, mp_reply_table_size(map->u.list.count / 2));
  for (const moonpool_reply *key = map->u.list.first; key && key->next; key = key->next->next) {
    mp_push_reply_key(L, key);
    push_element(L, key->next);
    lua_rawset(L, -3);
  }
}

void mp_push_error(lua_State *L, int status, const char *message, size_t len) {
  lua_createtable(L, 0, 4);
  lua_pushlstring(L, message, len);
  lua_setfield(L, -2, "message");
  lua_pushstring(L, moonpool_status_name(status));
  lua_setfield(L, -2, "code");
  luaL_setmetatable(L, error_name);
}

/* A verbatim string's text, without its "txt:". */
static void push_verbatim(lua_State *L, const moonpool_bytes *text) {
  size_t skip = text->len >= 4 && text->data[3] == ':' ? 4 : 0;
  lua_pushlstring(L, text->data + skip, text->len - skip);
}

void mp_push_reply(lua_State *L, const moonpool_reply *reply) {
  luaL_checkstack(L, 4, "nested reply");
  switch (reply->type) {
  case MOONPOOL_NIL: lua_pushnil(L); break;
  case MOONPOOL_INTEGER: mp_push_integer(L, reply->u.integer); break;
  case MOONPOOL_BOOL: lua_pushboolean(L, (int)reply->u.integer); break;
  case MOONPOOL_DOUBLE: lua_pushnumber(L, reply->u.number); break;
  case MOONPOOL_MAP: push_map(L, reply); break;
  case MOONPOOL_ARRAY:
  case MOONPOOL_SET:
  case MOONPOOL_PUSH: push_list(L, reply); break;
  case MOONPOOL_ERROR:
    mp_push_error(L, moonpool_reply_status(reply), reply->u.string.data, reply->u.string.len);
    break;
  case MOONPOOL_VERB: push_verbatim(L, &reply->u.string); break;
  default: lua_pushlstring(L, reply->u.string.data, reply->u.string.len); break;
  }
}

/* moonpool.is_error(value): is it an error that stands for a reply, such as one inside a list? */
static int is_error(lua_State *L) {
  lua_settop(L, 1);
  int is = lua_istable(L, 1) && lua_getmetatable(L, 1) &&
           luaL_getmetatable(L, error_name) == LUA_TTABLE && lua_rawequal(L, -1, -2);
  lua_pushboolean(L, is);
  return 1;
}

static int error_tostring(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "message");
  return 1;
}

void mp_open_reply(lua_State *L) {
  luaL_newmetatable(L, error_name);
  lua_pushcfunction(L, error_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  lua_pushcfunction(L, is_error);
  lua_setfield(L, -2, "is_error");
}
