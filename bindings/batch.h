/* What the recorder, the batches and the sessions share. */
#ifndef MP_BATCH_H
#define MP_BATCH_H

#include "handles.h"
#include "shape.h"

#define MP_BATCH_MESSAGE 512

/* What is kept of a command. */
typedef struct mp_recorded {
  const char *name;      /* Lua's string */
  const mp_shape *shape; /* of its reply, or NULL */
} mp_recorded;

/* The commands of one pipeline or transaction, while they are recorded and on their way: a
 * userdata, which is the recorder that the program's function gets. User value 1 is the client's; 2
 * a table that anchors names of commands. */
typedef struct mp_batch {
  mp_client *client;
  moonpool_batch *core;        /* NULL: sent, or given up */
  struct mp_batch *next, **at; /* in the client's list of those that have a core */
  mp_recorded *commands;       /* in order */
  size_t count, room;
  mp_waiter *waiter;
  int ref;     /* anchors it while it is on its way */
  int results; /* a reference: a pipeline's list of replies */
  char *held;  /* replies that are not in the list yet: see held.c */
  size_t held_len, held_room;
  int status; /* of the first failure, with its message */
  char message[MP_BATCH_MESSAGE];
  uint8_t kind;    /* moonpool_batch_kind */
  uint8_t is_over; /* nothing is recorded any more */
} mp_batch;

/* ---- recorder.c ---- */

/* Pushes a new recorder for the client at `index`: NULL, with nothing pushed, without memory. */
mp_batch *mp_batch_new(lua_State *L, int index, mp_client *client, moonpool_batch_kind kind);

mp_batch *mp_check_batch(lua_State *L, int index);

/* Lets go of the core's batch: nothing that was recorded is sent; or it was sent. */
void mp_batch_drop(mp_batch *batch);
void mp_batch_sent(mp_batch *batch);

/* Keeps the first failure, of the command that `index` counts from 0. */
void mp_batch_fail(mp_batch *batch, size_t index, int status, const char *message);

/* ---- held.c ---- */

/* Copies a short string or status that answers the command `index`, for the list: 1, or 0 for what
 * the caller must put there by itself. */
int mp_batch_hold(mp_batch *batch, size_t index, const moonpool_reply *reply);

/* Puts what is held into the list; without memory the batch has failed. */
void mp_batch_put_held(mp_batch *batch);

/* Frees what is held. */
void mp_batch_drop_held(mp_batch *batch);

/* ---- batch.c ---- */

/* Sends what was recorded in the batch at `index`, awaits the replies and returns the results. */
int mp_batch_send(lua_State *L, int index, moonpool_session *session, uint64_t timeout);

#endif
