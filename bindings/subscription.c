/* The subscription handle: subscribing, its methods, its end. */
#include "handles.h"

#include <stdlib.h>
#include <string.h>

static const char subscription_name[] = "moonpool.subscription";

/* ---- the core's callbacks -------------------------------------------------------------------- */

static int push_handle(lua_State *L, void *ctx) {
  mp_sub *sub = ctx;
  mp_sub **handle = lua_newuserdatauv(L, sizeof *handle, 0);
  *handle = sub;
  sub->has_handle = 1;
  luaL_setmetatable(L, subscription_name);
  return 1;
}

static int push_true(lua_State *L, void *ctx) {
  (void)ctx;
  lua_pushboolean(L, 1);
  return 1;
}

static void end(mp_sub *sub) {
  sub->core = NULL;
  if (sub->is_active) mp_sub_runtime(sub)->active--;
  sub->is_active = 0;
}

/* The only event that comes by callback: the client is being closed. */
static void on_event(const moonpool_event *event) {
  mp_sub *sub = event->ctx;
  end(sub);
  mp_mailbox_clear(sub);
  mp_sub_wake_readers(sub);
  mp_sub_release(sub);
}

static void on_confirm(moonpool_subscription *core, long long count, const moonpool_error *error,
                       void *ctx) {
  mp_sub *sub = ctx;
  mp_waiter *w = sub->waiters;
  (void)core;
  sub->waiters = NULL;
  if (!error) {
    sub->count = (int32_t)count;
    mp_wake_push(w, push_handle, sub);
    return;
  }
  end(sub);
  mp_sub_release(sub);
  mp_wake_error(w, error);
}

static void on_left(moonpool_subscription *core, long long count, const moonpool_error *error,
                    void *ctx) {
  mp_sub *sub = ctx;
  mp_waiter *w = sub->waiters;
  (void)core, (void)error;
  sub->waiters = NULL;
  sub->count = (int32_t)count;
  sub->is_leaving = 0;
  mp_sub_release(sub);
  if (w) mp_wake_push(w, push_true, NULL);
}

/* ---- subscribing ----------------------------------------------------------------------------- */

static mp_sub *new_sub(mp_client *client, moonpool_kind kind, int has_handler) {
  mp_sub *sub = malloc(sizeof *sub);
  if (!sub) return NULL;
  *sub = (mp_sub){.client = client,
                  .kind = (uint8_t)kind,
                  .is_reader = !has_handler,
                  .handler = LUA_NOREF,
                  .events = LUA_NOREF,
                  .names = LUA_NOREF};
  return sub;
}

/* The name, or the list of names, at index 2; what is returned lives on the stack. */
static const moonpool_bytes *check_names(lua_State *L, size_t *count, moonpool_bytes *single) {
  if (lua_type(L, 2) == LUA_TSTRING) {
    single->data = lua_tolstring(L, 2, &single->len);
    *count = 1;
    return single;
  }
  luaL_argexpected(L, lua_istable(L, 2), 2, "name or list of names");
  *count = (size_t)lua_rawlen(L, 2);
  luaL_argcheck(L, *count > 0, 2, "the list of names is empty");
  moonpool_bytes *names = lua_newuserdatauv(L, *count * sizeof *names, 0);
  for (size_t i = 0; i < *count; i++) {
    if (lua_rawgeti(L, 2, (lua_Integer)i + 1) != LUA_TSTRING)
      luaL_error(L, "bad argument #2 (name %d is no string)", (int)i + 1);
    names[i].data = lua_tolstring(L, -1, &names[i].len);
    lua_pop(L, 1); /* the table holds it */
  }
  return names;
}

/* A reconnect brings a gap. MESSAGE stands for the binding's own. */
static unsigned event_bit(const char *name) {
  for (int i = MOONPOOL_SUBSCRIBED; i <= MOONPOOL_FAILED; i++)
    if (strcmp(name, mp_event_names[i]) == 0) return MOONPOOL_EVENT_BIT(i);
  if (strcmp(name, "gap") != 0) return 0;
  return MOONPOOL_EVENT_BIT(MOONPOOL_MESSAGE) | MOONPOOL_EVENT_BIT(MOONPOOL_RECONNECTED);
}

