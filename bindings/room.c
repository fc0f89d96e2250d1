/* The handles of rooms: making one, its properties, its end. What it does is in room_calls.c and
 * feed.c; moonpool's Lua makes its methods of that. */
#include "room.h"

#include <string.h>

static const char room_name[] = "moonpool.room", rooms_name[] = "moonpool.rooms";

mp_room_handle *mp_check_room_handle(lua_State *L) {
  mp_room_handle *h = luaL_testudata(L, 1, room_name);
  return h ? h : luaL_checkudata(L, 1, rooms_name);
}

mp_room_handle *mp_check_room(lua_State *L) {
  return luaL_checkudata(L, 1, room_name);
}

/* ---- being anchored -------------------------------------------------------------------------- */

static int is_needed(const mp_room_handle *h) {
  return h->joined > 0 || (h->feed && h->feed->sub.is_active);
}

void mp_room_anchor(lua_State *L, int index, mp_room_handle *h) {
  if (h->ref != LUA_NOREF || !is_needed(h)) return;
  lua_pushvalue(L, index);
  h->ref = mp_ref(L, h->runtime);
}

void mp_room_unanchor(mp_room_handle *h) {
  int ref = h->ref;
  if (ref == LUA_NOREF || is_needed(h)) return;
  h->ref = LUA_NOREF;
  mp_unref(h->runtime, ref);
}

/* ---- making one ------------------------------------------------------------------------------ */

/* Pushes a handle of the client at index 1, with the options at index 3. */
static mp_room_handle *new_handle(lua_State *L, mp_client *client, moonpool_bytes pattern,
                                  const char *metatable) {
  mp_room_handle *h = lua_newuserdatauv(L, sizeof *h + pattern.len, 4);
  *h = (mp_room_handle){.runtime = client->runtime,
                        .client = client,
                        .max_mailbox = client->max_mailbox,
                        .max_mailbox_bytes = client->max_mailbox_bytes,
                        .ref = LUA_NOREF,
                        .is_closed = 1,
                        .pattern_len = pattern.len};
  if (pattern.len) memcpy(h->pattern, pattern.data, pattern.len);
  mp_check_room_options(L, 3, h);
  luaL_setmetatable(L, metatable);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  for (int i = 2; i <= 4; i++) {
    lua_newtable(L);
    lua_setiuservalue(L, -2, i);
  }
  return h;
}

static int push_bytes(lua_State *L, moonpool_bytes bytes) {
  lua_pushlstring(L, bytes.data, bytes.len);
  return 1;
}

static void opened(mp_room_handle *h) {
  h->is_closed = 0;
  h->next = h->client->rooms;
  h->client->rooms = h;
}

/* client:room(name, options) → room, or nil, message, code */
static int room(lua_State *L) {
  char message[256];
  moonpool_bytes name;
  mp_client *client = mp_check_client(L, 1);
  name.data = luaL_checklstring(L, 2, &name.len);
  lua_settop(L, 3);
  mp_room_handle *h = new_handle(L, client, (moonpool_bytes){NULL, 0}, room_name);
  if (!client->core) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  int status =
      moonpool_room_open(&h->core, client->core, name, &h->options, message, sizeof message);
  if (status != MOONPOOL_OK) return mp_fail(L, status, message[0] ? message : NULL);
  opened(h);
  lua_getiuservalue(L, -1, 2);
  push_bytes(L, moonpool_room_get_name(h->core));
  lua_setfield(L, -2, "name");
  push_bytes(L, moonpool_room_get_channel(h->core));
  lua_setfield(L, -2, "channel");
  lua_pop(L, 1);
  return 1;
}

/* open_rooms(client, pattern, options) → rooms, or nil, message, code; the pattern is that of the
 * channels */
static int open_rooms(lua_State *L) {
  moonpool_bytes pattern;
  mp_client *client = mp_check_client(L, 1);
  pattern.data = luaL_checklstring(L, 2, &pattern.len);
  luaL_argcheck(L, pattern.len > 0, 2, "the pattern is empty");
  lua_settop(L, 3);
  mp_room_handle *h = new_handle(L, client, pattern, rooms_name);
  if (!client->core) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  h->options.backlog = NULL; /* it would live no longer than the table of options */
  opened(h);
  return 1;
}

/* ---- its end --------------------------------------------------------------------------------- */

static void end(mp_room_handle *h) {
  if (h->is_closed) return;
  h->is_closed = 1;
  mp_room_handle **at = &h->client->rooms;
  while (*at != h) at = &(*at)->next;
  *at = h->next;
  mp_feed_stop(h->feed);
  moonpool_room *core = h->core;
  h->core = NULL;
  moonpool_room_close(core);
  h->joined = 0;
  mp_room_unanchor(h);
}

