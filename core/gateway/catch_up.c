/* A feed of one member's own: from where it wants to begin, or could not go on, to where the room's
 * feed is. There it ends, and the member takes a seat among the others. */
#include "rooms_private.h"

static void move_on(gw_member *member, const moonpool_room_event *event) {
  if (event->type == MOONPOOL_ROOM_MESSAGE || event->type == MOONPOOL_ROOM_LIVE) {
    member->position = member->reached = event->id;
    member->has_position = 1;
  } else if (event->type == MOONPOOL_ROOM_GAP) {
    member->reached = (moonpool_id){0};
  }
  if (event->type == MOONPOOL_ROOM_LIVE) member->is_caught_up = 1;
}

/* The error is told as long as the member has no place; then once. */
static void on_error(gw_member *member, const moonpool_event *event) {
  if (member->placed) {
    gw_member_place(member, NULL, &event->error);
    return;
  }
  if (!member->is_told_down) gw_session_tell_down(member->session, member->room, &event->error);
  member->is_told_down = 1;
}

static void on_own_event(const moonpool_event *event) {
  gw_member *member = event->ctx;
  const moonpool_room_event *own = event->room;
  gw_room *room = member->room;
  if (own->type == MOONPOOL_ROOM_ENDED) {
    member->feed = NULL;
    gw_member_place(member, NULL, &event->error);
    return;
  }
  if (own->type == MOONPOOL_ROOM_ERROR) {
    on_error(member, event);
    return;
  }
  room->holds++;
  /* Nothing came: who has heard of no message yet goes on from here should its connection end. */
  if (member->placed)
    gw_member_place(member, own->type == MOONPOOL_ROOM_LIVE ? &own->id : NULL, NULL);
  if (own->type != MOONPOOL_ROOM_LIVE && gw_session_tell(member->session, room, own) == GW_FULL) {
    gw_member_overflow(member); /* it is fetched again once there is space */
  } else {
    move_on(member, own);
    gw_member_join_others(member);
  }
  gw_room_release(room);
}

int gw_member_catch_up(gw_member *member, const moonpool_start *start) {
  gw_member_move(member, GW_MEMBER_OWN);
  member->is_caught_up = 0;
  if (start->kind == MOONPOOL_START_AFTER) {
    member->position = start->after;
    member->has_position = 1;
  }
  return moonpool_feed_open(&member->feed, member->room->handle, start, on_own_event, member);
}

/* Equal places of two feeds of one history: what one has given, the other has, too. What the room
 * has gathered was given to this member already; gw_seat_take flushes it to the others first. */
void gw_member_join_others(gw_member *member) {
  gw_room *room = member->room;
  if (member->state != GW_MEMBER_OWN || !member->is_caught_up || !room->is_live) return;
  if (!gw_id_equal(&member->reached, &room->reached)) return;
  gw_member_move(member, GW_MEMBER_LIVE);
  if (gw_seat_take(member) == MOONPOOL_OK) return;
  member->state = GW_MEMBER_ENDED;
  gw_conn_close(gw_session_conn(member->session), GW_CLOSE_INTERNAL, "out of memory");
}
