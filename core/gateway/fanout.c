/* From a room's feed into the queues of all who are there live. An event is encoded once for
 * sockets and once for streams, if there are any; what comes in one turn of the loop is one chunk,
 * which every queue refers to. */
#include "rooms_private.h"

/* ---- what comes ------------------------------------------------------------------------------ */

static moonpool_bytes id_text(const moonpool_room_event *event, char text[MOONPOOL_ID_SIZE]) {
  if (event->type != MOONPOOL_ROOM_MESSAGE) return (moonpool_bytes){text, 0};
  return (moonpool_bytes){text, moonpool_id_format(&event->id, text)};
}

/* The last message on its own, for who could not keep up. */
static int keep_newest(gw_room *room, unsigned whom, moonpool_bytes json, moonpool_bytes id) {
  const moonpool_allocator *allocator = gw_room_allocator(room);
  gw_chunk *chunk = NULL;
  int status = gw_event_wrap(allocator, &chunk, whom, json, "message", id);
  if (status) return status;
  gw_chunk_unref(allocator, room->newest[whom]);
  room->newest[whom] = chunk;
  return MOONPOOL_OK;
}

/* Who is behind in a room that conflates gets the newest message. */
static int wants(const gw_room *room, unsigned whom) {
  return room->seat_count[whom] || (room->behind && room->overflow == MOONPOOL_OVERFLOW_CONFLATE);
}

static int add(gw_room *room, unsigned whom, const moonpool_room_event *event,
               moonpool_bytes json) {
  char text[MOONPOOL_ID_SIZE];
  moonpool_bytes id = id_text(event, text);
  int is_message = event->type == MOONPOOL_ROOM_MESSAGE;
  if (is_message && room->overflow == MOONPOOL_OVERFLOW_CONFLATE) {
    int status = keep_newest(room, whom, json, id);
    if (status) return status;
  }
  gw_bundle *bundle = &room->bundles[whom];
  bundle->events++;
  return gw_event_wrap(gw_room_allocator(room), &bundle->chunk, whom, json, gw_event_name(event),
                       id);
}

/* Without memory for it, the members fetch it by feeds of their own. */
static void drop(gw_room *room) {
  gw_room_flush(room);
  for (unsigned whom = 0; whom < 2; whom++)
    while (room->seat_count[whom]) gw_member_refetch(room->seats[whom][0].member);
}

static void tell(gw_room *room, const moonpool_event *event) {
  const moonpool_room_event *own = event->room;
  mp_buf json;
  mp_buf_init(&json, gw_room_allocator(room));
  moonpool_bytes head = {room->head.data, room->head.len};
  int is_put = gw_event_put(&json, own, &event->error, head), status = MOONPOOL_OK;
  if (is_put < 0) status = MOONPOOL_ENOMEM;
  moonpool_bytes text = {json.data, json.len};
  for (unsigned whom = 0; whom < 2 && is_put > 0 && !status; whom++)
    if (wants(room, whom)) status = add(room, whom, own, text);
  mp_buf_free(&json);
  if (status) drop(room);
  gw_room_mark(room);
}

/* Where the feed is. Between a gap and what comes next it is nowhere that others could be. */
static void move_on(gw_room *room, const moonpool_room_event *event) {
  if (event->type == MOONPOOL_ROOM_MESSAGE || event->type == MOONPOOL_ROOM_LIVE)
    room->position = room->reached = event->id;
  else if (event->type == MOONPOOL_ROOM_GAP)
    room->reached = (moonpool_id){0};
}

static void end_members(gw_member *list, const moonpool_error *error) {
  for (gw_member *m = list, *next; m; m = next) {
    next = m->next;
    gw_member_place(m, NULL, error);
  }
}

static void on_event(const moonpool_event *event) {
  gw_room *room = event->ctx;
  const moonpool_room_event *own = event->room;
  room->holds++;
  switch (own->type) {
  case MOONPOOL_ROOM_LIVE:
    room->is_live = 1;
    room->is_down = 0;
    break;
  case MOONPOOL_ROOM_ENDED:
    room->feed = NULL;
    room->is_live = 0;
    end_members(room->waiting, &event->error);
    break;
  case MOONPOOL_ROOM_ERROR:
    if (!room->is_live) end_members(room->waiting, &event->error);
    tell(room, event);
    break;
  default: tell(room, event);
  }
  move_on(room, own);
  if (room->is_live) gw_members_of_live(room);
  gw_room_release(room);
}

/* ---- the feed -------------------------------------------------------------------------------- */

int gw_room_feed_open(gw_room *room) {
  if (room->feed) return MOONPOOL_OK;
  return moonpool_feed_open(&room->feed, room->handle, NULL, on_event, room);
}

void gw_room_feed_close(gw_room *room) {
  if (room->feed) moonpool_feed_close(room->feed);
  room->feed = NULL;
  room->is_live = 0;
}

/* ---- seats ----------------------------------------------------------------------------------- */

unsigned gw_member_kind(const gw_member *member) {
  return gw_session_kind_of(member->session) == GW_SESSION_SOCKET ? GW_OF_SOCKET : GW_OF_STREAM;
}

int gw_seat_take(gw_member *member) {
  gw_room *room = member->room;
  unsigned whom = gw_member_kind(member);
  gw_room_flush(room);
  if (room->seat_count[whom] == room->seat_size[whom]) {
    const moonpool_allocator *allocator = gw_room_allocator(room);
    size_t size = room->seat_size[whom] ? 2 * room->seat_size[whom] : 4;
    gw_seat *seats =
        allocator->realloc(allocator->ctx, room->seats[whom], size * sizeof *room->seats[whom]);
    if (!seats) return MOONPOOL_ENOMEM;
    room->seats[whom] = seats;
    room->seat_size[whom] = size;
  }
  member->index = room->seat_count[whom]++;
  room->seats[whom][member->index] = (gw_seat){gw_session_conn(member->session), member};
  return MOONPOOL_OK;
}

void gw_seat_leave(gw_member *member) {
  gw_room *room = member->room;
  unsigned whom = gw_member_kind(member);
  gw_seat *seats = room->seats[whom], *last = &seats[--room->seat_count[whom]];
  seats[member->index] = *last;
  seats[member->index].member->index = member->index;
}

/* ---- the end of a turn ----------------------------------------------------------------------- */

/* Who has no space for it loses his seat, and the last one takes that. */
static void hand_out(gw_room *room, unsigned whom, gw_bundle *bundle) {
  moonpool_gateway_stats *stats = &room->rooms->gateway->stats;
  for (size_t i = 0; i < room->seat_count[whom];) {
    gw_seat *seat = &room->seats[whom][i];
    if (gw_conn_send(seat->conn, bundle->chunk) == GW_FULL) {
      gw_member_overflow(seat->member);
      continue;
    }
    stats->messages_out += bundle->events;
    i++;
  }
}

void gw_room_flush(gw_room *room) {
  moonpool_id position = room->position;
  for (unsigned whom = 0; whom < 2; whom++) {
    gw_bundle bundle = room->bundles[whom];
    if (!bundle.chunk) continue;
    room->bundles[whom] = (gw_bundle){0};
    hand_out(room, whom, &bundle);
    gw_chunk_unref(gw_room_allocator(room), bundle.chunk);
  }
  room->flushed = position;
}
