/* What a room's client has to say in it, in order: a queue, of which one batch at a time is on its
 * way. What is said meanwhile gathers for the next one, so that a batch costs one call of the
 * script, whatever is in it, and what failed is sent again before anything newer. */
#ifndef MP_ROOM_PUBLISH_H
#define MP_ROOM_PUBLISH_H

#include "deadline.h"
#include "room_private.h"

typedef struct mp_publisher mp_publisher;
typedef struct mp_publishing mp_publishing; /* what the publishers of one client share */

/* What one handle asks for, shared by what is said by it. */
typedef struct mp_terms {
  size_t refs;
  moonpool_history_kind history;
  int64_t keep, keep_ms;
  uint64_t key_ttl;
  unsigned replicas;
  uint64_t replicas_timeout;
  size_t backlog_len; /* 0: the room's own */
  char backlog[];
} mp_terms;

typedef enum mp_verb { MP_SAY = 's', MP_DELETE = 'd', MP_CLEAR = 'c' } mp_verb;

/* One message, from moonpool_room_say until its callback. */
typedef struct mp_publish {
  struct mp_publish *next;
  mp_terms *terms;
  moonpool_stored_cb cb; /* NULL: nobody is told (any more) */
  void *ctx;
  uint64_t deadline; /* of the loop's clock, ms; UINT64_MAX: none */
  uint64_t tag, hash;
  int is_over;     /* its deadline has passed while it was on its way */
  int is_doubtful; /* nobody knows whether it is stored: it was lost with a link */
  size_t key_len;  /* of the key's record; 0: it has no key */
  size_t action_len, body_len;
  char bytes[]; /* the three, one after the other */
} mp_publish;

struct mp_publisher {
  mp_room *room;
  mp_publisher *next; /* of those that have something waiting */
  int is_listed;
  mp_publish *first, *last;
  size_t count, bytes;
  size_t in_flight;  /* of the first, on their way */
  unsigned attempts; /* that Redis has refused for a passing reason, one after the other */
  uint64_t paused;   /* nothing is sent before; 0: no pause */
};

struct mp_publishing {
  moonpool *client;
  mp_publisher *listed;
  mp_deadline deadline;
  uv_timer_t pause;
  mp_buf scratch;
  int is_loaded; /* Redis knows the script, for all that durable batches have seen */
};

/* ---- room_publish.c ---- */

/* Ends its timers; the publishers have been closed before. NULL is accepted. */
void mp_publishing_close(mp_publishing *publishing);

/* Completes what waits with ECLOSED. The publisher frees itself when its batch has come back. NULL
 * is accepted. */
void mp_publisher_close(mp_publisher *publisher);

/* Of a room that nobody uses any more: nothing waits. NULL is accepted. */
void mp_publisher_free(mp_publisher *publisher);

/* What the publishers of a client share, made when it is first needed; NULL without memory. */
mp_publishing *mp_publishing_of(moonpool *client);

/* The room's, made when it is first needed; NULL without memory. */
mp_publisher *mp_publisher_of(mp_room *room);

/* At the end of the queue; it is sent before the loop polls, and has its deadline from now on. */
void mp_publisher_add(mp_publisher *publisher, mp_publish *message);

/* Takes out the one that `at` points to; `before` is the one before it, or NULL. */
mp_publish *mp_publisher_take(mp_publisher *publisher, mp_publish **at, mp_publish *before);

/* Tells the end of one that was taken out, and frees it. Of one in doubt an error's words say so.
 */
void mp_publish_finish(mp_publisher *publisher, mp_publish *message, const moonpool_stored *stored,
                       const moonpool_error *error);
void mp_publish_fail(mp_publisher *publisher, mp_publish *message, int status, const char *reason);

/* The same for a list of them. The caller holds the room. */
void mp_publish_fail_list(mp_publisher *publisher, mp_publish *list, int status,
                          const char *reason);

/* Takes the first `count` out, so that nothing that callbacks do meets them. */
mp_publish *mp_publisher_detach(mp_publisher *publisher, size_t count);

/* Lets go of the room if nothing waits and nothing is on its way. */
void mp_publisher_settle(mp_publisher *publisher);

/* ---- room_batch.c ---- */

/* Sends what has gathered; before the loop polls. NULL is accepted. */
void mp_publishing_flush(mp_publishing *publishing);

/* The pause of some publisher may be over. */
void mp_publishing_on_pause(uv_timer_t *timer);

/* How many replicas have what was stored. */
typedef struct mp_acks {
  unsigned asked; /* 0: nobody asked */
  long long got;  /* -1: unknown */
} mp_acks;

/* What became of the publisher's batch, told to its messages; the script's reply may be a copy. */
void mp_publisher_take_outcome(mp_publisher *publisher, const moonpool_reply *reply,
                               const moonpool_error *error, mp_acks acks);

/* Redis has done nothing with the batch: it is sent again, all of it. */
void mp_publisher_send_again(mp_publisher *publisher);

/* A call of the script, its words in the client's scratch. */
typedef struct mp_publish_call {
  moonpool_bytes *keys, *args;
  size_t key_count, arg_count;
  uint64_t timeout; /* ms */
} mp_publish_call;

/* ---- room_durable.c ---- */

/* Sends the batch together with a WAIT for the replicas, on a link of the pool; a status as that of
 * mp_room_call. */
int mp_publisher_send_durable(mp_publisher *publisher, const mp_publish_call *call);

/* ---- room_say.c ---- */

void mp_terms_release(mp_terms *terms, const moonpool_allocator *allocator);

#endif
