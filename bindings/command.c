/* Commands: a client's methods that send one and await its reply. */
#include "handles.h"

#include <ctype.h>
#include <string.h>

#include "shape.h"

#define COMMAND_NAME 128 /* longest method name that is taken for a command */

/* ---- replies --------------------------------------------------------------------------------- */

static int push_reply(lua_State *L, void *ctx) {
  mp_push_reply(L, ctx);
  return 1;
}

/* What needs no memory of Lua's is pushed at once; the rest inside the task. */
void mp_on_reply(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_waiter *w = ctx;
  if (error) {
    mp_wake_error(w, error);
  } else if (reply->type == MOONPOOL_INTEGER) {
    mp_push_integer(w->L, reply->u.integer);
    mp_wake_now(w, 1);
  } else if (reply->type == MOONPOOL_NIL) {
    lua_pushnil(w->L);
    mp_wake_now(w, 1);
  } else {
    mp_wake_inside(w, push_reply, (void *)reply);
  }
}

/* Likewise for a command that may be sent again. */
static void on_reply(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  if (!error || !reply || !mp_retry_later(ctx, reply, on_reply)) mp_on_reply(reply, error, ctx);
}

/* ---- replies that are maps ------------------------------------------------------------------- */

typedef struct shaped {
  const moonpool_reply *reply;
  const mp_shape *shape;
} shaped;

static int push_shaped(lua_State *L, void *ctx) {
  const shaped *s = ctx;
  if (s->reply->type == MOONPOOL_NIL)
    lua_pushnil(L);
  else
    mp_push_shaped(L, s->reply, s->shape);
  return 1;
}

void mp_on_shaped_reply(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_waiter *w = ctx;
  shaped s = {reply, w->owner};
  if (error)
    mp_wake_error(w, error);
  else
    mp_wake_inside(w, push_shaped, &s);
}

static void on_shaped_reply(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  if (!error || !reply || !mp_retry_later(ctx, reply, on_shaped_reply))
    mp_on_shaped_reply(reply, error, ctx);
}

/* ---- sending --------------------------------------------------------------------------------- */

int mp_fail_command(lua_State *L, int status, size_t argc, const moonpool_bytes *argv) {
  const char *hint = status == MOONPOOL_ENOSUPPORT ? moonpool_command_hint(argc, argv) : NULL;
  if (!hint) return mp_fail(L, status, NULL);
  lua_pushlstring(L, argv[0].data, argv[0].len);
  lua_pushfstring(L, "%s: %s", lua_tostring(L, -1), hint);
  return mp_fail(L, status, lua_tostring(L, -1));
}

/* As mp_send_command; `is_shaped`: the reply may be a map, the words tell. */
static int send_command(lua_State *L, mp_client *client, uint64_t timeout, moonpool_bytes word,
                        int first, int is_shaped) {
  moonpool_bytes room[MP_WORDS_ROOM];
  size_t argc;
  const moonpool_bytes *argv = mp_check_words(L, word, first, room, &argc);
  if (!client->core) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  mp_waiter *w = mp_wait_begin(L, client->runtime);
  w->since = uv_now(&client->runtime->loop);
  const mp_shape *shape = is_shaped ? mp_shape_of(argc, argv) : NULL;
  if (shape) w->owner = (void *)shape;
  moonpool_reply_cb cb = shape ? on_shaped_reply : on_reply;
  int status = moonpool_command(client->core, argc, argv, timeout, cb, w);
  if (status != MOONPOOL_OK) return mp_fail_command(L, status, argc, argv);
  return mp_wait(L, w);
}

int mp_send_command(lua_State *L, mp_client *client, uint64_t timeout, moonpool_bytes word,
                    int first) {
  return send_command(L, client, timeout, word, first, 1);
}

/* client:NAME(...) → value, or nil, message, code. The second upvalue is the command's name. */
static int command(lua_State *L) {
  moonpool_bytes word;
  mp_client *client = mp_check_client(L, 1);
  word.data = lua_tolstring(L, lua_upvalueindex(2), &word.len);
  return send_command(L, client, 0, word, 2, 0);
}

/* Likewise of a command whose reply may be a map. */
static int shaped_command(lua_State *L) {
  moonpool_bytes word;
  mp_client *client = mp_check_client(L, 1);
  word.data = lua_tolstring(L, lua_upvalueindex(2), &word.len);
  return send_command(L, client, 0, word, 2, 1);
}

/* client:call("NAME", ...), likewise */
static int call(lua_State *L) {
  moonpool_bytes word;
  mp_client *client = mp_check_client(L, 1);
  word.data = luaL_checklstring(L, 2, &word.len);
  return mp_send_command(L, client, 0, word, 3);
}

int mp_make_command(lua_State *L) {
  lua_settop(L, 2);
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  return mp_push_new_command(L, command, shaped_command);
}

void mp_set_index(lua_State *L, int runtime_index, lua_CFunction make) {
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, runtime_index);
  lua_pushvalue(L, -3);
  lua_pushcclosure(L, make, 2);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "__index");
}

int mp_push_new_command(lua_State *L, lua_CFunction send, lua_CFunction send_shaped) {
  size_t len;
  char upper[COMMAND_NAME];
  const char *name = lua_tolstring(L, 2, &len);
  if (len == 0 || len >= sizeof upper) return 0;
  for (size_t i = 0; i < len; i++) {
    if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i])) return 0;
    upper[i] = (char)toupper((unsigned char)name[i]);
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushlstring(L, upper, len);
  lua_pushcclosure(L, mp_shape_may_be_of(upper, len) ? send_shaped : send, 2);
  mp_wrap(L, lua_touserdata(L, lua_upvalueindex(1)));
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_rawset(L, lua_upvalueindex(2));
  return 1;
}

static const luaL_Reg methods[] = {{"call", call}, {NULL, NULL}};

void mp_set_command_methods(lua_State *L, int runtime_index) {
  mp_set_functions(L, methods, runtime_index);
}
