/* What a room does and awaits: publishing. room_history.c and room_members.c have the rest. Each
 * function takes its arguments one by one; moonpool's Lua takes them out of the tables that
 * programs write. */
#include "room.h"

/* ---- arguments ------------------------------------------------------------------------------- */

/* Seconds at `index`, as moonpool_command takes a timeout; nil: the client's. */
uint64_t mp_room_timeout(lua_State *L, int index) {
  if (lua_isnoneornil(L, index)) return 0;
  uint64_t timeout = mp_check_seconds(L, index);
  return timeout ? timeout : UINT64_MAX;
}

/* A string at `index`, or nil: absent. */
moonpool_bytes mp_room_bytes(lua_State *L, int index) {
  moonpool_bytes bytes = {NULL, 0};
  if (!lua_isnoneornil(L, index)) bytes.data = luaL_checklstring(L, index, &bytes.len);
  return bytes;
}

size_t mp_room_size(lua_State *L, int index) {
  lua_Integer n = luaL_optinteger(L, index, 0);
  luaL_argcheck(L, n >= 0, index, "a number from 0 on is needed");
  return (size_t)n;
}

/* Messages to keep at `index`, or ms of seconds; nil: -1, as it is. */
static int64_t check_keep(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? -1 : (int64_t)mp_room_size(L, index);
}

static int64_t check_keep_ms(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? -1 : (int64_t)mp_check_seconds(L, index);
}

static int fail_closed(lua_State *L) {
  return mp_fail(L, MOONPOOL_ECLOSED, NULL);
}

/* ---- results --------------------------------------------------------------------------------- */

static void push_id(lua_State *L, const moonpool_id *id) {
  char text[MOONPOOL_ID_SIZE];
  lua_pushlstring(L, text, moonpool_id_format(id, text));
}

typedef struct stored {
  const moonpool_stored *stored;
  const moonpool_error *error;
} stored;

/* The id; or nil, message, code and, where it is stored all the same, the id. */
static int push_stored(lua_State *L, void *ctx) {
  const stored *s = ctx;
  int n = s->error ? mp_fail_error(L, s->error) : 0;
  if (!s->stored) return n;
  push_id(L, &s->stored->id);
  return n + 1;
}

static void on_stored(const moonpool_stored *message, const moonpool_error *error, void *ctx) {
  stored s = {message, error};
  mp_wake_inside(ctx, push_stored, &s);
}

void mp_room_on_done(const moonpool_error *error, void *ctx) {
  mp_waiter *w = ctx;
  if (error) {
    mp_wake_error(w, error);
    return;
  }
  lua_pushboolean(w->L, 1);
  mp_wake_now(w, 1);
}

/* What is wrong, more exactly than the status tells. */
static const char *complaint_about(int status) {
  switch (status) {
  case MOONPOOL_EARG: return "a user's name has 1 to 256 bytes, a key at most 256";
  case MOONPOOL_ETOOBIG: return "the message is larger than max_message allows";
  case MOONPOOL_EQUEUE: return "more messages wait than max_pending or max_pending_bytes allow";
  default: return NULL;
  }
}

int mp_room_await_said(lua_State *L, mp_waiter *w, int status) {
  return status == MOONPOOL_OK ? mp_wait(L, w) : mp_fail(L, status, complaint_about(status));
}

int mp_room_await(lua_State *L, mp_waiter *w, int status) {
  return status == MOONPOOL_OK ? mp_wait(L, w) : mp_fail(L, status, NULL);
}

/* ---- publishing ------------------------------------------------------------------------------ */

/* The message from index 2 on: user, text, type, to, target, is a bot, more. */
static moonpool_message check_message(lua_State *L) {
  return (moonpool_message){.user = mp_room_bytes(L, 2),
                            .text = mp_room_bytes(L, 3),
                            .type = mp_room_bytes(L, 4),
                            .to = mp_room_bytes(L, 5),
                            .target = mp_room_bytes(L, 6),
                            .is_bot = lua_toboolean(L, 7),
                            .more = mp_room_bytes(L, 8)};
}

/* room.encode(nil, user, text, type, to, target, is_bot, more) → JSON */
static int encode(lua_State *L) {
  char small[1024];
  lua_settop(L, 8);
  moonpool_message message = check_message(L);
  size_t len = moonpool_message_json(&message, small, sizeof small);
  if (len == 0) return luaL_error(L, "no memory for the message");
  if (len <= sizeof small) {
    lua_pushlstring(L, small, len);
    return 1;
  }
  mp_sized_buffer buffer;
  moonpool_message_json(&message, luaL_buffinitsize(L, &buffer, len), len);
  luaL_pushresultsize(&buffer, len);
  return 1;
}

/* room.say(room, user, text, type, to, target, is_bot, more, key, timeout) → id, or nil, message,
 * code, id. `key` nil: one is made. */
