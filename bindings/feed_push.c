/* From a feed's events to Lua values: messages, and the other events as tables. */
#include "room.h"

#include <string.h>

const char *const mp_room_event_names[] = {"message", "join",  "leave",  "rename", "typing",
                                           "delete",  "clear", "signal", "gap",    "reconnect",
                                           "live",    "error", "room",   NULL};

#define VALUES lua_upvalueindex(2)

void mp_feed_push_handle(lua_State *L, mp_feed *feed) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, mp_sub_runtime(&feed->sub)->clients);
  lua_rawgetp(L, -1, feed);
  lua_remove(L, -2);
}

/* Pushes the handler of the event named so: 1, or 0 with nothing pushed. */
static int push_handler(lua_State *L, mp_feed *feed, const char *name) {
  int top = lua_gettop(L);
  mp_feed_push_handle(L, feed);
  if (!lua_isnil(L, -1) && lua_getiuservalue(L, -1, 3) == LUA_TTABLE &&
      lua_getfield(L, -1, name) == LUA_TFUNCTION) {
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return 1;
  }
  lua_settop(L, top);
  return 0;
}

/* ---- events ---------------------------------------------------------------------------------- */

/* Pushes the handler and the event's table with what all have: 1, or 0 with nothing pushed. */
static int push_event(lua_State *L, mp_feed *feed, const char *name, moonpool_bytes room) {
  if (!push_handler(L, feed, name)) return 0;
  lua_createtable(L, 0, 6);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "event");
  if (room.len) {
    lua_pushlstring(L, room.data, room.len);
    lua_setfield(L, -2, "room");
  }
  return 1;
}

static void set_id(lua_State *L, const char *name, const moonpool_id *id) {
  char text[MOONPOOL_ID_SIZE];
  lua_pushlstring(L, text, moonpool_id_format(id, text));
  lua_setfield(L, -2, name);
}

static int push_gap(lua_State *L, mp_feed *feed, moonpool_bytes room, const moonpool_gap *gap) {
  if (!push_event(L, feed, "gap", room)) return 0;
  set_id(L, "from", &gap->from);
  if (gap->to.ms || gap->to.seq || gap->to.tag) set_id(L, "to", &gap->to);
  if (gap->missing >= 0) {
    lua_pushinteger(L, (lua_Integer)gap->missing);
    lua_setfield(L, -2, "missing");
  }
  lua_pushstring(L, moonpool_gap_reason_name(gap->reason));
  lua_setfield(L, -2, "reason");
  return 2;
}

static int push_live(lua_State *L, mp_feed *feed, const moonpool_room_event *room) {
  if (!push_event(L, feed, "live", room->room)) return 0;
  set_id(L, "id", &room->id);
  return 2;
}

static int push_error(lua_State *L, mp_feed *feed, const moonpool_event *event) {
  if (!push_event(L, feed, "error", event->room->room)) return 0;
  const char *message = event->error.message;
  lua_pushstring(L, message ? message : moonpool_status_text(event->error.status));
  lua_setfield(L, -2, "message");
  lua_pushstring(L, moonpool_status_name(event->error.status));
  lua_setfield(L, -2, "code");
  return 2;
}

int mp_feed_push_lost(lua_State *L, mp_feed *feed) {
  if (feed->lost == 0) return 0;
  moonpool_bytes room = {NULL, 0};
  moonpool_gap gap = {
      .from = feed->lost_after, .missing = feed->lost, .reason = MOONPOOL_GAP_OVERFLOW};
  feed->lost = 0;
  mp_feed_taken(&feed->sub); /* it goes on */
  return push_gap(L, feed, room, &gap);
}

/* ---- rooms ----------------------------------------------------------------------------------- */

/* Is it the first that is seen of the room? */
static int is_new(lua_State *L, mp_feed *feed, moonpool_bytes name) {
  int top = lua_gettop(L), is;
  mp_feed_push_handle(L, feed);
  if (lua_isnil(L, -1)) {
    lua_settop(L, top);
    return 0;
  }
  lua_getiuservalue(L, -1, 4);
  lua_pushlstring(L, name.data, name.len);
  lua_pushvalue(L, -1);
  is = lua_rawget(L, -3) == LUA_TNIL;
  if (is) {
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
  }
  lua_settop(L, top);
  return is;
}

static int push_room(lua_State *L, mp_feed *feed, moonpool_bytes name) {
  if (!push_handler(L, feed, "room")) return 0;
  lua_pushlstring(L, name.data, name.len);
  return 2;
}

/* The room's own event first; what came of it is then the next letter. */
static int push_new_room(lua_State *L, mp_feed *feed, const moonpool_event *event) {
  mp_mailbox *box = &feed->mailbox;
  mp_letter *last = box->last;
  if (mp_mailbox_put(&feed->sub, event) && last) {
    mp_letter *letter = box->last;
    last->next = NULL;
    box->last = last;
    letter->next = box->first;
    box->first = letter;
  }
  return push_room(L, feed, event->room->room);
}

/* ---- messages -------------------------------------------------------------------------------- */

static int push_message(lua_State *L, mp_feed *feed, const moonpool_event *event) {
  mp_sub *sub = &feed->sub;
  const moonpool_room_event *room = event->room;
  int is_stored = room->type == MOONPOOL_ROOM_MESSAGE;
  if (feed->has_room_handler && is_new(L, feed, room->room)) return push_new_room(L, feed, event);
  if (!feed->has_handlers && !sub->is_reader) return 0;
  if (sub->is_reader)
    lua_pushnil(L);
  else
    lua_rawgeti(L, VALUES, sub->handler);
  mp_message_class class =
      mp_message_push(L, mp_sub_runtime(sub), room->room, is_stored ? &room->id : NULL, room->body);
  if (class == MP_CLASS_MESSAGE) {
    if (sub->is_reader) return 1; /* what is below it is dropped */
    if (!lua_isnil(L, -2)) return 2;
  } else if (push_handler(L, feed, mp_room_event_names[class])) {
    lua_replace(L, -3);
    return 2;
  }
  lua_pop(L, 2);
  return 0;
}

int mp_feed_push(lua_State *L, mp_feed *feed, const moonpool_event *event) {
  const moonpool_room_event *room = event->room;
  switch ((int)room->type) {
  case MOONPOOL_ROOM_MESSAGE:
  case MOONPOOL_ROOM_SIGNAL: return push_message(L, feed, event);
  case MOONPOOL_ROOM_GAP: return push_gap(L, feed, room->room, &room->gap);
  case MOONPOOL_ROOM_RECONNECTED: return push_event(L, feed, "reconnect", room->room) ? 2 : 0;
  case MOONPOOL_ROOM_LIVE: return push_live(L, feed, room);
  case MOONPOOL_ROOM_ERROR: return push_error(L, feed, event);
  case MP_ROOM_FOUND:
    return feed->has_room_handler && is_new(L, feed, room->room) ? push_room(L, feed, room->room)
                                                                 : 0;
  default: return 0;
  }
}
