/* Who listens in a room, and how: waiting for the room's feed, live, by a feed of his own, or
 * behind. */
#include "rooms_private.h"

static gw_member **list_of(gw_room *room, gw_member_state state) {
  switch (state) {
  case GW_MEMBER_WAITS: return &room->waiting;
  case GW_MEMBER_OWN: return &room->own;
  case GW_MEMBER_BEHIND: return &room->behind;
  default: return NULL;
  }
}

static void unlink_member(gw_member *member) {
  if (!member->link) return;
  *member->link = member->next;
  if (member->next) member->next->link = member->link;
  member->link = NULL;
  member->next = NULL;
}

static void leave_state(gw_member *member) {
  unlink_member(member);
  if (member->state == GW_MEMBER_LIVE) gw_seat_leave(member);
  if (member->feed) moonpool_feed_close(member->feed);
  member->feed = NULL;
}

/* The caller takes its seat, or opens its feed. */
void gw_member_move(gw_member *member, gw_member_state state) {
  leave_state(member);
  member->state = (uint8_t)state;
  gw_member **list = list_of(member->room, state);
  if (!list) return;
  member->next = *list;
  member->link = list;
  if (*list) (*list)->link = &member->next;
  *list = member;
}

/* ---- its place ------------------------------------------------------------------------------- */

void gw_member_place(gw_member *member, const moonpool_id *position, const moonpool_error *error) {
  gw_placed_cb placed = member->placed;
  member->placed = NULL;
  if (placed) placed(member, position, error, member->ctx);
}

static void fail(gw_member *member, int status) {
  moonpool_error error = {(moonpool_status)status, moonpool_status_text(status)};
  gw_member_move(member, GW_MEMBER_ENDED);
  if (member->placed)
    gw_member_place(member, NULL, &error);
  else
    gw_conn_close(gw_session_conn(member->session), GW_CLOSE_INTERNAL, error.message);
}

/* Who waits for the room's place has it: told before anything that comes after it. It may be
 * removed by its callback. */
static void place(gw_member *member) {
  gw_room *room = member->room;
  moonpool_id position = room->position;
  gw_member_move(member, GW_MEMBER_LIVE);
  if (gw_seat_take(member)) {
    member->state = GW_MEMBER_ENDED;
    fail(member, MOONPOOL_ENOMEM);
    return;
  }
  gw_member_place(member, &position, NULL);
}

/* Callbacks may add and remove members; who is new has a place at once. */
void gw_members_of_live(gw_room *room) {
  while (room->waiting && room->is_live) place(room->waiting);
  for (gw_member *m = room->own, *next; m; m = next) {
    next = m->next;
    gw_member_join_others(m);
  }
}

/* Where the feed is live already, the next flush places it: not from inside gw_member_add. */
static int begin(gw_member *member) {
  int status = gw_room_feed_open(member->room);
  if (status) return status;
  if (member->start.kind != MOONPOOL_START_END) return gw_member_catch_up(member, &member->start);
  gw_member_move(member, GW_MEMBER_WAITS);
  gw_room_mark(member->room);
  return MOONPOOL_OK;
}

gw_member *gw_member_add(gw_session *session, gw_room *room, const moonpool_start *start,
                         gw_placed_cb cb, void *ctx) {
  const moonpool_allocator *allocator = gw_room_allocator(room);
  gw_member *member = mp_calloc(allocator, sizeof *member);
  if (!member) return NULL;
  member->session = session;
  member->room = room;
  member->start = *start;
  member->placed = cb;
  member->ctx = ctx;
  member->state = GW_MEMBER_ENDED;
  room->holds++;
  if (begin(member)) {
    leave_state(member);
    gw_room_release(room);
    mp_free(allocator, member);
    return NULL;
  }
  room->rooms->gateway->stats.members++;
  return member;
}

static int is_empty(const gw_room *room) {
  return !room->waiting && !room->own && !room->behind && !room->seat_count[GW_OF_SOCKET] &&
         !room->seat_count[GW_OF_STREAM];
}

void gw_member_remove(gw_member *member) {
  if (!member) return;
  gw_room *room = member->room;
  leave_state(member);
  room->rooms->gateway->stats.members--;
  if (is_empty(room)) gw_room_feed_close(room);
  mp_free(gw_room_allocator(room), member);
  gw_room_release(room);
}

gw_room *gw_member_room(const gw_member *member) {
  return member->room;
}

/* ---- who cannot keep up ---------------------------------------------------------------------- */

static void note_position(gw_member *member) {
  if (member->state != GW_MEMBER_LIVE) return;
  member->position = member->room->flushed;
  member->has_position = 1;
}

void gw_member_overflow(gw_member *member) {
  gw_room *room = member->room;
  room->rooms->gateway->stats.overflows++;
  note_position(member);
  gw_member_move(member, GW_MEMBER_BEHIND);
  if (room->overflow == MOONPOOL_OVERFLOW_DISCONNECT)
    gw_conn_close(gw_session_conn(member->session), GW_CLOSE_TOO_SLOW,
                  "it takes messages too slowly");
}

/* Into a seat, from now on. */
static void sit_down(gw_member *member) {
  gw_member_move(member, GW_MEMBER_LIVE);
  if (gw_seat_take(member) == MOONPOOL_OK) return;
  member->state = GW_MEMBER_ENDED;
  fail(member, MOONPOOL_ENOMEM);
}

/* Of what was dropped the newest message, behind a gap for the others. */
static gw_sent tell_newest(gw_member *member) {
  const gw_room *room = member->room;
  moonpool_room_event event = {.type = MOONPOOL_ROOM_GAP,
                               .gap = {.from = member->position,
                                       .to = room->flushed,
                                       .missing = -1,
                                       .reason = MOONPOOL_GAP_OVERFLOW}};
  if (room->flushed.seq > member->position.seq)
    event.gap.missing = (int64_t)(room->flushed.seq - member->position.seq - 1);
  if (event.gap.missing != 0 && gw_session_tell(member->session, member->room, &event) == GW_FULL)
    return GW_FULL;
  return gw_conn_send(gw_session_conn(member->session), room->newest[gw_member_kind(member)]);
}

static void skip(gw_member *member) {
  gw_room *room = member->room;
  gw_room_flush(room);
  int is_new = !gw_id_equal(&room->flushed, &member->position);
  if (is_new && room->newest[gw_member_kind(member)] && tell_newest(member) == GW_FULL)
    return; /* what was told of it is told again */
  sit_down(member);
}

/* From where it is; before it has been given anything, from where it wanted to begin. */
static int begin_again(gw_member *member) {
  moonpool_start start = {.kind = MOONPOOL_START_AFTER, .after = member->position};
  return gw_member_catch_up(member, member->has_position ? &start : &member->start);
}

void gw_member_refetch(gw_member *member) {
  note_position(member);
  int status = begin_again(member);
  if (status) fail(member, status);
}

void gw_member_drained(gw_member *member) {
  if (member->state != GW_MEMBER_BEHIND) return;
  if (member->room->overflow == MOONPOOL_OVERFLOW_CONFLATE && member->has_position)
    skip(member);
  else
    gw_member_refetch(member);
}