/* Checks the table of event handlers at the top: the bits of its events. */
static unsigned check_events(lua_State *L) {
  unsigned bits = 0;
  luaL_checktype(L, -1, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    if (!event_bit(name)) luaL_error(L, "no event is named '%s'", name);
    if (!lua_isfunction(L, -1)) luaL_error(L, "the handler of '%s' is no function", name);
    bits |= event_bit(name);
  }
  return bits;
}

/* The options at index 4: pushes a copy of `events`, or nil; returns its bits. */
static unsigned check_options(lua_State *L) {
  if (lua_isnil(L, 4)) {
    lua_pushnil(L);
    return 0;
  }
  luaL_checktype(L, 4, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, 4); lua_pop(L, 1))
    if (lua_type(L, -2) != LUA_TSTRING || strcmp(lua_tostring(L, -2), "events") != 0)
      luaL_error(L, "unknown option '%s'", luaL_tolstring(L, -2, NULL));
  if (lua_getfield(L, 4, "events") == LUA_TNIL) return 0;
  unsigned bits = check_events(L);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, -3);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  return bits;
}

/* Refers to the handler at index 3 and the events at `events`, and has the client stay alive. */
static void anchor(lua_State *L, mp_sub *sub, int events) {
  mp_client *client = sub->client;
  mp_runtime *rt = client->runtime;
  mp_client_hold(L, 1, client);
  if (!lua_isnil(L, events)) {
    lua_pushvalue(L, events);
    sub->events = mp_ref(L, rt);
  }
  if (sub->is_reader) return;
  lua_pushvalue(L, 3);
  sub->handler = mp_ref(L, rt);
  sub->is_active = 1;
  rt->active++;
}

void mp_client_hold(lua_State *L, int index, mp_client *client) {
  if (client->subscriptions++ > 0) return;
  lua_pushvalue(L, index);
  client->ref = mp_ref(L, client->runtime);
}

void mp_client_release(mp_client *client) {
  if (--client->subscriptions > 0) return;
  int ref = client->ref;
  client->ref = LUA_NOREF;
  mp_unref(client->runtime, ref);
}

static int subscribe_kind(lua_State *L, moonpool_kind kind) {
  mp_client *client = mp_check_client(L, 1);
  size_t count;
  moonpool_bytes single;
  lua_settop(L, 4);
  if (!lua_isnil(L, 3)) luaL_checktype(L, 3, LUA_TFUNCTION);
  const moonpool_bytes *names = check_names(L, &count, &single);
  unsigned bits = check_options(L);
  int events = lua_gettop(L);
  if (!client->core) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  mp_waiter *w = mp_wait_begin(L, client->runtime);
  mp_sub *sub = new_sub(client, kind, !lua_isnil(L, 3));
  if (!sub) return mp_fail(L, MOONPOOL_ENOMEM, NULL);
  anchor(L, sub, events);
  sub->is_single = count == 1;
  int status =
      moonpool_subscribe(client->core, kind, names, count, on_event, on_confirm, sub, &sub->core);
  if (status != MOONPOOL_OK) {
    end(sub);
    mp_sub_release(sub);
    return mp_fail(L, status, NULL);
  }
  moonpool_subscription_events(sub->core, bits & ~MOONPOOL_EVENT_BIT(MOONPOOL_MESSAGE));
  sub->waiters = w;
  return mp_wait(L, w);
}

/* client:subscribe(name | names, handler?, options?) → subscription, or nil, message, code */
static int subscribe(lua_State *L) {
  return subscribe_kind(L, MOONPOOL_CHANNEL);
}

static int psubscribe(lua_State *L) {
  return subscribe_kind(L, MOONPOOL_PATTERN);
}

static int ssubscribe(lua_State *L) {
  return subscribe_kind(L, MOONPOOL_SHARD);
}

/* ---- methods --------------------------------------------------------------------------------- */

static mp_sub *check_sub(lua_State *L) {
  return *(mp_sub **)luaL_checkudata(L, 1, subscription_name);
}

