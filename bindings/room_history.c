/* Reading a room's history. */
#include "room.h"

#include <math.h>

static int fail_closed(lua_State *L) {
  return mp_fail(L, MOONPOOL_ECLOSED, NULL);
}

/* An id at `index`, or nil: absent. 1, or 0 when it is none. */
static int read_id(lua_State *L, int index, moonpool_id *id, const moonpool_id **where) {
  moonpool_bytes text = mp_room_bytes(L, index);
  *where = text.data ? id : NULL;
  return !text.data || moonpool_id_parse(text, id) == MOONPOOL_OK;
}

static uint64_t check_instant(lua_State *L, int index) {
  if (lua_isnoneornil(L, index)) return 0;
  lua_Number seconds = luaL_checknumber(L, index);
  luaL_argcheck(L, seconds >= 0 && seconds <= 1e12, index,
                "a time in seconds since 1970 is needed");
  return (uint64_t)floor(seconds * 1000 + 0.5);
}

typedef struct entries {
  mp_room_handle *handle;
  const moonpool_entry *entries;
  size_t count;
} entries;

static int push_entries(lua_State *L, void *ctx) {
  const entries *e = ctx;
  moonpool_bytes room = moonpool_room_get_name(e->handle->core);
  lua_createtable(L, (int)e->count, 0);
  for (size_t i = 0; i < e->count; i++) {
    mp_message_push(L, e->handle->runtime, room, &e->entries[i].id, e->entries[i].body);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static void on_history(const moonpool_entry *list, size_t count, const moonpool_error *error,
                       void *ctx) {
  mp_waiter *w = ctx;
  mp_room_handle *h = w->owner;
  static const moonpool_error closed = {MOONPOOL_ECLOSED, "closed"};
  if (!error && !h->core) error = &closed;
  if (error) {
    mp_wake_error(w, error);
    return;
  }
  entries e = {h, list, count};
  mp_wake_inside(w, push_entries, &e);
}

/* room.history(room, last, limit, since, till, before, after, timeout) → list of messages */
static int history(lua_State *L) {
  moonpool_id before, after;
  mp_room_handle *h = mp_check_room(L);
  lua_settop(L, 8);
  moonpool_history_query query = {.last = mp_room_size(L, 2),
                                  .limit = mp_room_size(L, 3),
                                  .since_ms = check_instant(L, 4),
                                  .till_ms = check_instant(L, 5)};
  int is_before = read_id(L, 6, &before, &query.before);
  int is_after = read_id(L, 7, &after, &query.after);
  uint64_t timeout = mp_room_timeout(L, 8);
  if (!h->core) return fail_closed(L);
  if (!is_before) return mp_fail(L, MOONPOOL_EARG, "'before' is not the id of a message");
  if (!is_after) return mp_fail(L, MOONPOOL_EARG, "'after' is not the id of a message");
  mp_waiter *w = mp_wait_begin(L, h->runtime);
  w->owner = h;
  return mp_room_await(L, w, moonpool_room_history(h->core, &query, timeout, on_history, w));
}

void mp_set_history_calls(lua_State *L, int runtime_index) {
  static const luaL_Reg functions[] = {{"history", history}, {NULL, NULL}};
  mp_set_functions(L, functions, runtime_index);
}
