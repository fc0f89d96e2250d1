/* From a subscription's events to Lua values: messages as handler arguments, other events as
 * tables, letters of the mailbox as either, the iterator's reads. */
#include "room.h"

#include <stdlib.h>

/* By moonpool_event_type; the last one is the binding's own. */
const char *const mp_event_names[] = {"message", "subscribe", "unsubscribe", "reconnect",
                                      "error",   "closed",    "gap",         NULL};

#define VALUES lua_upvalueindex(2)

/* ---- messages -------------------------------------------------------------------------------- */

/* Pushes the list of names by tag, made when it is first needed. */
static void push_names(lua_State *L, mp_sub *sub) {
  if (sub->names == LUA_NOREF) {
    lua_newtable(L);
    sub->names = mp_ref(L, mp_sub_runtime(sub));
  }
  lua_rawgeti(L, VALUES, sub->names);
}

/* The name that was subscribed to, as a string that is made once. */
static void push_name(lua_State *L, mp_sub *sub, uint32_t *tag, moonpool_bytes name) {
  if (sub->is_single) {
    if (sub->names == LUA_NOREF) {
      lua_pushlstring(L, name.data, name.len);
      sub->names = mp_ref(L, mp_sub_runtime(sub));
    }
    lua_rawgeti(L, VALUES, sub->names);
    return;
  }
  push_names(L, sub);
  if (*tag == 0) {
    lua_pushlstring(L, name.data, name.len);
    *tag = (uint32_t)lua_rawlen(L, -2) + 1;
    lua_rawseti(L, -2, *tag);
  }
  lua_rawgeti(L, -1, *tag);
  lua_remove(L, -2);
}

static int push_message(lua_State *L, mp_sub *sub, const moonpool_event *event) {
  lua_rawgeti(L, VALUES, sub->handler);
  lua_pushlstring(L, event->payload.data, event->payload.len);
  if (event->pattern.data) {
    lua_pushlstring(L, event->channel.data, event->channel.len);
    lua_pushlstring(L, event->pattern.data, event->pattern.len);
    return 4;
  }
  if (event->tag)
    push_name(L, sub, event->tag, event->channel);
  else
    lua_pushlstring(L, event->channel.data, event->channel.len);
  return 3;
}

/* ---- events ---------------------------------------------------------------------------------- */

/* Pushes the handler of the event named so: 1, or 0 with nothing pushed. */
static int push_event_handler(lua_State *L, mp_sub *sub, const char *name) {
  if (sub->events == LUA_NOREF) return 0;
  mp_push_ref(L, mp_sub_runtime(sub), sub->events);
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
  if (lua_isfunction(L, -1)) return 1;
  lua_pop(L, 1);
  return 0;
}

static void push_action(lua_State *L, const mp_sub *sub, const char *name) {
  static const char *const prefixes[] = {"", "p", "s"};
  lua_pushfstring(L, "%s%s", prefixes[sub->kind], name);
  lua_setfield(L, -2, "action");
}

static int push_event(lua_State *L, mp_sub *sub, const moonpool_event *event) {
  const char *name = mp_event_names[event->type];
  if (!push_event_handler(L, sub, name)) return 0;
  lua_createtable(L, 0, 5);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "event");
  if (event->channel.data) {
    lua_pushlstring(L, event->channel.data, event->channel.len);
    lua_setfield(L, -2, "channel");
  }
  if (event->type == MOONPOOL_SUBSCRIBED || event->type == MOONPOOL_UNSUBSCRIBED) {
    push_action(L, sub, name);
    lua_pushinteger(L, event->count);
    lua_setfield(L, -2, "count");
  }
  if (event->type == MOONPOOL_FAILED) {
    lua_pushstring(L, event->error.message);
    lua_setfield(L, -2, "message");
    lua_pushstring(L, moonpool_status_name(event->error.status));
    lua_setfield(L, -2, "code");
  }
  return 2;
}

static int push_gap(lua_State *L, mp_sub *sub, mp_gap why, uint64_t missing) {
  if (!push_event_handler(L, sub, "gap")) return 0;
  lua_createtable(L, 0, 3);
  lua_pushliteral(L, "gap");
  lua_setfield(L, -2, "event");
  if (why == MP_GAP_OVERFLOW) {
    lua_pushinteger(L, (lua_Integer)missing);
    lua_setfield(L, -2, "missing");
  }
  lua_pushstring(L, why == MP_GAP_OVERFLOW ? "overflow" : "reconnect");
  lua_setfield(L, -2, "reason");
  return 2;
}

/* The gap first; the reconnect itself is then the next letter. */
static int push_reconnect(lua_State *L, mp_sub *sub, const moonpool_event *event) {
  if (!push_event_handler(L, sub, "gap")) return push_event(L, sub, event);
  lua_pop(L, 1);
  mp_mailbox_put(sub, event);
  return mp_sub_push_letter(L, sub);
}

int mp_sub_push(lua_State *L, mp_sub *sub, const moonpool_event *event) {
  if (event->type == MOONPOOL_MESSAGE) return push_message(L, sub, event);
  if (event->type == MOONPOOL_ROOM) return mp_feed_push(L, (mp_feed *)sub, event);
  if (event->type == MOONPOOL_RECONNECTED) return push_reconnect(L, sub, event);
  return push_event(L, sub, event);
}

