/* The client handle: connecting, its end. */
#include "room.h"

static const char client_name[] = "moonpool.client";

/* Every command checks its client: the metatable's address saves looking it up by its name. */
mp_client *mp_check_client(lua_State *L, int index) {
  const mp_runtime *rt = mp_runtime_of(L);
  if (rt && lua_getmetatable(L, index)) {
    int is_client = lua_topointer(L, -1) == rt->client_metatable;
    lua_pop(L, 1);
    if (is_client) return lua_touserdata(L, index);
  }
  return luaL_checkudata(L, index, client_name);
}

mp_client *mp_test_client(lua_State *L, int index) {
  return luaL_testudata(L, index, client_name);
}

void mp_push_client(lua_State *L, mp_client *client) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, client->runtime->clients);
  lua_rawgetp(L, -1, client);
  lua_remove(L, -2);
}

/* ---- connecting ------------------------------------------------------------------------------ */

static mp_client *new_client(lua_State *L, mp_runtime *rt) {
  mp_client *client = lua_newuserdatauv(L, sizeof *client, 1);
  *client = (mp_client){.runtime = rt,
                        .ref = LUA_NOREF,
                        .undrained_ref = LUA_NOREF,
                        .max_retries = 8,
                        .max_mailbox = 100000,
                        .max_mailbox_bytes = (size_t)64 << 20};
  luaL_setmetatable(L, client_name);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->clients);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, client);
  lua_pop(L, 1);
  return client;
}

static int push_connected(lua_State *L, void *ctx) {
  mp_push_client(L, ctx);
  return 1;
}

static void on_first_ready(moonpool *core, const moonpool_error *error, void *ctx) {
  mp_waiter *w = ctx;
  mp_client *client = w->owner;
  (void)core;
  if (!error) {
    mp_wake_push(w, push_connected, client);
    return;
  }
  moonpool *lost = client->core;
  client->core = NULL;
  moonpool_close(lost, NULL, NULL);
  mp_wake_error(w, error);
}

/* moonpool.connect(url | options) → client, or nil, message, code */
static int connect_client(lua_State *L) {
  mp_runtime *rt = mp_runtime_of(L);
  char message[256];
  moonpool_options options;
  lua_settop(L, 1);
  mp_client *client = new_client(L, rt); /* stays on the stack until the wait is over */
  mp_check_options(L, 1, &options, client);
  options.allocator = rt->allocator;
  client->command_timeout = options.command_timeout;
  client->backoff_min = options.backoff_min;
  mp_waiter *w = mp_wait_begin(L, rt);
  int status = moonpool_open(&client->core, &rt->loop, &options, message, sizeof message);
  if (status != MOONPOOL_OK) return mp_fail(L, status, message[0] ? message : NULL);
  moonpool_set_drain(client->core, mp_on_drain, client);
  w->owner = client;
  moonpool_ready(client->core, on_first_ready, w);
  return mp_wait(L, w);
}

/* ---- the rest -------------------------------------------------------------------------------- */

/* client:close() → true. What is pending completes with ECLOSED. */
static int close_client(lua_State *L) {
  mp_client *client = mp_check_client(L, 1);
  moonpool *core = client->core;
  client->core = NULL;
  mp_client_drop_batches(client);
  mp_client_end_rooms(client);
  moonpool_close(core, NULL, NULL);
  mp_end_retries(client);
  lua_pushboolean(L, 1);
  return 1;
}

/* A client that is collected has nobody who waits for it, unless the whole state ends: then what
 * still waits must not run any more. */
static int gc(lua_State *L) {
  mp_client *client = mp_check_client(L, 1);
  int before = client->runtime->is_closing;
  client->runtime->is_closing = 1;
  close_client(L);
  mp_feed_drop_all(client);
  client->runtime->is_closing = before;
  return 0;
}

static int tostring_client(lua_State *L) {
  mp_client *client = mp_check_client(L, 1);
  lua_pushfstring(L, "%s (%s): %p", client_name,
                  client->core ? moonpool_address(client->core) : "closed", client);
  return 1;
}

static const luaL_Reg methods[] = {{"close", close_client}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"connect", connect_client}, {NULL, NULL}};

void mp_open_client(lua_State *L, int runtime_index) {
  luaL_newmetatable(L, client_name);
  mp_runtime *rt = lua_touserdata(L, runtime_index);
  rt->client_metatable = lua_topointer(L, -1);
  lua_newtable(L);
  mp_set_functions(L, methods, runtime_index);
  mp_set_command_methods(L, runtime_index);
  mp_set_batch_methods(L, runtime_index);
  mp_set_seeing_methods(L, runtime_index);
  mp_set_view_methods(L, runtime_index);
  mp_set_script_methods(L, runtime_index);
  mp_set_subscribe_methods(L, runtime_index);
  mp_set_room_methods(L, runtime_index);
  mp_set_index(L, runtime_index, mp_make_command);
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, close_client);
  lua_setfield(L, -2, "__close");
  lua_pushcfunction(L, tostring_client);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  mp_set_functions(L, functions, runtime_index);
}
