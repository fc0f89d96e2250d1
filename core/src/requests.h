/* The requests of one link, oldest first, the bytes of those that were not written yet, and their
 * deadlines. It owns the requests; what a request's callback points to is its giver's. */
#ifndef MP_REQUESTS_H
#define MP_REQUESTS_H

#include "deadline.h"
#include "mem.h"

typedef struct mp_request_info {
  moonpool_reply_cb cb; /* NULL: nobody is told */
  void *ctx;
  uint64_t timeout;       /* ms from the loop turn in which it is committed; UINT64_MAX: none */
  uint32_t confirmations; /* 0: replies; else that many pushes (mp_link_confirm) or an error */
  uint32_t replies;       /* 0 is 1: commands that it is made of; `cb` is called for each reply,
                             or once with an error and no reply for all that are left */
  /* For requests of one reply. NULL, or called once after `cb` was told that the deadline passed:
   * with the reply that comes all the same, with the error when there will be none, with neither
   * when it was not written. */
  moonpool_reply_cb late;
} mp_request_info;

typedef struct mp_request {
  struct mp_request *next;
  mp_request_info info;
  uint64_t deadline; /* of the loop's clock, ms; UINT64_MAX: none, or not dated yet */
  uint64_t number;   /* counts up; those up to mp_requests.sent were written */
  size_t bytes;
  int is_abandoned; /* its deadline passed: a reply that still comes is dropped */
} mp_request;

typedef struct mp_requests {
  const moonpool_allocator *allocator;
  const char *address; /* for messages; borrowed */
  const char *trouble; /* likewise: why nothing can be written; NULL: it can */
  mp_request *first, *last, *undated, *spare, *reserved;
  size_t count, unsent; /* commands */
  size_t spare_count, abandoned_unsent;
  uint64_t numbered, sent;
  mp_deadline deadline; /* the earliest that was ever seen waiting; the link closes its timer */
  int is_closed;
  mp_buf out;
  size_t out_mark; /* where the request being encoded begins */
} mp_requests;

void mp_requests_init(mp_requests *q, uv_loop_t *loop, const moonpool_allocator *allocator,
                      const char *address);

/* Frees the memory; the queue must be empty, and its timer closed. */
void mp_requests_free(mp_requests *q);

/* As mp_link_begin and mp_link_commit. */
mp_buf *mp_requests_begin(mp_requests *q, size_t size);
void mp_requests_commit(mp_requests *q, const mp_request_info *info);

/* As mp_requests_commit, but before all others, of which none may have been sent on this
 * connection. mp_requests_begin was asked for twice the size. */
void mp_requests_commit_first(mp_requests *q, const mp_request_info *info);

/* Starts the time of those committed since it was called last. To be called once a loop turn: the
 * loop's clock is right then, while during a long callback it stands still. */
void mp_requests_date(mp_requests *q);

/* Calls the oldest request's callback; its last reply removes it first. `q` may be empty
 * afterwards, or hold more. */
void mp_requests_answer(mp_requests *q, const moonpool_reply *reply, const moonpool_error *error);

/* All was written. */
static inline void mp_requests_sent(mp_requests *q) {
  q->sent = q->numbered;
  q->unsent = 0;
}

/* Takes back those that were not written, whose `late` is that one and whose context `is_meant`:
 * each has its `late` called with neither reply nor error. */
void mp_requests_withdraw(mp_requests *q, moonpool_reply_cb late,
                          int (*is_meant)(const void *ctx, const void *what), const void *what);

/* Tells everyone who waits, without waiting any longer: what was asked for is written, and its
 * replies are dropped. */
void mp_requests_unhear(mp_requests *q, const moonpool_error *error);

/* Fails those that were written (or, with `all`, every one) and forgets them. */
void mp_requests_fail(mp_requests *q, int all, const moonpool_error *error);

#endif
