/* Pipelines and transactions: the program's function records commands, which travel together; then
 * their replies are awaited. */
#include "batch.h"

#include <stdio.h>

/* ---- replies of a pipeline ------------------------------------------------------------------- */

/* One reply on its way into the list, through a protected call. */
typedef struct incoming {
  mp_batch *batch;
  size_t index;
  const moonpool_reply *reply;
  const moonpool_error *error;
} incoming;

static void push_command_error(lua_State *L, mp_batch *b, size_t index, int status,
                               const char *message, size_t len) {
  mp_push_error(L, status, message, len);
  lua_pushstring(L, b->commands[index].name);
  lua_setfield(L, -2, "command");
  lua_pushinteger(L, (lua_Integer)index + 1);
  lua_setfield(L, -2, "index");
}

static int keep_reply(lua_State *L) {
  incoming *in = lua_touserdata(L, 1);
  mp_batch *b = in->batch;
  mp_push_ref(L, b->client->runtime, b->results);
  if (in->error)
    push_command_error(L, b, in->index, in->error->status, in->reply->u.string.data,
                       in->reply->u.string.len);
  else
    mp_push_shaped(L, in->reply, b->commands[in->index].shape);
  lua_rawseti(L, -2, (lua_Integer)in->index + 1);
  return 0;
}

/* Pushes what needs no memory of Lua's: 1, or 0 with nothing pushed. */
static int push_simple(lua_State *L, const moonpool_reply *reply) {
  switch (reply->type) {
  case MOONPOOL_NIL: lua_pushlightuserdata(L, NULL); return 1;
  case MOONPOOL_INTEGER: mp_push_integer(L, reply->u.integer); return 1;
  case MOONPOOL_BOOL: lua_pushboolean(L, (int)reply->u.integer); return 1;
  case MOONPOOL_DOUBLE: lua_pushnumber(L, reply->u.number); return 1;
  default: return 0;
  }
}

/* The list has room for every reply: setting one cannot fail. */
static int keep_simple(mp_batch *b, size_t index, const moonpool_reply *reply) {
  mp_runtime *rt = b->client->runtime;
  if (reply->type == MOONPOOL_STRING || !lua_checkstack(rt->L, 4)) return 0;
  mp_push_ref(rt->L, rt, b->results);
  int is_kept = push_simple(rt->L, reply);
  if (is_kept) lua_rawseti(rt->L, -2, (lua_Integer)index + 1);
  lua_pop(rt->L, 1);
  return is_kept;
}

static void take_reply(mp_batch *b, size_t index, const moonpool_reply *reply,
                       const moonpool_error *error) {
  if (b->kind == MOONPOOL_TRANSACTION) return; /* the last call tells of the first refusal */
  incoming in = {b, index, reply, error};
  if (!error && (keep_simple(b, index, reply) || mp_batch_hold(b, index, reply))) return;
  if (!mp_protected(b->client->runtime, keep_reply, &in, 0))
    mp_batch_fail(b, index, MOONPOOL_ENOMEM, "no memory for the reply");
}

/* ---- the end --------------------------------------------------------------------------------- */

/* An element of EXEC's list. */
static void push_executed(lua_State *L, mp_batch *b, size_t index, const moonpool_reply *reply) {
  if (reply->type == MOONPOOL_NIL)
    lua_pushlightuserdata(L, NULL);
  else if (reply->type == MOONPOOL_ERROR && index < b->count)
    push_command_error(L, b, index, moonpool_reply_status(reply), reply->u.string.data,
                       reply->u.string.len);
  else
    mp_push_shaped(L, reply, index < b->count ? b->commands[index].shape : NULL);
}

/* mp_push: EXEC's list of replies, errors as objects; then the first error's message and code. */
static int push_list(lua_State *L, void *ctx) {
  const incoming *in = ctx;
  mp_batch *b = in->batch;
  const moonpool_reply *failed = NULL;
  size_t index = 0, failed_at = 0;
  lua_createtable(L, (int)b->count, 0);
  for (const moonpool_reply *r = in->reply->u.list.first; r; r = r->next, index++) {
    push_executed(L, b, index, r);
    lua_rawseti(L, -2, (lua_Integer)index + 1);
    if (r->type == MOONPOOL_ERROR && !failed) failed = r, failed_at = index;
  }
  if (!failed || failed_at >= b->count) return 1;
  lua_pushfstring(L, "command %d (%s): %s", (int)failed_at + 1, b->commands[failed_at].name,
                  failed->u.string.data);
  lua_pushstring(L, moonpool_status_name(moonpool_reply_status(failed)));
  return 3;
}

static void wake_with_results(mp_batch *b, mp_waiter *w, int results) {
  if (!lua_checkstack(w->L, 3)) {
    moonpool_error error = {MOONPOOL_ENOMEM, moonpool_status_text(MOONPOOL_ENOMEM)};
    mp_wake_error(w, &error);
    return;
  }
  mp_push_ref(w->L, b->client->runtime, results);
  mp_wake_now(w, 1);
}