/* subscription:on(event, handler | nil) → subscription */
static int on(lua_State *L) {
  mp_sub *sub = check_sub(L);
  const char *name = luaL_checkstring(L, 2);
  lua_settop(L, 3);
  luaL_argcheck(L, event_bit(name), 2, "no such event");
  if (!lua_isnil(L, 3)) luaL_checktype(L, 3, LUA_TFUNCTION);
  if (!sub->core) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  if (sub->events == LUA_NOREF) {
    lua_newtable(L);
    sub->events = mp_ref(L, mp_sub_runtime(sub));
  }
  mp_push_ref(L, mp_sub_runtime(sub), sub->events);
  lua_pushvalue(L, 3);
  lua_setfield(L, -2, name);
  unsigned bits = check_events(L);
  moonpool_subscription_events(sub->core, bits & ~MOONPOOL_EVENT_BIT(MOONPOOL_MESSAGE));
  lua_settop(L, 1);
  return 1;
}

/* subscription:close() → true. Waits for Redis's confirmation where waiting is possible. */
static int close_sub(lua_State *L) {
  mp_sub *sub = check_sub(L);
  moonpool_subscription *core = sub->core;
  lua_settop(L, 1);
  if (!core) {
    lua_pushboolean(L, 1);
    return 1;
  }
  mp_runtime *rt = mp_sub_runtime(sub);
  mp_touch(L, rt);
  mp_waiter *w = mp_can_wait(L, rt) ? mp_wait_begin(L, rt) : NULL;
  end(sub);
  mp_mailbox_clear(sub);
  mp_sub_wake_readers(sub);
  sub->is_leaving = 1;
  sub->waiters = w;
  moonpool_unsubscribe(core, on_left, sub);
  if (w) return mp_wait(L, w);
  lua_pushboolean(L, 1);
  return 1;
}

static int read_next(lua_State *L) {
  return mp_sub_read(L, check_sub(L));
}

/* subscription:messages() → iterator of payload, channel, pattern, until it is closed */
static int messages(lua_State *L) {
  mp_sub *sub = check_sub(L);
  if (!sub->is_reader) return luaL_error(L, "the subscription has a handler: it gets the messages");
  lua_pushcfunction(L, read_next);
  mp_wrap(L, mp_sub_runtime(sub));
  lua_pushvalue(L, 1);
  return 2;
}

/* The program has dropped its handle. A handler goes on; an iterator that nobody can reach ends. */
static int gc(lua_State *L) {
  mp_sub *sub = check_sub(L);
  sub->has_handle = 0;
  moonpool_subscription *core = sub->core;
  if (core && sub->is_reader) {
    end(sub);
    moonpool_unsubscribe(core, NULL, NULL);
  }
  mp_sub_release(sub);
  return 0;
}

/* Methods, and the properties count (as Redis reported it last) and closed. */
static int index_sub(lua_State *L) {
  mp_sub *sub = check_sub(L);
  const char *key = luaL_checkstring(L, 2);
  lua_settop(L, 2);
  if (strcmp(key, "count") == 0)
    lua_pushinteger(L, sub->count);
  else if (strcmp(key, "closed") == 0)
    lua_pushboolean(L, !sub->core);
  else
    lua_rawget(L, lua_upvalueindex(2));
  return 1;
}

static int tostring_sub(lua_State *L) {
  mp_sub *sub = check_sub(L);
  lua_pushfstring(L, "%s (%s): %p", subscription_name, sub->core ? "open" : "closed", sub);
  return 1;
}

static const luaL_Reg methods[] = {
    {"on", on}, {"close", close_sub}, {"messages", messages}, {NULL, NULL}};
static const luaL_Reg client_methods[] = {
    {"subscribe", subscribe}, {"psubscribe", psubscribe}, {"ssubscribe", ssubscribe}, {NULL, NULL}};

void mp_set_subscribe_methods(lua_State *L, int runtime_index) {
  mp_set_functions(L, client_methods, runtime_index);
}

void mp_open_subscription(lua_State *L, int runtime_index) {
  luaL_newmetatable(L, subscription_name);
  lua_pushvalue(L, runtime_index);
  lua_newtable(L);
  mp_set_functions(L, methods, runtime_index);
  lua_pushcclosure(L, index_sub, 2);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, close_sub);
  lua_setfield(L, -2, "__close");
  lua_pushcfunction(L, tostring_sub);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
}
