/* A feed's life: following, its mailbox that pauses it, what handles its events, its end. */
#include "room.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- its end --------------------------------------------------------------------------------- */

static int push_begun(lua_State *L, void *ctx) {
  mp_waiter *w = ctx;
  mp_feed *feed = w->owner;
  if (feed->begin_status == MOONPOOL_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  mp_fail(L, feed->begin_status, feed->begin_message);
  if (feed->sub.feed && !feed->is_begun) mp_feed_stop(feed);
  return 3;
}

static void wake_beginners(mp_feed *feed, int status, const char *message) {
  feed->begin_status = status;
  free(feed->begin_message);
  feed->begin_message = message ? strdup(message) : NULL;
  while (feed->beginners) {
    mp_waiter *w = feed->beginners;
    feed->beginners = w->next;
    mp_wake_later(w, push_begun, w);
  }
}

static void deactivate(mp_sub *sub) {
  mp_runtime *rt = mp_sub_runtime(sub);
  if (sub->is_active) rt->active--;
  sub->is_active = 0;
  mp_unref(rt, sub->handler);
  sub->handler = LUA_NOREF;
}

/* The core's feed is gone, or about to go. */
static void ended(mp_feed *feed) {
  mp_sub *sub = &feed->sub;
  sub->feed = NULL;
  feed->is_paused = 0;
  feed->lost = 0;
  deactivate(sub);
  mp_mailbox_clear(sub);
  mp_sub_wake_readers(sub);
  if (feed->beginners) wake_beginners(feed, MOONPOOL_ECLOSED, NULL);
  if (feed->handle) mp_room_unanchor(feed->handle);
  mp_sub_release(sub);
}

void mp_feed_stop(mp_feed *feed) {
  moonpool_feed *core = feed ? feed->sub.feed : NULL;
  if (!core) return;
  moonpool_feed_close(core);
  ended(feed);
}

/* The only event that comes by callback: the client, or the room, is being closed. */
static void on_event(const moonpool_event *event) {
  ended(event->ctx);
}

static void unlink_feed(mp_feed *feed) {
  mp_feed **at = &feed->sub.client->feeds;
  while (*at != feed) at = &(*at)->next;
  *at = feed->next;
}

void mp_feed_release(mp_sub *sub) {
  mp_feed *feed = (mp_feed *)sub;
  if (sub->feed || (sub->is_busy && !mp_sub_runtime(sub)->is_closing)) return;
  if (!sub->has_handle) unlink_feed(feed);
  if (feed->holds_client) {
    feed->holds_client = 0;
    mp_client_release(sub->client);
  }
  if (sub->has_handle) return;
  mp_mailbox_free(sub);
  free(feed->begin_message);
  free(feed);
}

void mp_feed_drop_all(mp_client *client) {
  for (mp_feed *feed = client->feeds, *next; feed; feed = next) {
    next = feed->next;
    if (!feed->sub.has_handle) mp_feed_release(&feed->sub);
  }
}

/* ---- what happens to it ---------------------------------------------------------------------- */

void mp_feed_note(mp_sub *sub, const moonpool_event *event) {
  mp_feed *feed = (mp_feed *)sub;
  int status = event->error.status;
  if (event->room->type == MOONPOOL_ROOM_MESSAGE) {
    feed->position = event->room->id;
  } else if (event->room->type == MOONPOOL_ROOM_LIVE) {
    feed->position = event->room->id;
    if (feed->is_begun) return;
    feed->is_begun = 1;
    wake_beginners(feed, MOONPOOL_OK, NULL);
  } else if (event->room->type == MOONPOOL_ROOM_ERROR && feed->beginners) {
    if (status != MOONPOOL_ECONN && status != MOONPOOL_ETIMEOUT) /* these pass */
      wake_beginners(feed, status, event->error.message);
  }
}

static void pause_feed(mp_feed *feed) {
  if (feed->is_paused || !feed->sub.feed) return;
  feed->is_paused = 1;
  moonpool_feed_pause(feed->sub.feed);
  if (feed->is_begun) return;
  feed->is_begun = 1; /* who waits for the beginning may be the one to read */
  wake_beginners(feed, MOONPOOL_OK, NULL);
}

void mp_feed_kept(mp_sub *sub) {
  mp_feed *feed = (mp_feed *)sub;
  const mp_mailbox *box = &feed->mailbox;
  if ((feed->max_mailbox && box->count >= feed->max_mailbox) ||
      (feed->max_mailbox_bytes && box->bytes >= feed->max_mailbox_bytes))
    pause_feed(feed);
}

/* It goes on when half of the mailbox is free. */
void mp_feed_taken(mp_sub *sub) {
  mp_feed *feed = (mp_feed *)sub;
  const mp_mailbox *box = &feed->mailbox;
  if (!feed->is_paused || feed->lost || !sub->feed) return;
  if (feed->max_mailbox && box->count > feed->max_mailbox / 2) return;
  if (feed->max_mailbox_bytes && box->bytes > feed->max_mailbox_bytes / 2) return;
  feed->is_paused = 0;
  moonpool_feed_resume(sub->feed);
}

void mp_feed_lose(mp_sub *sub, const moonpool_event *event) {
  mp_feed *feed = (mp_feed *)sub;
  int is_message = event->room->type == MOONPOOL_ROOM_MESSAGE;
  if (is_message || event->room->type == MOONPOOL_ROOM_GAP) {
    if (feed->lost++ == 0) feed->lost_after = feed->position;
    sub->client->gaps++;
  }
  pause_feed(feed);
}

/* ---- handlers -------------------------------------------------------------------------------- */

/* Counts the handlers of the handle at index 1, has the message's called, and keeps the loop and
 * the handle going while there is one. */
static void refresh(lua_State *L, mp_room_handle *h) {
  mp_feed *feed = h->feed;
  mp_sub *sub = &feed->sub;
  feed->has_handlers = feed->has_room_handler = 0;
  deactivate(sub);
  lua_getiuservalue(L, 1, 3);
  sub->keeps_gaps = lua_getfield(L, -1, "gap") != LUA_TFUNCTION;
  lua_pop(L, 1);
  for (const char *const *name = mp_room_event_names; *name; name++) {
    if (lua_getfield(L, -1, *name) == LUA_TFUNCTION) {
      feed->has_handlers = 1;
      if (strcmp(*name, "room") == 0) feed->has_room_handler = 1;
    }
    lua_pop(L, 1);
  }
  if (sub->feed && !sub->is_reader && feed->has_handlers) {
    sub->is_active = 1;
    h->runtime->active++;
    if (lua_getfield(L, -1, "message") == LUA_TFUNCTION)
      sub->handler = mp_ref(L, h->runtime);
    else
      lua_pop(L, 1);
    mp_room_anchor(L, 1, h);
  } else {
    mp_room_unanchor(h);
  }
  lua_pop(L, 1);
}

/* What was kept for a handler or an iterator has one now. */
static void hand_over(mp_sub *sub) {
  if (sub->is_reader || sub->is_busy || !sub->mailbox->first) return;
  sub->is_busy = 1;
  mp_dispatch_later(sub);
}

/* ---- beginning ------------------------------------------------------------------------------- */

/* The feed of the handle at index 1. */
static mp_feed *feed_of(lua_State *L, mp_room_handle *h) {
  if (h->feed) return h->feed;
  mp_feed *feed = calloc(1, sizeof *feed);
  if (!feed) luaL_error(L, "no memory for the feed");
  feed->sub = (mp_sub){.client = h->client,
                       .kind = MP_SUB_FEED,
                       .has_handle = 1,
                       .handler = LUA_NOREF,
                       .events = LUA_NOREF,
                       .names = LUA_NOREF};
  feed->sub.mailbox = &feed->mailbox;
  feed->handle = h;
  feed->max_mailbox = h->max_mailbox;
  feed->max_mailbox_bytes = h->max_mailbox_bytes;
  feed->next = h->client->feeds;
  h->client->feeds = feed;
  h->feed = feed;
  lua_rawgeti(L, LUA_REGISTRYINDEX, h->runtime->clients);
  lua_pushvalue(L, 1);
  lua_rawsetp(L, -2, feed);
  lua_pop(L, 1);
  return feed;
}

static int open_feed(mp_room_handle *h, mp_feed *feed, const moonpool_start *start) {
  moonpool_feed **out = &feed->sub.feed;
  if (h->core) return moonpool_feed_open(out, h->core, start, on_event, feed);
  if (!h->client->core) return MOONPOOL_ECLOSED;
  moonpool_bytes pattern = {h->pattern, h->pattern_len};
  return moonpool_feed_open_pattern(out, h->client->core, pattern, &h->options, on_event, feed);
}

/* Follows from `start` with the handle at index 1, and awaits that this has begun. */
static int begin(lua_State *L, mp_room_handle *h, const moonpool_start *start, int is_reader) {
  mp_waiter *w = mp_wait_begin(L, h->runtime);
  mp_feed *feed = feed_of(L, h);
  mp_feed_stop(feed);
  feed->sub.is_reader = (uint8_t)is_reader;
  feed->is_begun = 0;
  feed->begin_status = MOONPOOL_OK;
  feed->position = start->after;
  int status = open_feed(h, feed, start);
  if (status != MOONPOOL_OK) return mp_fail(L, status, NULL);
  if (!feed->holds_client) {
    feed->holds_client = 1;
    lua_getiuservalue(L, 1, 1);
    mp_client_hold(L, lua_gettop(L), h->client);
  }
  refresh(L, h);
  w->owner = feed;
  w->next = feed->beginners;
  feed->beginners = w;
  return mp_wait(L, w);
}

static int await_begun(lua_State *L, mp_feed *feed) {
  if (feed->is_begun) {
    lua_pushboolean(L, 1);
    return 1;
  }
  mp_waiter *w = mp_wait_begin(L, mp_sub_runtime(&feed->sub));
  w->owner = feed;
  w->next = feed->beginners;
  feed->beginners = w;
  return mp_wait(L, w);
}

/* ---- for the Lua side ------------------------------------------------------------------------ */

static int fail_closed(lua_State *L) {
  return mp_fail(L, MOONPOOL_ECLOSED, NULL);
}

/* room.on(handle, event, fn | nil) → true, or nil, message, code. Begins at the end when it does
 * not follow yet. */
static int on(lua_State *L) {
  static const moonpool_start end = {.kind = MOONPOOL_START_END};
  mp_room_handle *h = mp_check_room_handle(L);
  int event = luaL_checkoption(L, 2, NULL, mp_room_event_names);
  luaL_argcheck(L, h->pattern_len || strcmp(mp_room_event_names[event], "room") != 0, 2,
                "a room has no event 'room', rooms have");
  lua_settop(L, 3);
  if (!lua_isnil(L, 3)) luaL_checktype(L, 3, LUA_TFUNCTION);
  if (h->is_closed) return fail_closed(L);
  mp_sub *sub = h->feed ? &h->feed->sub : NULL;
  if (event == MP_CLASS_MESSAGE && sub && sub->feed && sub->is_reader && sub->waiters)
    return luaL_error(L, "an iterator reads the messages: there cannot be a handler as well");
  if (!lua_isnil(L, 3) && !(sub && sub->feed)) mp_wait_begin(L, h->runtime); /* raises early */
  lua_getiuservalue(L, 1, 3);
  lua_pushvalue(L, 3);
  lua_setfield(L, -2, mp_room_event_names[event]);
  lua_pop(L, 1);
  if (!sub || !sub->feed) {
    if (!lua_isnil(L, 3)) return begin(L, h, &end, 0);
    lua_pushboolean(L, 1);
    return 1;
  }
  if (event == MP_CLASS_MESSAGE && !lua_isnil(L, 3)) sub->is_reader = 0;
  refresh(L, h);
  hand_over(sub);
  return await_begun(L, h->feed);
}

/* A time in seconds since 1970 on top of the stack, in ms. */
static uint64_t check_instant(lua_State *L, const char *name) {
  lua_Number seconds = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
  if (!(seconds >= 0) || seconds > 1e12)
    luaL_error(L, "'%s' must be a time in seconds since 1970", name);
  return (uint64_t)floor(seconds * 1000 + 0.5);
}

/* The id in the string on top of the stack: 1, or 0. */
static int check_id(lua_State *L, const char *name, moonpool_id *id) {
  moonpool_bytes text;
  if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "'%s' must be an id", name);
  text.data = lua_tolstring(L, -1, &text.len);
  return moonpool_id_parse(text, id) == MOONPOOL_OK;
}