static int say(lua_State *L) {
  mp_room_handle *h = mp_check_room(L);
  lua_settop(L, 10);
  moonpool_message message = check_message(L);
  moonpool_bytes key = mp_room_bytes(L, 9);
  uint64_t timeout = mp_room_timeout(L, 10);
  if (!key.data) key.data = "";
  if (!h->core) return fail_closed(L);
  mp_waiter *w = mp_wait_begin(L, h->runtime);
  return mp_room_await_said(L, w, moonpool_room_say(h->core, &message, key, timeout, on_stored, w));
}

/* room.signal(room, user, text, type, to, target, is_bot, more, timeout) → true */
static int send_signal(lua_State *L) {
  mp_room_handle *h = mp_check_room(L);
  lua_settop(L, 9);
  moonpool_message message = check_message(L);
  uint64_t timeout = mp_room_timeout(L, 9);
  if (!h->core) return fail_closed(L);
  mp_waiter *w = mp_wait_begin(L, h->runtime);
  return mp_room_await_said(L, w,
                            moonpool_room_signal(h->core, &message, timeout, mp_room_on_done, w));
}

/* room.delete(room, id, user, timeout) → id of what tells it */
static int delete (lua_State *L) {
  mp_room_handle *h = mp_check_room(L);
  lua_settop(L, 4);
  luaL_checkstring(L, 2);
  moonpool_bytes id = mp_room_bytes(L, 2), user = mp_room_bytes(L, 3);
  uint64_t timeout = mp_room_timeout(L, 4);
  moonpool_id read;
  if (!h->core) return fail_closed(L);
  if (moonpool_id_parse(id, &read) != MOONPOOL_OK)
    return mp_fail(L, MOONPOOL_EARG, "that is not the id of a message");
  mp_waiter *w = mp_wait_begin(L, h->runtime);
  return mp_room_await_said(L, w, moonpool_room_delete(h->core, user, id, timeout, on_stored, w));
}

/* room.clear(room, user, timeout) → id of what tells it */
static int clear(lua_State *L) {
  mp_room_handle *h = mp_check_room(L);
  lua_settop(L, 3);
  moonpool_bytes user = mp_room_bytes(L, 2);
  uint64_t timeout = mp_room_timeout(L, 3);
  if (!h->core) return fail_closed(L);
  mp_waiter *w = mp_wait_begin(L, h->runtime);
  return mp_room_await_said(L, w, moonpool_room_clear(h->core, user, timeout, on_stored, w));
}

/* room.destroy(room, timeout) → true */
static int destroy(lua_State *L) {
  mp_room_handle *h = mp_check_room(L);
  lua_settop(L, 2);
  uint64_t timeout = mp_room_timeout(L, 2);
  if (!h->core) return fail_closed(L);
  mp_waiter *w = mp_wait_begin(L, h->runtime);
  return mp_room_await(L, w, moonpool_room_destroy(h->core, timeout, mp_room_on_done, w));
}

/* room.configure(room, keep, keep_for, timeout) → true */
static int configure(lua_State *L) {
  mp_room_handle *h = mp_check_room(L);
  lua_settop(L, 4);
  int64_t keep = check_keep(L, 2), keep_ms = check_keep_ms(L, 3);
  uint64_t timeout = mp_room_timeout(L, 4);
  if (!h->core) return fail_closed(L);
  mp_waiter *w = mp_wait_begin(L, h->runtime);
  return mp_room_await(
      L, w, moonpool_room_configure(h->core, keep, keep_ms, timeout, mp_room_on_done, w));
}

/* ---- seeing ---------------------------------------------------------------------------------- */

static void set_count(lua_State *L, const char *name, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, int is_set) {
  lua_pushboolean(L, is_set);
  lua_setfield(L, -2, name);
}

/* room.stats(handle) → table; `following` tells whether it has the feed's figures */
static int stats(lua_State *L) {
  mp_room_handle *h = mp_check_room_handle(L);
  moonpool_feed_stats s;
  moonpool_feed *feed = h->feed ? h->feed->sub.feed : NULL;
  lua_settop(L, 1);
  lua_newtable(L);
  set_flag(L, "following", feed != NULL);
  if (!feed) return 1;
  moonpool_feed_get_stats(feed, &s);
  push_id(L, &s.position);
  lua_setfield(L, -2, "position");
  set_flag(L, "live", s.is_live);
  set_flag(L, "paused", s.is_paused);
  set_count(L, "messages", s.messages);
  set_count(L, "signals", s.signals);
  set_count(L, "gaps", s.gaps);
  set_count(L, "reads", s.reads);
  set_count(L, "resyncs", s.resyncs);
  set_count(L, "buffered", s.buffered);
  set_count(L, "mailbox", h->feed->mailbox.count);
  return 1;
}

void mp_set_room_calls(lua_State *L, int runtime_index) {
  static const luaL_Reg functions[] = {
      {"encode", encode},       {"say", say},     {"signal", send_signal},
      {"delete", delete},       {"clear", clear}, {"destroy", destroy},
      {"configure", configure}, {"stats", stats}, {NULL, NULL}};
  mp_set_functions(L, functions, runtime_index);
}
