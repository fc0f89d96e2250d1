/* Who is in a room. */
#include "room.h"

static int fail_closed(lua_State *L) {
  return mp_fail(L, MOONPOOL_ECLOSED, NULL);
}

/* room.join(room, user, timeout) → true */
static int join(lua_State *L) {
  mp_room_handle *h = mp_check_room(L);
  lua_settop(L, 3);
  moonpool_bytes user = {luaL_checkstring(L, 2), lua_rawlen(L, 2)};
  uint64_t timeout = mp_room_timeout(L, 3);
  if (!h->core) return fail_closed(L);
  mp_waiter *w = mp_wait_begin(L, h->runtime);
  return mp_room_await_said(L, w, moonpool_room_join(h->core, user, timeout, mp_room_on_done, w));
}

/* room.part(room, user, timeout) → true */
static int part(lua_State *L) {
  mp_room_handle *h = mp_check_room(L);
  lua_settop(L, 3);
  moonpool_bytes user = {luaL_checkstring(L, 2), lua_rawlen(L, 2)};
  uint64_t timeout = mp_room_timeout(L, 3);
  if (!h->core) return fail_closed(L);
  mp_waiter *w = mp_wait_begin(L, h->runtime);
  return mp_room_await_said(L, w, moonpool_room_part(h->core, user, timeout, mp_room_on_done, w));
}

/* room.watch_presence(room, is_on) */
static int watch_presence(lua_State *L) {
  mp_room_handle *h = mp_check_room(L);
  if (h->core) moonpool_room_watch_presence(h->core, lua_toboolean(L, 2));
  return 0;
}

typedef struct members {
  const moonpool_member *members;
  size_t count;
  uint64_t cursor;
} members;

static int push_members(lua_State *L, void *ctx) {
  const members *m = ctx;
  lua_createtable(L, (int)m->count, 0);
  for (size_t i = 0; i < m->count; i++) {
    const moonpool_member *member = &m->members[i];
    lua_createtable(L, 0, 3);
    lua_pushlstring(L, member->user.data, member->user.len);
    lua_setfield(L, -2, "user");
    lua_pushnumber(L, (lua_Number)member->since_ms / 1000);
    lua_setfield(L, -2, "since");
    lua_pushinteger(L, (lua_Integer)member->places);
    lua_setfield(L, -2, "places");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  if (m->cursor == 0) return 1;
  lua_pushinteger(L, (lua_Integer)m->cursor);
  return 2;
}

static void on_who(const moonpool_member *list, size_t count, uint64_t cursor,
                   const moonpool_error *error, void *ctx) {
  members m = {list, count, cursor};
  if (error)
    mp_wake_error(ctx, error);
  else
    mp_wake_inside(ctx, push_members, &m);
}

/* room.who(room, cursor, limit, timeout) → list of members, next cursor or nothing */
static int who(lua_State *L) {
  mp_room_handle *h = mp_check_room(L);
  lua_settop(L, 4);
  uint64_t cursor = (uint64_t)luaL_optinteger(L, 2, 0);
  size_t limit = mp_room_size(L, 3);
  uint64_t timeout = mp_room_timeout(L, 4);
  if (!h->core) return fail_closed(L);
  mp_waiter *w = mp_wait_begin(L, h->runtime);
  return mp_room_await(L, w, moonpool_room_who(h->core, cursor, limit, timeout, on_who, w));
}

static void on_count(uint64_t count, const moonpool_error *error, void *ctx) {
  mp_waiter *w = ctx;
  if (error) {
    mp_wake_error(w, error);
    return;
  }
  lua_pushinteger(w->L, (lua_Integer)count);
  mp_wake_now(w, 1);
}

/* room.count(room, timeout) → how many are here */
static int count(lua_State *L) {
  mp_room_handle *h = mp_check_room(L);
  lua_settop(L, 2);
  uint64_t timeout = mp_room_timeout(L, 2);
  if (!h->core) return fail_closed(L);
  mp_waiter *w = mp_wait_begin(L, h->runtime);
  return mp_room_await(L, w, moonpool_room_count(h->core, timeout, on_count, w));
}

void mp_set_members_calls(lua_State *L, int runtime_index) {
  static const luaL_Reg functions[] = {
      {"join", join}, {"part", part},   {"watch_presence", watch_presence},
      {"who", who},   {"count", count}, {NULL, NULL}};
  mp_set_functions(L, functions, runtime_index);
}
