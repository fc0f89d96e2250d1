/* Views: client:with { timeout = seconds } is the same client with another deadline. */
#include "handles.h"

#include <string.h>

static const char view_name[] = "moonpool.view";

/* A userdata; user value 1 is the client's. */
typedef struct view {
  mp_client *client;
  uint64_t timeout; /* as moonpool_command takes it */
} view;

uint64_t mp_check_timeout_option(lua_State *L, int index, uint64_t otherwise) {
  uint64_t timeout = otherwise;
  if (lua_isnoneornil(L, index)) return timeout;
  luaL_checktype(L, index, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || strcmp(lua_tostring(L, -2), "timeout") != 0)
      luaL_error(L, "unknown option '%s'", luaL_tolstring(L, -2, NULL));
    timeout = mp_check_time_option(L, "timeout");
    if (timeout == 0) timeout = UINT64_MAX;
  }
  return timeout;
}

mp_client *mp_target_of(lua_State *L, int index, uint64_t *timeout) {
  const view *v = luaL_testudata(L, index, view_name);
  *timeout = v ? v->timeout : 0;
  return v ? v->client : mp_test_client(L, index);
}

mp_client *mp_check_target(lua_State *L, int index, uint64_t *timeout) {
  const view *v = luaL_testudata(L, index, view_name);
  *timeout = v ? v->timeout : 0;
  return v ? v->client : mp_check_client(L, index);
}

/* client:with { timeout = seconds } → view; 0: no deadline */
static int with(lua_State *L) {
  uint64_t before;
  mp_client *client = mp_check_target(L, 1, &before);
  lua_settop(L, 2);
  luaL_checktype(L, 2, LUA_TTABLE);
  uint64_t timeout = mp_check_timeout_option(L, 2, before);
  view *v = lua_newuserdatauv(L, sizeof *v, 1);
  *v = (view){client, timeout};
  luaL_setmetatable(L, view_name);
  if (luaL_testudata(L, 1, view_name))
    lua_getiuservalue(L, 1, 1);
  else
    lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

static const view *check_view(lua_State *L) {
  return luaL_checkudata(L, 1, view_name);
}

/* view:NAME(...), as client:NAME(...). The second upvalue is the command's name. */
static int command(lua_State *L) {
  moonpool_bytes word;
  const view *v = check_view(L);
  word.data = lua_tolstring(L, lua_upvalueindex(2), &word.len);
  return mp_send_command(L, v->client, v->timeout, word, 2);
}

/* view:call("NAME", ...), likewise */
static int call(lua_State *L) {
  moonpool_bytes word;
  const view *v = check_view(L);
  word.data = luaL_checklstring(L, 2, &word.len);
  return mp_send_command(L, v->client, v->timeout, word, 3);
}

/* What a client can and a view does not: it must not pass for a command. */
static int is_of_the_client(const char *name) {
  static const char *const names[] = {"close",         "state",     "stats",      "on",
                                      "subscriptions", "subscribe", "psubscribe", "ssubscribe",
                                      "prepare",       "address",   "room",       "rooms"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(name, names[i]) == 0) return 1;
  return 0;
}

static int make_method(lua_State *L) {
  lua_settop(L, 2);
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  if (is_of_the_client(lua_tostring(L, 2)))
    return luaL_error(L, "%s: it belongs to the client, not to a view of it", lua_tostring(L, 2));
  return mp_push_new_command(L, command, command);
}

static int tostring_view(lua_State *L) {
  const view *v = check_view(L);
  if (v->timeout == UINT64_MAX)
    lua_pushfstring(L, "%s (no timeout): %p", view_name, v);
  else
    lua_pushfstring(L, "%s (timeout %f s): %p", view_name, (lua_Number)v->timeout / 1000, v);
  return 1;
}

static const luaL_Reg client_methods[] = {{"with", with}, {NULL, NULL}};
static const luaL_Reg methods[] = {{"with", with}, {"call", call}, {NULL, NULL}};

void mp_set_view_methods(lua_State *L, int runtime_index) {
  mp_set_functions(L, client_methods, runtime_index);
}

void mp_open_view(lua_State *L, int runtime_index) {
  luaL_newmetatable(L, view_name);
  lua_newtable(L);
  mp_set_functions(L, methods, runtime_index);
  mp_set_batch_methods(L, runtime_index);
  mp_set_index(L, runtime_index, make_method);
  lua_pushcfunction(L, tostring_view);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
}
