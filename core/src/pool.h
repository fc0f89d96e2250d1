/* A bounded set of links for what cannot share one: blocking commands and sessions. Who wants a
 * link waits in line for it, has it alone, and gives it back. A link of the pool is one connection:
 * it is closed when that is lost, or when nobody has used it for long. The pool owns its links;
 * what waits is its giver's. */
#ifndef MP_POOL_H
#define MP_POOL_H

#include "deadline.h"
#include "link.h"

typedef struct mp_pool mp_pool;

/* One of its links. */
typedef struct mp_pooled mp_pooled;

/* One that wants a link, or has it. All three are called from inside uv_run or mp_pool_close. */
typedef struct mp_want {
  struct mp_want *next, *prev;
  /* It has `link`, which is ready, until mp_pool_give_back. */
  void (*on_link)(struct mp_want *want, mp_pooled *link);
  /* It waits no longer, and has none. */
  void (*on_failed)(struct mp_want *want, const moonpool_error *error);
  /* The link that it has is lost: its requests have failed, and it has none any more. */
  void (*on_lost)(struct mp_want *want, const moonpool_error *error);
  uint64_t timeout;  /* ms; UINT64_MAX: none */
  uint64_t since;    /* of the loop's clock, once the turn's end has dated it */
  uint64_t deadline; /* likewise */
} mp_want;

typedef struct mp_pool_config {
  moonpool *client;
  mp_link_config link; /* events, ctx and is_pooled are the pool's to set */
  /* mp_pool_flush is to be called before the loop polls. */
  void (*on_dirty)(moonpool *client);
} mp_pool_config;

/* NULL when out of memory. Nothing is connected before somebody wants a link. */
mp_pool *mp_pool_new(const mp_pool_config *config);

/* Fails who waits and closes the links; `on_gone` when the memory is free. */
void mp_pool_close(mp_pool *pool, void (*on_gone)(void *ctx), void *ctx);

/* Lines up `want`, whose callbacks and timeout are set: MOONPOOL_OK or EQUEUE. */
int mp_pool_lease(mp_pool *pool, mp_want *want);

/* The link is free for others. One that is being lost, or that is no good any more, goes. */
void mp_pool_give_back(mp_pooled *link);

/* Ends its connection; what is in flight on it fails. */
void mp_pool_break(mp_pooled *link, int status, const char *reason);

mp_link *mp_pooled_link(const mp_pooled *link);

/* Hands free links to those who wait, makes new ones, and writes what they have to say. */
void mp_pool_flush(mp_pool *pool);

/* As mp_link_move, for every link. */
void mp_pool_move(mp_pool *pool, const char *address);

void mp_pool_get_stats(const mp_pool *pool, moonpool_stats *stats);

#endif
