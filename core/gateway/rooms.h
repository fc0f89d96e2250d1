/* The rooms that are open in a gateway, and who listens in them. One handle and one live feed a
 * room, however many listen: what comes is encoded once, gathered for a turn of the loop, and put
 * into everybody's queue at its end. Who wants what was before, or could not keep up, has a feed of
 * his own until that has come to the same place. */
#ifndef GW_ROOMS_H
#define GW_ROOMS_H

#include "session.h"

typedef struct gw_room gw_room;
typedef struct gw_member gw_member;

/* Makes gateway->rooms. MOONPOOL_OK or ENOMEM. */
int gw_rooms_new(moonpool_gateway *gateway);

/* After the last session's end: nothing is followed any more, and what nobody holds is closed. NULL
 * rooms are accepted, here and by the next. */
void gw_rooms_stop(moonpool_gateway *gateway);

/* After the last request's. */
void gw_rooms_free(moonpool_gateway *gateway);

/* The end of a loop's turn, before connections are written: hands what has come to the members. */
void gw_rooms_flush(moonpool_gateway *gateway);

/* The open room of that name ("room:" may lead), which is opened if need be; held until
 * gw_room_release. EARG (the name; the line in `message` says what is wrong), EQUEUE (max_members
 * rooms are open), ECLOSED, ENOMEM. */
int gw_room_hold(moonpool_gateway *gateway, moonpool_bytes name, gw_room **room, char *message,
                 size_t size);
void gw_room_release(gw_room *room);

moonpool_room *gw_room_handle(const gw_room *room);
moonpool_bytes gw_room_name(const gw_room *room);

/* ---- members ------------------------------------------------------------------------------- */

/* Called once: the member's place is known, and events come from now on (`position` NULL: it is the
 * beginning of what was asked for); or it has none, by that error. Never from inside gw_member_add.
 */
typedef void (*gw_placed_cb)(gw_member *member, const moonpool_id *position,
                             const moonpool_error *error, void *ctx);

/* Adds a session to the room, from that place on. The member holds the room. Returns it, or NULL
 * without memory. */
gw_member *gw_member_add(gw_session *session, gw_room *room, const moonpool_start *start,
                         gw_placed_cb cb, void *ctx);

/* Ends it at once; NULL is accepted. A callback that was not called is not. */
void gw_member_remove(gw_member *member);

gw_room *gw_member_room(const gw_member *member);

/* After GW_FULL: there is space again. */
void gw_member_drained(gw_member *member);

#endif
