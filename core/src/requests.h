/* The requests of one link, oldest first, and the bytes of those that were not written yet. It
 * owns the requests; what a request's callback points to is its giver's. */
#ifndef MP_REQUESTS_H
#define MP_REQUESTS_H

#include "link.h"

typedef struct mp_request {
  struct mp_request *next;
  mp_request_info info;
  uint64_t number; /* counts up; those up to mp_requests.sent were written */
  size_t bytes;
  int is_abandoned; /* its deadline passed: a reply that still comes is dropped */
} mp_request;

typedef struct mp_requests {
  const moonpool_allocator *allocator;
  mp_request *first, *last, *spare, *reserved;
  size_t count, spare_count, blocking, abandoned_unsent;
  uint64_t numbered, sent;
  uint64_t next_deadline; /* no live request's deadline is earlier */
  mp_buf out;
  size_t out_mark; /* where the request being encoded begins */
} mp_requests;

void mp_requests_init(mp_requests *q, const moonpool_allocator *allocator);

/* Frees the memory; the queue must be empty. */
void mp_requests_free(mp_requests *q);

/* As mp_link_begin and mp_link_commit. */
mp_buf *mp_requests_begin(mp_requests *q, size_t size);
void mp_requests_commit(mp_requests *q, const mp_request_info *info);

/* Removes the oldest request and calls its callback. `q` may be empty afterwards, or hold more. */
void mp_requests_answer(mp_requests *q, const moonpool_reply *reply, const moonpool_error *error);

/* Fails those that were written (or, with `all`, every one) and forgets them. */
void mp_requests_fail(mp_requests *q, int all, const moonpool_error *error);

/* Fails those whose deadline has passed at `now`. Those not written are forgotten, bytes and all;
 * for the others a place is kept for the late reply. `*is_closed` is looked at after each callback.
 */
void mp_requests_expire(mp_requests *q, uint64_t now, const moonpool_error *error,
                        const int *is_closed);

#endif
