/* Prepared scripts: handles that are called like functions. */
#include "handles.h"

#include <string.h>

static const char script_name[] = "moonpool.script";

/* A userdata. User value 1 is the client's, which lives as long. */
typedef struct mp_script {
  mp_client *client;
  moonpool_script *core; /* NULL: not prepared yet, or in vain */
  mp_waiter *waiter;
  int ref; /* anchors it while it is being prepared */
} mp_script;

static mp_script *check_script(lua_State *L, int index) {
  return luaL_checkudata(L, index, script_name);
}

/* ---- preparing ------------------------------------------------------------------------------- */

static int push_script(lua_State *L, void *ctx) {
  mp_script *s = ctx;
  mp_push_ref(L, s->client->runtime, s->ref);
  return 1;
}

static void on_prepared(moonpool_script *core, const moonpool_error *error, void *ctx) {
  mp_script *s = ctx;
  mp_runtime *rt = s->client->runtime;
  int ref = s->ref;
  s->core = core;
  if (!rt->is_closing) {
    if (error)
      mp_wake_error(s->waiter, error);
    else
      mp_wake_push(s->waiter, push_script, s);
  }
  mp_unref(rt, ref);
}

static mp_script *new_script(lua_State *L, mp_client *client) {
  mp_script *s = lua_newuserdatauv(L, sizeof *s, 1);
  *s = (mp_script){.client = client, .ref = LUA_NOREF};
  luaL_setmetatable(L, script_name);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  return s;
}

/* client:prepare(source, { timeout = }) → script, or nil, message, code */
static int prepare(lua_State *L) {
  mp_client *client = mp_check_client(L, 1);
  moonpool_bytes source;
  lua_settop(L, 3);
  luaL_checktype(L, 2, LUA_TSTRING);
  source.data = lua_tolstring(L, 2, &source.len);
  uint64_t timeout = mp_check_timeout_option(L, 3, 0);
  if (!client->core) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  mp_script *s = new_script(L, client);
  s->waiter = mp_wait_begin(L, client->runtime);
  lua_pushvalue(L, -1);
  s->ref = mp_ref(L, client->runtime);
  int status = moonpool_prepare(client->core, source, timeout, on_prepared, s);
  if (status == MOONPOOL_OK) return mp_wait(L, s->waiter);
  mp_unref(client->runtime, s->ref);
  return mp_fail(L, status, NULL);
}

/* ---- calling --------------------------------------------------------------------------------- */

/* The elements of the list at `index`, or none of nil: pushed, and as bytes in `room` or in what is
 * pushed last. `what` names them in errors. */
static const moonpool_bytes *check_list(lua_State *L, int index, const char *what,
                                        moonpool_bytes *room, size_t *count) {
  moonpool_bytes name = {what, strlen(what)};
  int first = lua_gettop(L) + 1;
  if (!lua_isnil(L, index)) {
    luaL_checktype(L, index, LUA_TTABLE);
    lua_Integer n = luaL_len(L, index);
    luaL_argcheck(L, n < INT32_MAX, index, "too many elements");
    luaL_checkstack(L, (int)n + 2, "arguments of a script");
    for (lua_Integer i = 1; i <= n; i++) lua_geti(L, index, i);
  }
  const moonpool_bytes *words = mp_check_words(L, name, first, room, count);
  --*count;
  return words + 1;
}

/* script(keys, args, { timeout = }), or script:call(…) → value, or nil, message, code */
static int call(lua_State *L) {
  mp_script *s = check_script(L, 1);
  moonpool_bytes key_room[MP_WORDS_ROOM], arg_room[MP_WORDS_ROOM];
  size_t key_count, arg_count;
  lua_settop(L, 4);
  uint64_t timeout = mp_check_timeout_option(L, 4, 0);
  const moonpool_bytes *keys = check_list(L, 2, "KEYS", key_room, &key_count);
  const moonpool_bytes *args = check_list(L, 3, "ARGV", arg_room, &arg_count);
  if (!s->client->core || !s->core) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  mp_waiter *w = mp_wait_begin(L, s->client->runtime);
  int status =
      moonpool_script_call(s->core, key_count, keys, arg_count, args, timeout, mp_on_reply, w);
  if (status != MOONPOOL_OK) return mp_fail(L, status, NULL);
  return mp_wait(L, w);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static int index_script(lua_State *L) {
  mp_script *s = check_script(L, 1);
  const char *key = luaL_checkstring(L, 2);
  if (strcmp(key, "sha") == 0 && s->core) {
    lua_pushstring(L, moonpool_script_sha(s->core));
    return 1;
  }
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(2));
  return 1;
}

static int gc(lua_State *L) {
  mp_script *s = check_script(L, 1);
  moonpool_script_free(s->core);
  s->core = NULL;
  return 0;
}

static int tostring_script(lua_State *L) {
  mp_script *s = check_script(L, 1);
  lua_pushfstring(L, "%s (%s)", script_name, s->core ? moonpool_script_sha(s->core) : "none");
  return 1;
}

static const luaL_Reg client_methods[] = {{"prepare", prepare}, {NULL, NULL}};
static const luaL_Reg methods[] = {{"call", call}, {NULL, NULL}};

void mp_set_script_methods(lua_State *L, int runtime_index) {
  mp_set_functions(L, client_methods, runtime_index);
}

void mp_open_script(lua_State *L, int runtime_index) {
  luaL_newmetatable(L, script_name);
  lua_pushvalue(L, runtime_index);
  lua_newtable(L);
  mp_set_functions(L, methods, runtime_index);
  lua_pushcclosure(L, index_script, 2);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, call);
  mp_wrap(L, lua_touserdata(L, runtime_index));
  lua_setfield(L, -2, "__call");
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, tostring_script);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
}