/* ---- letters --------------------------------------------------------------------------------- */

static int is_feed(const mp_sub *sub) {
  return sub->kind == MP_SUB_FEED;
}

/* A letter as handler and arguments; the letter is a userdata's while Lua may raise. */
static int push_letter(lua_State *L, mp_sub *sub, mp_letter *letter) {
  if (letter->gap) return push_gap(L, sub, letter->gap, letter->missing);
  moonpool_event event;
  moonpool_room_event room;
  mp_letter_event(letter, &event, &room);
  if (event.type == MOONPOOL_ROOM) return mp_feed_push(L, (mp_feed *)sub, &event);
  if (event.type != MOONPOOL_MESSAGE) return push_event(L, sub, &event);
  if (!sub->is_reader) return push_message(L, sub, &event);
  lua_pushlstring(L, event.payload.data, event.payload.len);
  lua_pushlstring(L, event.channel.data, event.channel.len);
  if (!event.pattern.data) return 2;
  lua_pushlstring(L, event.pattern.data, event.pattern.len);
  return 3;
}

int mp_sub_push_letter(lua_State *L, mp_sub *sub) {
  while (!sub->is_reader || mp_mailbox_has_event(sub)) {
    mp_letter *letter = mp_mailbox_take(sub);
    if (!letter) break;
    int n = push_letter(L, sub, letter);
    free(letter);
    if (n > 0) return n;
  }
  return is_feed(sub) ? mp_feed_push_lost(L, (mp_feed *)sub) : 0;
}

/* ---- the iterator ---------------------------------------------------------------------------- */

/* The next message for the iterator; events on the way to it get a task of their own. */
static int take_for_reader(lua_State *L, mp_sub *sub) {
  mp_letter *letter;
  while ((letter = mp_mailbox_take(sub))) {
    int is_message = !letter->gap && letter->type == MOONPOOL_MESSAGE;
    int n = push_letter(L, sub, letter);
    free(letter);
    if (is_message || (is_feed(sub) && n == 1)) return n;
    if (n > 0) mp_spawn(L, mp_sub_runtime(sub), n - 1);
  }
  int lost = is_feed(sub) ? mp_feed_push_lost(L, (mp_feed *)sub) : 0;
  if (lost > 0) mp_spawn(L, mp_sub_runtime(sub), lost - 1);
  return 0;
}

static int push_read(lua_State *L, void *ctx) {
  mp_sub *sub = ctx;
  int n = take_for_reader(L, sub);
  if (n > 0 || !sub->core) return n;
  return -1;
}

/* mp_push for a reader that was woken: waits on if another reader was quicker. */
static int push_read_or_wait(lua_State *L, void *ctx) {
  mp_waiter *w = ctx;
  mp_sub *sub = w->owner;
  int n = push_read(L, sub);
  if (n >= 0) return n;
  w->next = sub->waiters;
  sub->waiters = w;
  return -1;
}

int mp_sub_read(lua_State *L, mp_sub *sub) {
  int n = push_read(L, sub);
  if (n >= 0) return n;
  mp_waiter *w = mp_wait_begin(L, mp_sub_runtime(sub)), **tail = &sub->waiters;
  w->owner = sub;
  while (*tail) tail = &(*tail)->next;
  *tail = w;
  return mp_wait(L, w);
}

static void wake_reader(mp_sub *sub) {
  mp_waiter *w = sub->waiters;
  if (!w) return;
  sub->waiters = w->next;
  mp_wake_later(w, push_read_or_wait, w);
}

void mp_sub_wake_readers(mp_sub *sub) {
  while (sub->waiters) wake_reader(sub);
}

/* ---- keeping and letting go ------------------------------------------------------------------ */

void mp_sub_keep(mp_sub *sub, const moonpool_event *event) {
  mp_mailbox_put(sub, event);
  if (sub->is_reader) wake_reader(sub);
}

void mp_sub_done(mp_sub *sub) {
  if (sub->mailbox && (sub->is_reader ? mp_mailbox_has_event(sub) : sub->mailbox->first != NULL)) {
    mp_dispatch_later(sub); /* it stays busy: what arrives until then comes after */
    return;
  }
  sub->is_busy = 0;
  if (!sub->core) mp_sub_release(sub);
}

static void free_released(mp_sub *sub) {
  if (sub->has_handle) return;
  mp_mailbox_free(sub);
  free(sub);
}

void mp_sub_release(mp_sub *sub) {
  if (is_feed(sub)) {
    mp_feed_release(sub);
    return;
  }
  if (sub->is_released) { /* its client may be gone by now */
    free_released(sub);
    return;
  }
  mp_runtime *rt = mp_sub_runtime(sub);
  /* While the state ends, no handler returns and nobody is told any more. */
  if (sub->core || ((sub->is_busy || sub->is_leaving) && !rt->is_closing)) return;
  sub->is_released = 1;
  mp_unref(rt, sub->handler);
  mp_unref(rt, sub->events);
  mp_unref(rt, sub->names);
  mp_client_release(sub->client);
  free_released(sub);
}
