/* What the files of history share: room_history.c (the question, its bounds, the answer) and
 * room_history_read.c (the reads). Nobody else includes it. */
#ifndef MP_ROOM_HISTORY_PRIVATE_H
#define MP_ROOM_HISTORY_PRIVATE_H

#include "room_entry.h"
#include "room_private.h"

/* Entries of a list that are looked through for one question; what lies behind is ETOOBIG. */
#define MP_ROOM_LIST_MAX 131072u

/* One question, from its acceptance until its callback. */
typedef struct mp_history {
  mp_room *room; /* a reference */
  moonpool_history_kind kind;
  int is_asked_by_place;      /* by time or id, not just for the newest */
  int is_forward;             /* the oldest of them; else the newest */
  size_t wanted;              /* how many */
  size_t page;                /* entries in one read */
  moonpool_id oldest, newest; /* the places still to be read, inclusive; tags are 0 */
  uint64_t keep;              /* 0: no limit */
  size_t asked_for;           /* entries, in the read that is under way */
  size_t at_edge;             /* entries of a sorted set that were seen with the score `edge` */
  char edge[40];
  uint64_t deadline;           /* of the loop's clock; UINT64_MAX: none */
  mp_buf log, backlog, config; /* the keys */
  mp_buf entries;              /* moonpool_entry; their bodies are put in at the end */
  size_t count;                /* of them */
  mp_buf bodies;               /* one after the other */
  moonpool_history_cb cb;
  void *ctx;
} mp_history;

/* ---- room_history.c ---- */

/* Calls back once, and frees it; `error` NULL: what was collected is the answer. */
void mp_history_end(mp_history *history, const moonpool_error *error);

/* The same with a status and the reason, which gets the room's name in front; NULL: the status's
 * own text. */
void mp_history_fail(mp_history *history, int status, const char *reason);

/* Sends one command whose reply is for `cb`, within what is left of the deadline; or fails. */
void mp_history_ask(mp_history *history, size_t argc, const moonpool_bytes *argv,
                    moonpool_reply_cb cb);

/* ---- room_history_read.c ---- */

/* Reads what lies within the bounds, and ends it. */
void mp_history_read(mp_history *history);

#endif