/* Takes the table at index 2, or nil: 1, or 0 when it names what is no id. */
static int check_start(lua_State *L, moonpool_start *start) {
  int is_good = 1;
  *start = (moonpool_start){.kind = MOONPOOL_START_END};
  if (lua_isnil(L, 2)) return 1;
  luaL_checktype(L, 2, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    if (start->kind != MOONPOOL_START_END)
      luaL_error(L, "one of 'last', 'from' and 'since' is enough");
    if (strcmp(name, "last") == 0) {
      start->kind = MOONPOOL_START_LAST;
      start->last = mp_check_count_option(L, name, SIZE_MAX);
    } else if (strcmp(name, "from") == 0) {
      start->kind = MOONPOOL_START_AFTER;
      is_good = check_id(L, name, &start->after);
    } else if (strcmp(name, "since") == 0) {
      start->kind = MOONPOOL_START_SINCE;
      start->since_ms = check_instant(L, name);
    } else {
      luaL_error(L, "unknown option '%s'", name);
    }
  }
  if (start->kind == MOONPOOL_START_LAST && start->last == 0) start->kind = MOONPOOL_START_END;
  return is_good;
}

static int has_message_handler(lua_State *L) {
  lua_getiuservalue(L, 1, 3);
  int has = lua_getfield(L, -1, "message") == LUA_TFUNCTION;
  lua_pop(L, 2);
  return has;
}