/* room.close(handle): who joined by it leaves, and nothing comes any more. */
static int close_handle(lua_State *L) {
  end(mp_check_room_handle(L));
  return 0;
}

static int gc(lua_State *L) {
  mp_room_handle *h = mp_check_room_handle(L);
  mp_feed *feed = h->feed;
  end(h);
  h->feed = NULL;
  if (!feed) return 0;
  feed->handle = NULL;
  feed->sub.has_handle = 0;
  mp_feed_release(&feed->sub);
  return 0;
}

void mp_client_end_rooms(mp_client *client) {
  for (mp_room_handle *h = client->rooms; h; h = h->next) {
    h->joined = 0;
    mp_room_unanchor(h);
  }
}

/* ---- properties ------------------------------------------------------------------------------ */

/* Methods, and the properties name, channel and user, or pattern; closed. */
static int index_handle(lua_State *L) {
  mp_room_handle *h = mp_check_room_handle(L);
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL) return 1;
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "closed") == 0) {
    lua_pushboolean(L, h->is_closed);
    return 1;
  }
  if (h->pattern_len && strcmp(key, "pattern") == 0)
    return push_bytes(L, (moonpool_bytes){h->pattern, h->pattern_len});
  if (strcmp(key, "name") != 0 && strcmp(key, "channel") != 0 && strcmp(key, "user") != 0) return 0;
  lua_getiuservalue(L, 1, 2);
  lua_getfield(L, -1, key);
  return 1;
}

static int tostring_handle(lua_State *L) {
  mp_room_handle *h = mp_check_room_handle(L);
  lua_pushfstring(L, "%s (%s): %p", h->pattern_len ? rooms_name : room_name,
                  h->is_closed ? "closed" : "open", h);
  return 1;
}

/* room.state(handle) → the table in which moonpool's Lua keeps what it knows of it */
static int state(lua_State *L) {
  mp_check_room_handle(L);
  lua_getiuservalue(L, 1, 2);
  return 1;
}

/* room.client(handle) → the client that it is of */
static int client_of(lua_State *L) {
  mp_check_room_handle(L);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

/* room.joined(room, n): so many have joined by it, which keeps it from being collected */
static int joined(lua_State *L) {
  mp_room_handle *h = mp_check_room(L);
  h->joined = h->core ? mp_room_size(L, 2) : 0;
  mp_room_anchor(L, 1, h);
  mp_room_unanchor(h);
  return 0;
}

/* room_name(text) → name, or nil, message, code */
static int check_name(lua_State *L) {
  char message[256];
  moonpool_bytes text, name;
  luaL_checktype(L, 1, LUA_TSTRING);
  text.data = lua_tolstring(L, 1, &text.len);
  int status = moonpool_room_name(text, &name, message, sizeof message);
  if (status != MOONPOOL_OK) return mp_fail(L, status, message);
  return push_bytes(L, name);
}

/* ---- opening --------------------------------------------------------------------------------- */

void mp_set_room_methods(lua_State *L, int runtime_index) {
  static const luaL_Reg methods[] = {{"room", room}, {NULL, NULL}};
  mp_set_functions(L, methods, runtime_index);
}

/* The metatable; its methods are moonpool's Lua's to add. */
static void open_metatable(lua_State *L, const char *name, int runtime_index) {
  luaL_newmetatable(L, name);
  lua_pushvalue(L, runtime_index);
  lua_newtable(L);
  lua_pushcclosure(L, index_handle, 2);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, close_handle);
  lua_setfield(L, -2, "__close");
  lua_pushcfunction(L, tostring_handle);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
}

void mp_open_room(lua_State *L, int runtime_index) {
  static const luaL_Reg functions[] = {{"open_rooms", open_rooms},
                                       {"close", close_handle},
                                       {"state", state},
                                       {"client", client_of},
                                       {"joined", joined},
                                       {"check_name", check_name},
                                       {NULL, NULL}};
  open_metatable(L, room_name, runtime_index);
  open_metatable(L, rooms_name, runtime_index);
  lua_newtable(L);
  mp_set_functions(L, functions, runtime_index);
  mp_set_room_calls(L, runtime_index);
  mp_set_history_calls(L, runtime_index);
  mp_set_members_calls(L, runtime_index);
  mp_set_feed_functions(L, runtime_index);
  mp_set_message_functions(L, runtime_index);
  lua_setfield(L, -2, "room");
}
