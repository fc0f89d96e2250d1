/* Recorders: what the function of a pipeline or transaction gets. Every Redis command is a method
 * that adds it to the batch, and awaits nothing. */
#include "batch.h"

#include <stdio.h>
#include <stdlib.h>

static const char recorder_name[] = "moonpool.recorder";

mp_batch *mp_check_batch(lua_State *L, int index) {
  return luaL_checkudata(L, index, recorder_name);
}

/* Likewise for a function whose first upvalue is the runtime: as with clients, the metatable's
 * address saves looking it up by its name. */
static mp_batch *check_recorder(lua_State *L) {
  const mp_runtime *rt = mp_runtime_of(L);
  if (rt && lua_getmetatable(L, 1)) {
    int is_recorder = lua_topointer(L, -1) == rt->recorder_metatable;
    lua_pop(L, 1);
    if (is_recorder) return lua_touserdata(L, 1);
  }
  return mp_check_batch(L, 1);
}

/* ---- life ------------------------------------------------------------------------------------ */

mp_batch *mp_batch_new(lua_State *L, int index, mp_client *client, moonpool_batch_kind kind) {
  index = lua_absindex(L, index);
  mp_batch *b = lua_newuserdatauv(L, sizeof *b, 2);
  *b = (mp_batch){.client = client, .ref = LUA_NOREF, .results = LUA_NOREF, .kind = (uint8_t)kind};
  luaL_setmetatable(L, recorder_name);
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, 1);
  b->core = moonpool_batch_new(client->core);
  if (!b->core) {
    lua_pop(L, 1);
    return NULL;
  }
  b->next = client->batches;
  b->at = &client->batches;
  if (b->next) b->next->at = &b->next;
  client->batches = b;
  return b;
}

void mp_batch_sent(mp_batch *b) {
  if (!b->core) return;
  *b->at = b->next;
  if (b->next) b->next->at = b->at;
  b->core = NULL;
}

void mp_batch_drop(mp_batch *b) {
  moonpool_batch *core = b->core;
  mp_batch_sent(b);
  moonpool_batch_free(core);
}

void mp_client_drop_batches(mp_client *client) {
  while (client->batches) mp_batch_drop(client->batches);
}

static int gc(lua_State *L) {
  mp_batch *b = mp_check_batch(L, 1);
  mp_batch_drop(b);
  free(b->commands);
  mp_batch_drop_held(b);
  b->commands = NULL;
  b->room = 0;
  return 0;
}

/* ---- recording ------------------------------------------------------------------------------- */

void mp_batch_fail(mp_batch *b, size_t index, int status, const char *message) {
  if (b->status != MOONPOOL_OK) return;
  b->status = status;
  const char *name = index < b->count ? b->commands[index].name : "?";
  snprintf(b->message, sizeof b->message, "command %zu (%.64s): %s", index + 1, name, message);
}

static int keep(mp_batch *b, const char *name, const mp_shape *shape) {
  if (b->count == b->room) {
    size_t room = b->room ? b->room * 2 : 16;
    mp_recorded *commands = realloc(b->commands, room * sizeof *commands);
    if (!commands) return 0;
    b->commands = commands;
    b->room = room;
  }
  b->commands[b->count++] = (mp_recorded){name, shape};
  return 1;
}

/* Adds the command `word` with the arguments from index `first` on. What fails is told when the
 * function has returned: nothing is sent then. `is_shaped`: its reply may be a map. */
static int add(lua_State *L, mp_batch *b, moonpool_bytes word, int first, int is_shaped) {
  moonpool_bytes room[MP_WORDS_ROOM];
  size_t argc;
  const moonpool_bytes *argv = mp_check_words(L, word, first, room, &argc);
  if (b->is_over)
    return luaL_error(L, "%s: what records commands may only be used inside its function",
                      word.data);
  if (b->status != MOONPOOL_OK) return 0;
  int status = MOONPOOL_ENOMEM;
  if (keep(b, word.data, is_shaped ? mp_shape_of(argc, argv) : NULL))
    status = b->core ? moonpool_batch_add(b->core, argc, argv) : MOONPOOL_ECLOSED;
  if (status == MOONPOOL_OK) return 0;
  const char *hint = status == MOONPOOL_ENOSUPPORT ? moonpool_command_hint(argc, argv) : NULL;
  mp_batch_fail(b, b->count - 1, status, hint ? hint : moonpool_status_text(status));
  return 0;
}

/* recorder:NAME(...) → nothing. The second upvalue is the command's name. */
static int record(lua_State *L) {
  moonpool_bytes word;
  mp_batch *b = check_recorder(L);
  word.data = lua_tolstring(L, lua_upvalueindex(2), &word.len);
  return add(L, b, word, 2, 0);
}

/* Likewise of a command whose reply may be a map. */
static int record_shaped(lua_State *L) {
  moonpool_bytes word;
  mp_batch *b = check_recorder(L);
  word.data = lua_tolstring(L, lua_upvalueindex(2), &word.len);
  return add(L, b, word, 2, 1);
}

/* Has the batch keep the string at index 2. */
static void anchor_name(lua_State *L) {
  if (lua_getiuservalue(L, 1, 2) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, 2);
  }
  lua_pushvalue(L, 2);
  lua_pushboolean(L, 1);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* recorder:call("NAME", ...), likewise */
static int call(lua_State *L) {
  moonpool_bytes word;
  mp_batch *b = check_recorder(L);
  word.data = luaL_checklstring(L, 2, &word.len);
  anchor_name(L);
  return add(L, b, word, 3, 1);
}

static int make_method(lua_State *L) {
  lua_settop(L, 2);
  return lua_type(L, 2) == LUA_TSTRING ? mp_push_new_command(L, record, record_shaped) : 0;
}

static int tostring_recorder(lua_State *L) {
  mp_batch *b = mp_check_batch(L, 1);
  lua_pushfstring(L, "%s (%d commands): %p", recorder_name, (int)b->count, b);
  return 1;
}

static const luaL_Reg methods[] = {{"call", call}, {NULL, NULL}};

void mp_open_recorder(lua_State *L, int runtime_index) {
  mp_runtime *rt = lua_touserdata(L, runtime_index);
  luaL_newmetatable(L, recorder_name);
  rt->recorder_metatable = lua_topointer(L, -1);
  lua_newtable(L);
  mp_set_functions(L, methods, runtime_index);
  mp_set_index(L, runtime_index, make_method);
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, tostring_recorder);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
}
