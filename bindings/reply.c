/* Redis's replies as Lua values: integers stay integers, nil alone is nil and inside a list
 * moonpool.null (a light userdata), maps are tables by key, sets and arrays lists. */
#include "runtime.h"

static void push_list(lua_State *L, const moonpool_reply *list);

static void push_element(lua_State *L, const moonpool_reply *reply) {
  if (reply->type == MOONPOOL_NIL)
    lua_pushlightuserdata(L, NULL);
  else
    mp_push_reply(L, reply);
}

static void push_list(lua_State *L, const moonpool_reply *list) {
  size_t n = list->u.list.count;
  lua_createtable(L, n > 1024 * 1024 ? 1024 * 1024 : (int)n, 0);
  lua_Integer i = 1;
  for (const moonpool_reply *e = list->u.list.first; e; e = e->next) {
    push_element(L, e);
    lua_rawseti(L, -2, i++);
  }
}

static void push_map(lua_State *L, const moonpool_reply *map) {
  lua_createtable(L, 0, (int)(map->u.list.count / 2));
  for (const moonpool_reply *key = map->u.list.first; key && key->next; key = key->next->next) {
    push_element(L, key);
    if (key->type == MOONPOOL_DOUBLE && key->u.number != key->u.number) { /* NaN cannot be a key */
      lua_pop(L, 1);
      lua_pushliteral(L, "nan");
    }
    push_element(L, key->next);
    lua_rawset(L, -3);
  }
}

/* An error inside a list: { message = "WRONGTYPE …", code = "EREDIS" } */
static void push_error(lua_State *L, const moonpool_reply *reply) {
  lua_createtable(L, 0, 2);
  lua_pushlstring(L, reply->u.string.data, reply->u.string.len);
  lua_setfield(L, -2, "message");
  lua_pushstring(L, moonpool_status_name(MOONPOOL_EREDIS));
  lua_setfield(L, -2, "code");
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
  case MOONPOOL_INTEGER: lua_pushinteger(L, reply->u.integer); break;
  case MOONPOOL_BOOL: lua_pushboolean(L, (int)reply->u.integer); break;
  case MOONPOOL_DOUBLE: lua_pushnumber(L, reply->u.number); break;
  case MOONPOOL_MAP:
  case MOONPOOL_ATTR: push_map(L, reply); break;
  case MOONPOOL_ARRAY:
  case MOONPOOL_SET:
  case MOONPOOL_PUSH: push_list(L, reply); break;
  case MOONPOOL_ERROR: push_error(L, reply); break;
  case MOONPOOL_VERB: push_verbatim(L, &reply->u.string); break;
  default: lua_pushlstring(L, reply->u.string.data, reply->u.string.len); break;
  }
}