/* The core knows the command that was refused by its number; we know its name, too. */
static void wake_failed(mp_batch *b, mp_waiter *w, const moonpool_error *error) {
  char message[MP_BATCH_MESSAGE];
  size_t number = 0;
  int len = 0;
  moonpool_error named = *error;
  if (b->kind == MOONPOOL_TRANSACTION &&
      sscanf(error->message, "command %zu: %n", &number, &len) == 1 && len > 0 && number > 0 &&
      number <= b->count) {
    snprintf(message, sizeof message, "command %zu (%.64s): %s", number,
             b->commands[number - 1].name, error->message + len);
    named.message = message;
  }
  mp_wake_error(w, &named);
}

/* The batch is the awaiting function's from here on: it lies on its stack. */
static void finish(mp_batch *b, const moonpool_reply *reply, const moonpool_error *error) {
  mp_runtime *rt = b->client->runtime;
  mp_waiter *w = b->waiter;
  int results = b->results;
  if (!error && !rt->is_closing) mp_batch_put_held(b);
  mp_batch_drop_held(b);
  mp_unref(rt, b->ref);
  b->ref = b->results = LUA_NOREF;
  if (rt->is_closing) return;
  moonpool_error failure = {(moonpool_status)b->status, b->message};
  incoming in = {b, 0, reply, NULL};
  if (error || b->status != MOONPOOL_OK)
    wake_failed(b, w, error ? error : &failure);
  else if (reply)
    mp_wake_inside(w, push_list, &in);
  else
    wake_with_results(b, w, results);
  mp_unref(rt, results);
}

static void on_reply(size_t index, const moonpool_reply *reply, const moonpool_error *error,
                     void *ctx) {
  mp_batch *b = ctx;
  if (index == b->count)
    finish(b, reply, error);
  else if (!b->client->runtime->is_closing)
    take_reply(b, index, reply, error);
}

/* ---- sending --------------------------------------------------------------------------------- */

static int fail(lua_State *L, mp_batch *b, int status, const char *message) {
  mp_batch_drop(b);
  return mp_fail(L, status, message);
}

int mp_batch_send(lua_State *L, int index, moonpool_session *session, uint64_t timeout) {
  mp_batch *b = mp_check_batch(L, index);
  mp_runtime *rt = b->client->runtime;
  b->is_over = 1;
  if (b->status != MOONPOOL_OK) return fail(L, b, b->status, b->message);
  if (!b->core) return fail(L, b, MOONPOOL_ECLOSED, NULL);
  if (b->count == 0) {
    mp_batch_drop(b);
    lua_newtable(L);
    return 1;
  }
  b->waiter = mp_wait_begin(L, rt);
  lua_pushvalue(L, index);
  b->ref = mp_ref(L, rt);
  lua_createtable(L, b->kind == MOONPOOL_PIPELINE ? (int)b->count : 0, 0);
  b->results = mp_ref(L, rt);
  int status =
      moonpool_batch_send(b->core, (moonpool_batch_kind)b->kind, session, timeout, on_reply, b);
  if (status == MOONPOOL_OK) {
    mp_batch_sent(b);
    return mp_wait(L, b->waiter);
  }
  mp_unref(rt, b->ref);
  mp_unref(rt, b->results);
  b->ref = b->results = LUA_NOREF;
  return fail(L, b, status, NULL);
}

/* client:pipeline(fn, options) and client:transaction, of the running function's kind */
static int run(lua_State *L, moonpool_batch_kind kind) {
  uint64_t timeout;
  mp_client *client = mp_check_target(L, 1, &timeout);
  mp_runtime *rt = client->runtime;
  lua_settop(L, 3);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  timeout = mp_check_timeout_option(L, 3, timeout);
  mp_wait_begin(L, rt); /* raises where waiting is impossible, before anything is recorded */
  if (!client->core) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  if (!mp_batch_new(L, 1, client, kind)) return mp_fail(L, MOONPOOL_ENOMEM, NULL);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 4);
  int before = rt->is_recording;
  rt->is_recording = 1;
  lua_call(L, 1, 0); /* not to be yielded across: the function cannot await */
  rt->is_recording = before;
  return mp_batch_send(L, 4, NULL, timeout);
}

/* client:pipeline(fn, { timeout = }) → list of replies, or nil, message, code */
static int pipeline(lua_State *L) {
  return run(L, MOONPOOL_PIPELINE);
}

/* client:transaction(fn, { timeout = }) → list of replies, or nil, message, code; with a failed
 * command the list, message, code */
static int transaction(lua_State *L) {
  return run(L, MOONPOOL_TRANSACTION);
}

int mp_is_recording(lua_State *L) {
  lua_Debug frame;
  for (int level = 1; lua_getstack(L, level, &frame); level++) { /* 0 is who asks */
    lua_getinfo(L, "f", &frame);
    lua_CFunction function = lua_tocfunction(L, -1);
    lua_pop(L, 1);
    if (function == pipeline || function == transaction) return 1;
  }
  return 0;
}

static const luaL_Reg methods[] = {
    {"pipeline", pipeline}, {"transaction", transaction}, {NULL, NULL}};

void mp_set_batch_methods(lua_State *L, int runtime_index) {
  mp_set_functions(L, methods, runtime_index);
}
