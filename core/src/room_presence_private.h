/* What the files of presence share: room_presence.c (joins and parts), room_users.c (who is
 * here by this client), room_lease.c
 * (telling Redis, and keeping the lease) and room_members.c (who is here at all). Nobody else
 * includes it. */
#ifndef MP_ROOM_PRESENCE_PRIVATE_H
#define MP_ROOM_PRESENCE_PRIVATE_H

#include "deadline.h"
#include "room_presence.h"
#include "room_private.h"

/* A join or part that waits until Redis knows. */
typedef struct mp_presence_op {
  struct mp_presence_op *next, *prev; /* of the presence; then of those to be told */
  struct mp_presence_op *of_user;     /* the user's next */
  struct mp_user *user;
  moonpool_room *handle; /* of a join, to take it back; NULL: closed */
  int is_join;
  uint64_t deadline; /* of the loop's clock; UINT64_MAX: none */
  moonpool_done_cb cb;
  void *ctx;
} mp_presence_op;

/* The places that a user has by one handle. */
typedef struct mp_share {
  struct mp_share *next;
  const moonpool_room *handle;
  uint64_t places;
} mp_share;

/* A user by this client, until Redis knows that there is none any more. */
typedef struct mp_user {
  struct mp_user *next;  /* in its bucket */
  struct mp_user *queue; /* the next one that Redis is to be told of */
  struct mp_user
      *told; /* the next one that it is being told of; meanwhile it may be queued again */
  uint64_t hash;
  uint64_t places;
  mp_share *shares;
  mp_presence_op *waiting, *sent; /* those that the next call settles, and the present one */
  int is_queued, is_being_told;
  size_t len;
  char name[];
} mp_user;

/* Who is in one room by one client. Redis is told of changes in calls of MP_PRESENCE_BATCH users,
 * one call at a time, each with the number of places that the user has then: so a call whose end is
 * not known may be made again. */
struct mp_presence {
  moonpool *client; /* of which it holds one */
  mp_room *room;    /* a reference */
  moonpool_allocator allocator;
  mp_deadline deadline;
  size_t refs; /* itself until it ends, its timer, a call under way */
  int is_ended;

  mp_user **buckets;
  size_t size, count;              /* of buckets, a power of 2; of users */
  mp_user *changed, *last_changed; /* those that Redis is to be told of */
  mp_user *told;                   /* those of the call under way */
  mp_presence_op *ops;             /* all */
  uint64_t ops_due;                /* no deadline of them is before it */
  size_t watchers;                 /* handles */

  uint64_t lease;           /* ms */
  uint64_t id, replaced;    /* of the lease, and of the one before it; 0: none */
  uint64_t acknowledged;    /* the last change that Redis has confirmed; 0: the lease is new */
  uint64_t number;          /* of the last change */
  uint64_t due, not_before; /* when to call again, and when at the earliest */
  uint64_t pause;           /* ms, after the last failure */
  int is_calling, is_lost;
};

#define MP_PRESENCE_BATCH 200

/* ---- room_users.c ---- */

/* By name; NULL: there is none. */
mp_user *mp_presence_find_user(mp_presence *p, moonpool_bytes name);

/* One that is not there yet, without places; NULL without memory. */
mp_user *mp_presence_add_user(mp_presence *p, moonpool_bytes name);

/* Frees the user if there is nothing left of it. */
void mp_presence_drop_user(mp_presence *p, mp_user *user);

void mp_presence_free_users(mp_presence *p);

/* The user's share of that handle, or the end of the list. */
mp_share **mp_presence_share_of(mp_user *user, const moonpool_room *handle);

/* One place more: 1, or 0 without memory. */
int mp_presence_add_place(mp_presence *p, mp_user *user, const moonpool_room *handle);

/* So many places less: 1, or 0: there were not so many. */
int mp_presence_take_places(mp_presence *p, mp_user *user, const moonpool_room *handle,
                            uint64_t places);

/* Has Redis told of the user by the next call. */
void mp_presence_queue(mp_presence *p, mp_user *user);

/* ---- room_presence.c ---- */

/* Takes a chain of a user's joins and parts out of the presence, and puts it in front of `done`. */
void mp_presence_take_ops(mp_presence *p, mp_presence_op **chain, mp_presence_op **done);

/* Takes the joins among them back: their callers are about to hear that they failed. */
void mp_presence_take_back(mp_presence *p, mp_presence_op *done);

/* Calls them back with the error (NULL: done) in the order in which they were made, and frees them.
 * The presence may be gone then. */
void mp_presence_tell(const moonpool_allocator *allocator, mp_presence_op *done,
                      const moonpool_error *error);

/* Those whose deadline is not after `now`, in front of `done`; notes the next deadline. */
void mp_presence_take_overdue(mp_presence *p, uint64_t now, mp_presence_op **done);

/* Gives one of `refs` back. */
void mp_presence_release(mp_presence *p);

/* Ends it when nobody needs it any more. */
void mp_presence_end_if_idle(mp_presence *p);

/* ---- room_lease.c ---- */

void mp_lease_begin(mp_presence *p);

/* Makes the call that is due, if none is under way, and sets the timer. */
void mp_lease_go_on(mp_presence *p);

/* Ends it, as far as that can be written at once. */
void mp_lease_drop(mp_presence *p);

/* Something is to be told. */
void mp_lease_wake(mp_presence *p);

/* The keys of the script for presence, with the lease's id (0: none), in the buffer: 1, or 0
 * without memory. */
int mp_presence_put_keys(const mp_room *room, uint64_t lease, mp_buf *buf, moonpool_bytes keys[4]);

#endif
