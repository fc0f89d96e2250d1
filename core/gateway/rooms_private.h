/* What the files of rooms share: rooms.c (which are open), fanout.c (from a room's feed into
 * queues), member.c (who listens) and catch_up.c (feeds of one member). */
#ifndef GW_ROOMS_PRIVATE_H
#define GW_ROOMS_PRIVATE_H

#include "event_text.h"
#include "json_text.h"
#include "mem.h"
#include "rooms.h"
#include "session_private.h"

typedef enum gw_member_state {
  GW_MEMBER_WAITS,  /* for the room's feed to be live */
  GW_MEMBER_LIVE,   /* gets what the room gets */
  GW_MEMBER_OWN,    /* has a feed of its own */
  GW_MEMBER_BEHIND, /* its queue was full: waits for space */
  GW_MEMBER_ENDED   /* its feed has ended with the client */
} gw_member_state;

struct gw_member {
  gw_session *session;
  gw_room *room;
  gw_member *next, **link; /* of the room's list of the state; of LIVE: none */
  size_t index;            /* LIVE: in the room's seats */
  uint8_t state;           /* gw_member_state */
  uint8_t is_caught_up;    /* OWN: its feed has given all that was there */
  uint8_t is_told_down;    /* that the history cannot be read */
  uint8_t has_position;    /* it was given something, or there was nothing */
  moonpool_id position;    /* OWN, BEHIND: of the message that it was given last */
  moonpool_id reached;     /* OWN: likewise; all zero after a gap, until a message comes */
  moonpool_feed *feed;     /* OWN */
  moonpool_start start;    /* until it is placed */
  gw_placed_cb placed;     /* NULL: it was called */
  void *ctx;
};

/* A live member as a flush walks through them. */
typedef struct gw_seat {
  gw_conn *conn;
  gw_member *member;
} gw_seat;

/* What has come since the last flush, as sockets or as streams get it. */
typedef struct gw_bundle {
  gw_chunk *chunk;
  uint64_t events;
} gw_bundle;

struct gw_room {
  struct gw_rooms *rooms;
  gw_room *next;       /* in the table */
  gw_room *next_dirty; /* in the list of those that are to be flushed */
  uint64_t hash;
  unsigned holds;
  uint8_t is_dirty;
  uint8_t is_live;  /* the feed's place is known */
  uint8_t overflow; /* moonpool_overflow */
  uint8_t is_down;  /* the history could not be read: told */
  moonpool_room *handle;
  moonpool_feed *feed;
  gw_seat *seats[2]; /* live members: of sockets, of streams (GW_OF_SOCKET, GW_OF_STREAM) */
  size_t seat_count[2], seat_size[2];
  gw_member *waiting, *own, *behind;
  gw_bundle bundles[2];
  moonpool_id position; /* of the message that the feed gave last */
  moonpool_id reached;  /* likewise; all zero after a gap, until a message comes */
  moonpool_id flushed;  /* of the message that all live members were given last */
  gw_chunk *newest[2];  /* the last message, where the overflow is conflate */
  mp_buf head;          /* ',"room":NAME' as JSON */
};

typedef struct gw_rooms {
  moonpool_gateway *gateway;
  gw_room **table; /* by hash, chained; size is a power of two */
  size_t size, count;
  gw_room *dirty;       /* to be flushed, or closed */
  int is_stopped;       /* none of them is followed any more */
  gw_session *sessions; /* all */
  struct gw_room_list *list;
  uv_timer_t clock; /* of gw_sessions_check */
} gw_rooms;

static inline const moonpool_allocator *gw_room_allocator(const gw_room *room) {
  return room->rooms->gateway->allocator;
}

static inline int gw_id_equal(const moonpool_id *a, const moonpool_id *b) {
  return a->ms == b->ms && a->seq == b->seq && a->tag == b->tag;
}

/* ---- rooms.c ---- */

/* To be looked at by the next flush. */
void gw_room_mark(gw_room *room);

/* ---- fanout.c ---- */

/* The room's feed is wanted, or not any more: opens or closes it. MOONPOOL_OK, ENOMEM, ECLOSED. */
int gw_room_feed_open(gw_room *room);
void gw_room_feed_close(gw_room *room);

/* Hands what has come to the live members. */
void gw_room_flush(gw_room *room);

/* Takes a seat, after a flush: what comes from now on is the member's. MOONPOOL_OK or ENOMEM. */
int gw_seat_take(gw_member *member);
void gw_seat_leave(gw_member *member);

/* Which of a room's two kinds of seats. */
unsigned gw_member_kind(const gw_member *member);

/* ---- member.c ---- */

void gw_member_move(gw_member *member, gw_member_state state);

/* Calls its callback, once. */
void gw_member_place(gw_member *member, const moonpool_id *position, const moonpool_error *error);

/* The room's feed is live now, or has given something more. */
void gw_members_of_live(gw_room *room);

/* There is no space for what comes now. */
void gw_member_overflow(gw_member *member);

/* A live one could not be given what came after the last flush: it reads that by itself. */
void gw_member_refetch(gw_member *member);

/* ---- catch_up.c ---- */

/* A feed of its own from its start on, or from `position`. MOONPOOL_OK or a status. */
int gw_member_catch_up(gw_member *member, const moonpool_start *start);

/* Into a seat, when its feed and the room's are at one place. */
void gw_member_join_others(gw_member *member);

#endif