/* room.follow(handle, start | nil) → true, or nil, message, code. Without a handler, messages wait
 * until there is one, or an iterator. */
static int follow(lua_State *L) {
  moonpool_start start;
  mp_room_handle *h = mp_check_room_handle(L);
  lua_settop(L, 2);
  int is_good = check_start(L, &start);
  if (h->pattern_len && start.kind != MOONPOOL_START_END)
    return luaL_error(L, "rooms are followed from now on: there is no other start");
  if (h->is_closed) return fail_closed(L);
  if (!is_good) return mp_fail(L, MOONPOOL_EARG, "'from' is not the id of a message");
  return begin(L, h, &start, !has_message_handler(L));
}

/* room.read(handle, start | nil) → true, or nil, message, code: has the messages wait for next. */
static int read_room(lua_State *L) {
  mp_room_handle *h = mp_check_room_handle(L);
  lua_settop(L, 2);
  if (has_message_handler(L))
    return luaL_error(L, "the room has a handler of messages: it gets them");
  if (!h->feed || !h->feed->sub.feed || !lua_isnil(L, 2)) return follow(L);
  h->feed->sub.is_reader = 1;
  refresh(L, h);
  return await_begun(L, h->feed);
}

/* room.next(handle) → message, or nothing: it has ended */
static int next_message(lua_State *L) {
  mp_room_handle *h = mp_check_room_handle(L);
  if (!h->feed) return 0;
  return mp_sub_read(L, &h->feed->sub);
}

/* room.stop(handle): follows no more */
static int stop(lua_State *L) {
  mp_feed_stop(mp_check_room_handle(L)->feed);
  return 0;
}

/* room.found(handle, name): SCAN has found a room */
static int found(lua_State *L) {
  mp_room_handle *h = mp_check_room_handle(L);
  moonpool_room_event room = {.type = (moonpool_room_event_type)MP_ROOM_FOUND};
  room.room.data = luaL_checklstring(L, 2, &room.room.len);
  if (!h->feed || !h->feed->sub.feed) return 0;
  moonpool_event event = {.type = MOONPOOL_ROOM, .room = &room};
  mp_sub_keep(&h->feed->sub, &event);
  hand_over(&h->feed->sub);
  return 0;
}

void mp_set_feed_functions(lua_State *L, int runtime_index) {
  static const luaL_Reg functions[] = {
      {"on", on},     {"follow", follow}, {"read", read_room}, {"next", next_message},
      {"stop", stop}, {"found", found},   {NULL, NULL}};
  mp_set_functions(L, functions, runtime_index);
}
