/* Sessions: a link of the pool for as long as moonpool.optimistic needs it. The handle's methods
 * are Redis's commands, on that link; what else can be done with it are functions of a table of
 * their own, moonpool.core.session, so that a program which gets the handle cannot give the link
 * back. */
#include "batch.h"

#include <string.h>

#include "shape.h"

static const char session_name[] = "moonpool.session";

/* A userdata; user value 1 is the client's. */
typedef struct session {
  mp_client *client;
  moonpool_session *core; /* NULL: not yet, or given back; the client's close ends it, too */
  uint64_t deadline;      /* ms of the loop's clock for all of it; UINT64_MAX: none */
  int has_deadline;       /* else each command has the client's own */
  mp_waiter *waiter;
  int ref; /* anchors it while it waits for its link */
} session;

static session *check_session(lua_State *L) {
  return luaL_checkudata(L, 1, session_name);
}

static int is_open(const session *s) {
  return s->core && s->client->core;
}

/* What is left of the deadline as moonpool_command takes it; 0 with `is_late` set: nothing. */
static uint64_t time_left(session *s, int *is_late) {
  uv_loop_t *loop = &s->client->runtime->loop;
  *is_late = 0;
  if (!s->has_deadline) return 0;
  if (s->deadline == UINT64_MAX) return UINT64_MAX;
  uv_update_time(loop);
  *is_late = s->deadline <= uv_now(loop);
  return *is_late ? 0 : s->deadline - uv_now(loop);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void on_session(moonpool_session *core, const moonpool_error *error, void *ctx) {
  session *s = ctx;
  mp_runtime *rt = s->client->runtime;
  mp_waiter *w = s->waiter;
  int ref = s->ref;
  s->ref = LUA_NOREF;
  s->core = core;
  if (rt->is_closing) return;
  if (error) {
    mp_unref(rt, ref);
    mp_wake_error(w, error);
  } else if (lua_checkstack(w->L, 3)) {
    mp_push_ref(w->L, rt, ref);
    mp_unref(rt, ref);
    mp_wake_now(w, 1);
  } else {
    moonpool_error no_room = {MOONPOOL_ENOMEM, moonpool_status_text(MOONPOOL_ENOMEM)};
    mp_unref(rt, ref);
    mp_wake_error(w, &no_room);
  }
}

/* open(client or view, seconds or nil) → session, or nil, message, code. Seconds, 0 for none, are
 * for all that is done with it. */
static int open_session(lua_State *L) {
  uint64_t timeout;
  mp_client *client = mp_check_target(L, 1, &timeout);
  mp_runtime *rt = client->runtime;
  lua_settop(L, 2);
  if (!lua_isnil(L, 2)) {
    timeout = mp_check_time_option(L, "timeout");
    if (timeout == 0) timeout = UINT64_MAX;
  }
  mp_waiter *w = mp_wait_begin(L, rt);
  if (!client->core) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  session *s = lua_newuserdatauv(L, sizeof *s, 1);
  *s = (session){.client = client, .ref = LUA_NOREF, .waiter = w, .has_deadline = timeout != 0};
  uv_update_time(&rt->loop);
  s->deadline = timeout < UINT64_MAX - uv_now(&rt->loop) ? uv_now(&rt->loop) + timeout : UINT64_MAX;
  luaL_setmetatable(L, session_name);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  s->ref = mp_ref(L, rt);
  int status = moonpool_session_open(client->core, timeout, on_session, s);
  if (status == MOONPOOL_OK) return mp_wait(L, w);
  int ref = s->ref;
  s->ref = LUA_NOREF;
  mp_unref(rt, ref);
  return mp_fail(L, status, NULL);
}

/* ---- commands -------------------------------------------------------------------------------- */

static int send_command(lua_State *L, moonpool_bytes word, int first) {
  session *s = check_session(L);
  moonpool_bytes room[MP_WORDS_ROOM];
  size_t argc;
  int is_late;
  const moonpool_bytes *argv = mp_check_words(L, word, first, room, &argc);
  if (!s->client->core) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  if (!s->core)
    return luaL_error(L, "%s: what reads watched keys may only be used inside its function",
                      word.data);
  mp_waiter *w = mp_wait_begin(L, s->client->runtime);
  uint64_t timeout = time_left(s, &is_late);
  if (is_late) return mp_fail(L, MOONPOOL_ETIMEOUT, NULL);
  const mp_shape *shape = mp_shape_of(argc, argv);
  if (shape) w->owner = (void *)shape;
  moonpool_reply_cb cb = shape ? mp_on_shaped_reply : mp_on_reply;
  int status = moonpool_session_command(s->core, argc, argv, timeout, cb, w);
  if (status != MOONPOOL_OK) return mp_fail_command(L, status, argc, argv);
  return mp_wait(L, w);
}

/* session:NAME(...) → value, or nil, message, code. The second upvalue is the command's name. */
static int command(lua_State *L) {
  moonpool_bytes word;
  word.data = lua_tolstring(L, lua_upvalueindex(2), &word.len);
  return send_command(L, word, 2);
}

/* session:call("NAME", ...), likewise */
static int call(lua_State *L) {
  moonpool_bytes word;
  check_session(L);
  word.data = luaL_checklstring(L, 2, &word.len);
  return send_command(L, word, 3);
}

static int make_method(lua_State *L) {
  lua_settop(L, 2);
  return lua_type(L, 2) == LUA_TSTRING ? mp_push_new_command(L, command, command) : 0;
}

/* ---- its transaction and end ----------------------------------------------------------------- */

/* record(session) → recorder of a transaction on it, or nil, message, code */
static int record(lua_State *L) {
  session *s = check_session(L);
  if (!is_open(s)) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  lua_getiuservalue(L, 1, 1);
  if (!mp_batch_new(L, -1, s->client, MOONPOOL_TRANSACTION))
    return mp_fail(L, MOONPOOL_ENOMEM, NULL);
  return 1;
}

/* execute(session, recorder) → as transaction */
static int execute(lua_State *L) {
  session *s = check_session(L);
  mp_batch *b = mp_check_batch(L, 2);
  int is_late;
  uint64_t timeout = time_left(s, &is_late);
  b->is_over = 1;
  if (is_open(s) && !is_late) return mp_batch_send(L, 2, s->core, timeout);
  mp_batch_drop(b);
  return mp_fail(L, is_late ? MOONPOOL_ETIMEOUT : MOONPOOL_ECLOSED, NULL);
}

/* close(session, recorder or nil): gives the link back; the recorder records no more. Twice is
 * fine.
 */
static int close_session(lua_State *L) {
  session *s = check_session(L);
  if (!lua_isnoneornil(L, 2)) {
    mp_batch *b = mp_check_batch(L, 2);
    b->is_over = 1;
    mp_batch_drop(b);
  }
  moonpool_session *core = is_open(s) ? s->core : NULL;
  s->core = NULL;
  moonpool_session_close(core);
  return 0;
}

static int tostring_session(lua_State *L) {
  session *s = check_session(L);
  lua_pushfstring(L, "%s (%s): %p", session_name, is_open(s) ? "open" : "closed", s);
  return 1;
}

static const luaL_Reg methods[] = {{"call", call}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"open", open_session},
                                     {"record", record},
                                     {"execute", execute},
                                     {"close", close_session},
                                     {NULL, NULL}};

void mp_open_session(lua_State *L, int runtime_index) {
  luaL_newmetatable(L, session_name);
  lua_newtable(L);
  mp_set_functions(L, methods, runtime_index);
  mp_set_index(L, runtime_index, make_method);
  lua_pushcfunction(L, close_session);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, tostring_session);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  lua_newtable(L);
  mp_set_functions(L, functions, runtime_index);
  lua_setfield(L, -2, "session");
}
