/* What the files of rooms share: room.c (handles), room_options.c, room_calls.c, feed.c (a feed's
 * life) and feed_push.c (its events). */
#ifndef MP_BINDING_ROOM_H
#define MP_BINDING_ROOM_H

#include "handles.h"
#include "message.h"

/* A room's feed as a subscription of the binding. Its handle makes it when it first follows, and
 * uses it again: a handler that waits is never overtaken by what is followed next. It lives until
 * the handle is collected and no handler of it waits. */
typedef struct mp_feed {
  mp_sub sub; /* first: the dispatcher knows nothing else */
  /* What each message needs follows at once. */
  unsigned char is_begun, is_paused, has_handlers, has_room_handler;
  unsigned char holds_client; /* until it has ended and no handler of it waits */
  moonpool_id position;       /* of the message that came last */
  mp_mailbox mailbox;
  struct mp_room_handle *handle;         /* NULL: collected */
  size_t max_mailbox, max_mailbox_bytes; /* 0: no limit */
  struct mp_feed *next;                  /* of its client */
  mp_waiter *beginners;                  /* wait until it has begun */
  int begin_status;                      /* why it has not */
  char *begin_message;
  int64_t lost; /* events for which there was no memory */
  moonpool_id lost_after;
} mp_feed;

/* A userdata: a room, or (`pattern`) rooms. User values: 1 the client's, 2 a table of the Lua
 * side's, 3 handlers by event name, 4 names of rooms that were seen. Anchored while handlers are
 * called, or somebody has joined. */
typedef struct mp_room_handle {
  mp_runtime *runtime;
  mp_client *client;
  struct mp_room_handle *next; /* of its client */
  moonpool_room *core;         /* NULL: closed, or rooms */
  mp_feed *feed;               /* NULL: it has not followed yet */
  moonpool_room_options options;
  size_t max_mailbox, max_mailbox_bytes;
  size_t joined;
  int ref;
  unsigned char is_closed;
  size_t pattern_len; /* 0: a room */
  char pattern[];
} mp_room_handle;

/* ---- room.c ---- */

/* The room, or the rooms, at index 1; raises for what is neither. */
mp_room_handle *mp_check_room_handle(lua_State *L);

/* Likewise a room alone. */
mp_room_handle *mp_check_room(lua_State *L);

/* Anchors the handle, whose userdata is at `index`, or gives that up: as it needs. */
void mp_room_anchor(lua_State *L, int index, mp_room_handle *h);
void mp_room_unanchor(mp_room_handle *h);

/* Adds room and rooms to the table of client methods on top of L. */
void mp_set_room_methods(lua_State *L, int runtime_index);

/* The client is closed: nobody is in a room of its any more. */
void mp_client_end_rooms(mp_client *client);

/* ---- room_options.c ---- */

/* Takes the table of options at `index`, or nil. Raises for one that is unknown or of the wrong
 * type. Strings live as long as the table. */
void mp_check_room_options(lua_State *L, int index, mp_room_handle *h);

/* ---- room_calls.c ---- */

/* Adds say and the like to the table of functions on top of L. */
void mp_set_room_calls(lua_State *L, int runtime_index);

/* Seconds at `index`, as moonpool_command takes a timeout; nil: the client's. */
uint64_t mp_room_timeout(lua_State *L, int index);

/* A string at `index`; nil: absent. A whole number from 0 on; nil: 0. */
moonpool_bytes mp_room_bytes(lua_State *L, int index);
size_t mp_room_size(lua_State *L, int index);

/* moonpool_done_cb: wakes the mp_waiter with true. */
void mp_room_on_done(const moonpool_error *error, void *ctx);

/* Waits for what was accepted, or returns nil, message, code; of what a user says or who joins the
 * message tells which limit was met. */
int mp_room_await(lua_State *L, mp_waiter *w, int status);
int mp_room_await_said(lua_State *L, mp_waiter *w, int status);

/* ---- room_history.c, room_members.c ---- */

/* Add history; join, who and the like. */
void mp_set_history_calls(lua_State *L, int runtime_index);
void mp_set_members_calls(lua_State *L, int runtime_index);

/* ---- feed.c ---- */

/* Adds on, follow, read and the like to the table of functions on top of L. */
void mp_set_feed_functions(lua_State *L, int runtime_index);

/* Ends the handle's feed, if it has one. */
void mp_feed_stop(mp_feed *feed);

/* Lets go of what an ended feed holds, and frees it, as soon as nothing needs them. */
void mp_feed_release(mp_sub *sub);

/* The state ends: frees the feeds whose handlers waited. */
void mp_feed_drop_all(mp_client *client);

/* Takes note of an event before anybody handles it. */
void mp_feed_note(mp_sub *sub, const moonpool_event *event);

/* A letter was put into its mailbox, or taken; or there was no memory for one. */
void mp_feed_kept(mp_sub *sub);
void mp_feed_taken(mp_sub *sub);
void mp_feed_lose(mp_sub *sub, const moonpool_event *event);

/* ---- feed_push.c ---- */

/* Not the core's: SCAN has found `room`. */
#define MP_ROOM_FOUND 100

/* The names of events, as `on` takes them: those of mp_message_class first; NULL-terminated. */
extern const char *const mp_room_event_names[];

/* Pushes the handle's userdata, or nil when it was collected. */
void mp_feed_push_handle(lua_State *L, mp_feed *feed);

/* Pushes a handler and its argument for the event: 2; 1: a message alone, for the iterator; 0 when
 * nobody handles it. As mp_sub_push. */
int mp_feed_push(lua_State *L, mp_feed *feed, const moonpool_event *event);

/* Likewise the gap of what was lost for want of memory; 0 when nothing was. */
int mp_feed_push_lost(lua_State *L, mp_feed *feed);

#endif
